//! `miniclaw plugin new`: the crate of a plugin, ready to be changed.

use std::io;
use std::path::{Path, PathBuf};

use miniclaw_plugin_api::manifest::API_VERSION;
use serde_json::json;

use super::super::args::{KindArg, NewArgs};
use super::super::{Failure, Outcome, setup};
use crate::plugins::inspect::api_text;

const API_CRATE: &str = "miniclaw-plugin-api";
/// The manifest has room for no more.
const NAME_BYTES: usize = 63;

/// Files of every kind; `{{…}}` in them is replaced.
const COMMON: [(&str, &str); 2] = [
    ("Cargo.toml", include_str!("new/Cargo.toml.in")),
    (".gitignore", include_str!("new/gitignore.in")),
];
const CHANNEL: [(&str, &str); 6] = [
    ("README.md", include_str!("new/channel/README.md")),
    (
        "settings.schema.json",
        include_str!("new/channel/settings.schema.json"),
    ),
    ("src/lib.rs", include_str!("new/channel/lib.rs")),
    ("src/platform.rs", include_str!("new/channel/platform.rs")),
    ("src/settings.rs", include_str!("new/channel/settings.rs")),
    ("src/tests.rs", include_str!("new/channel/tests.rs")),
];
const PROVIDER: [(&str, &str); 5] = [
    ("README.md", include_str!("new/provider/README.md")),
    (
        "settings.schema.json",
        include_str!("new/provider/settings.schema.json"),
    ),
    ("src/lib.rs", include_str!("new/provider/lib.rs")),
    ("src/settings.rs", include_str!("new/provider/settings.rs")),
    ("src/tests.rs", include_str!("new/provider/tests.rs")),
];

/// Why no crate was made.
#[derive(Debug, thiserror::Error)]
enum NewError {
    #[error(
        "`{0}` is no name for a plugin: write lowercase letters, digits, `-` and `_`, beginning with a letter, at \
         most {NAME_BYTES}"
    )]
    Name(String),
    #[error("`{0}` cannot be the name of a crate; choose another name")]
    Reserved(String),
    #[error("{} exists and is not empty; choose another name, or remove it", .0.display())]
    Exists(PathBuf),
    #[error("{} has no {API_CRATE}; name the folder `plugin-api` of miniclaw's source", .0.display())]
    NoApi(PathBuf),
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Makes the folder and prints what to do next.
///
/// # Errors
/// Status 2 for a name that is none, 1 where the folder cannot be made.
pub(crate) fn run(args: &NewArgs) -> Outcome {
    let crate_of = Crate::new(args).map_err(fail)?;
    let files = crate_of.write(Path::new("")).map_err(fail)?;
    let next = crate_of.next();
    let text = if args.output.json {
        super::show::pretty(&json!({
            "name": args.name,
            "kind": crate_of.kind(),
            "folder": args.name,
            "library": format!("lib{}.so", crate_of.library()),
            "files": files,
            "next": next,
        }))
    } else {
        let made: Vec<String> = files.iter().map(|file| format!("made {file}\n")).collect();
        let next: Vec<String> = next.iter().map(|command| format!("  {command}\n")).collect();
        format!("{}\nnext:\n{}", made.concat(), next.concat())
    };
    setup::print(&text, 0)
}

fn fail(error: NewError) -> Failure {
    let usage = matches!(error, NewError::Name(_) | NewError::Reserved(_));
    Failure::chain(if usage { 2 } else { 1 }, &error)
}

struct Crate<'a> {
    args: &'a NewArgs,
    /// What stands between the braces of the dependency.
    api: String,
}

impl<'a> Crate<'a> {
    fn new(args: &'a NewArgs) -> Result<Self, NewError> {
        check_name(&args.name)?;
        let api = match &args.api_path {
            Some(folder) => format!("path = {}", toml_text(&api_path(folder)?)),
            None => format!("version = \"{}\"", api_text(API_VERSION)),
        };
        Ok(Self { args, api })
    }

    fn kind(&self) -> &'static str {
        match self.args.kind {
            KindArg::Channel => "channel",
            KindArg::Provider => "provider",
        }
    }

    fn library(&self) -> String {
        self.args.name.replace('-', "_")
    }

    /// Writes every file and returns their paths; the last one to be written makes it a crate.
    fn write(&self, parent: &Path) -> Result<Vec<String>, NewError> {
        let folder = parent.join(&self.args.name);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NewError::Write { path, source }
        };
        let free = match folder.read_dir() {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if !free {
            return Err(NewError::Exists(folder));
        }
        std::fs::create_dir_all(folder.join("src")).map_err(failed(&folder))?;
        let own: &[(&str, &str)] = match self.args.kind {
            KindArg::Channel => &CHANNEL,
            KindArg::Provider => &PROVIDER,
        };
        let mut files = Vec::new();
        for (name, text) in own.iter().chain(COMMON.iter().rev()) {
            let path = folder.join(name);
            std::fs::write(&path, self.fill(text)).map_err(failed(&path))?;
            files.push(path.to_string_lossy().into_owned());
        }
        files.sort();
        Ok(files)
    }

    fn fill(&self, text: &str) -> String {
        let description = format!("The {} {} of miniclaw.", self.args.name, self.kind());
        text.replace("{{name}}", &self.args.name)
            .replace("{{library}}", &self.library())
            .replace("{{description}}", &description)
            .replace("{{api}}", &self.api)
    }

    fn next(&self) -> Vec<String> {
        let library = format!("target/release/lib{}.so", self.library());
        vec![
            format!("cd {}", self.args.name),
            "cargo test".to_owned(),
            "cargo build --release".to_owned(),
            format!("miniclaw plugin check {library}"),
            format!("miniclaw plugin run {library}"),
        ]
    }
}

fn check_name(name: &str) -> Result<(), NewError> {
    /// What cargo refuses, keywords aside, and what the crate depends on itself.
    const TAKEN: [&str; 12] = [
        "test",
        "core",
        "std",
        "alloc",
        "proc_macro",
        "proc-macro",
        "build",
        "deps",
        "serde",
        "serde_json",
        "tokio",
        API_CRATE,
    ];
    const KEYWORDS: [&str; 39] = [
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
        "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
        "loop", "macro", "match", "mod", "move", "mut", "priv", "pub", "ref", "return", "self", "static",
        "struct", "super", "trait",
    ];
    const MORE: [&str; 12] = [
        "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
        "override",
    ];
    let lawful = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || !name.bytes().all(lawful) || name.len() > NAME_BYTES {
        return Err(NewError::Name(name.to_owned()));
    }
    if TAKEN.contains(&name) || KEYWORDS.contains(&name) || MORE.contains(&name) {
        return Err(NewError::Reserved(name.to_owned()));
    }
    Ok(())
}

/// The API's folder as the crate names it, which lies one folder deeper than where the command runs.
fn api_path(folder: &Path) -> Result<String, NewError> {
    let no_api = || NewError::NoApi(folder.to_owned());
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).map_err(|_| no_api())?;
    let wanted = format!("name = \"{API_CRATE}\"");
    if !manifest.lines().any(|line| line.trim() == wanted) {
        return Err(no_api());
    }
    let seen = if folder.is_absolute() {
        folder.to_owned()
    } else {
        Path::new("..").join(folder)
    };
    seen.to_str().map(str::to_owned).ok_or_else(no_api)
}

/// A basic string of TOML, whose escapes are those of JSON.
fn toml_text(text: &str) -> String {
    json!(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Output;

    fn args(name: &str, kind: KindArg, api_path: Option<&Path>) -> NewArgs {
        NewArgs {
            name: name.to_owned(),
            kind,
            api_path: api_path.map(Path::to_owned),
            output: Output { json: false },
        }
    }

    fn api() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-api")
    }

    #[test]
    fn every_placeholder_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind) in [("fish-net", KindArg::Channel), ("parrot", KindArg::Provider)] {
            let args = args(name, kind, Some(&api()));
            let files = Crate::new(&args).unwrap().write(folder.path()).unwrap();
            assert!(files.len() >= 7, "{files:?}");
            for file in &files {
                let text = std::fs::read_to_string(file).unwrap();
                assert!(!text.contains("{{") || file.ends_with(".rs"), "{file}:\n{text}");
            }
        }
        let manifest = std::fs::read_to_string(folder.path().join("fish-net/Cargo.toml")).unwrap();
        assert!(
            manifest.contains("name = \"fish_net\"\ncrate-type = [\"cdylib\"]"),
            "{manifest}"
        );
    }

    #[test]
    fn without_a_path_the_published_version_is_named() {
        let args = args("irc", KindArg::Channel, None);
        let version = api_text(API_VERSION);
        assert_eq!(Crate::new(&args).unwrap().api, format!("version = \"{version}\""));
    }

    #[test]
    fn names_that_are_none_are_refused_with_what_is_allowed() {
        for name in ["", "Irc", "7up", "-x", "a b", "../x", "é", &"x".repeat(64)] {
            let line = check_name(name).unwrap_err().to_string();
            assert!(line.contains("lowercase letters, digits"), "{line}");
        }
        for name in ["fn", "test", "tokio", "yield"] {
            assert!(matches!(check_name(name), Err(NewError::Reserved(_))), "{name}");
        }
        assert!(check_name(&"x".repeat(63)).is_ok());
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = args("irc", KindArg::Channel, Some(&api()));
        let made = Crate::new(&args).unwrap();
        std::fs::create_dir(folder.path().join("irc")).unwrap();
        assert!(made.write(folder.path()).is_ok(), "an empty one is taken");
        assert!(matches!(made.write(folder.path()), Err(NewError::Exists(_))));
        std::fs::remove_dir_all(folder.path().join("irc")).unwrap();
        std::fs::write(folder.path().join("irc"), "a file").unwrap();
        assert!(matches!(made.write(folder.path()), Err(NewError::Exists(_))));
    }

    #[test]
    fn a_folder_without_the_api_is_refused_and_a_relative_one_is_seen_from_the_crate() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(api_path(folder.path()), Err(NewError::NoApi(_))));
        // Tests run in the package's folder.
        assert_eq!(api_path(Path::new("../plugin-api")).unwrap(), "../../plugin-api");
        assert_eq!(api_path(&api()).unwrap(), api().to_str().unwrap());
    }
}
