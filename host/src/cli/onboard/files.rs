//! The files: whole or not at all, the configuration last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::plan::Plan;
use crate::config::{self, Loaded, Place};
use crate::gateway::private_folder;
use crate::whole;

/// The folder of secrets in the home folder.
pub(super) const SECRETS: &str = "secrets";
/// The schema's name beside the configuration.
pub(super) const SCHEMA: &str = "config.schema.json";

const SOUL: &str = "\
# Who you are

You are a helpful assistant who answers by chat. Be friendly, honest and brief:
a few sentences are enough unless more is asked for. Say so when you do not know.
";
const AGENTS: &str = "\
# How you work

- Answer in the language in which you are asked.
- Ask back when a question can be read in two ways that matter.
- Use Markdown sparingly: people read you on a phone.
";
const USER: &str = "\
# Who you talk to

Write here what the assistant should know of you: your name, your time zone, what you work on.
";

/// What became of a file.
pub(super) enum Written {
    New,
    Kept,
    /// The configuration that was there before.
    Saved,
}

impl Written {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::New => "written",
            Self::Kept => "kept",
            Self::Saved => "saved the old one as",
        }
    }
}

/// Where the configuration goes that is there.
pub(super) fn backup(file: &Path) -> PathBuf {
    let name = |end: &str| -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        name.into()
    };
    let further = (1..1_000).map(|number| name(&format!(".bak.{number}")));
    let mut names = std::iter::once(name(".bak")).chain(further);
    // What somebody wrote by hand is the oldest of them.
    names
        .find(|name| fs::symlink_metadata(name).is_err())
        .unwrap_or_else(|| name(".bak"))
}

/// Writes everything.
///
/// # Errors
/// With the path that cannot be written. Without the configuration, which comes last, nothing has an effect.
pub(super) fn write(place: &Place, plan: &Plan, loaded: &Loaded) -> Result<Vec<(PathBuf, Written)>, Failure> {
    let replaces = exists(&place.file)?;
    let mut written = Vec::new();
    if let Some((path, _)) = replaced_secrets(place, plan).find(|_| !replaces) {
        let text = format!(
            "{} holds another secret, which a configuration may use; move it away first",
            path.display()
        );
        return Err(Failure::new(1, text));
    }
    for folder in [&place.home, &loaded.config.workspace] {
        private_folder(folder).map_err(|error| Failure::chain(1, &error))?;
    }
    if let Some(folder) = place
        .file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        private_folder(folder).map_err(|error| Failure::chain(1, &error))?;
    }
    for (name, text) in [("SOUL.md", SOUL), ("AGENTS.md", AGENTS), ("USER.md", USER)] {
        let path = loaded.config.workspace.join(name);
        let state = match exists(&path)? {
            true => Written::Kept,
            false => put(&path, text.as_bytes())?,
        };
        written.push((path, state));
    }
    for (path, old) in replaced_secrets(place, plan) {
        let saved = backup(&path);
        put(&saved, &old)?;
        written.push((saved, Written::Saved));
    }
    let secrets = place.home.join(SECRETS);
    for secret in plan.secret_files() {
        private_folder(&secrets).map_err(|error| Failure::chain(1, &error))?;
        let path = secrets.join(secret.name);
        let state = put(&path, format!("{}\n", secret.text).as_bytes())?;
        written.push((path, state));
    }
    let schema = place.file.with_file_name(SCHEMA);
    let state = put(&schema, format!("{:#}\n", config::schema()).as_bytes())?;
    written.push((schema, state));
    if replaces {
        let old = fs::read(&place.file).map_err(|error| cannot(&place.file, "read", &error))?;
        let saved = backup(&place.file);
        put(&saved, &old)?;
        written.push((saved, Written::Saved));
    }
    let state = put(&place.file, format!("{:#}\n", plan.config()).as_bytes())?;
    written.push((place.file.clone(), state));
    Ok(written)
}

/// Secrets that are there with another content, and that content.
fn replaced_secrets(place: &Place, plan: &Plan) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let found = plan.secret_files().into_iter().filter_map(|secret| {
        let path = place.home.join(SECRETS).join(secret.name);
        let old = fs::read(&path).ok()?;
        (old != format!("{}\n", secret.text).as_bytes()).then_some((path, old))
    });
    found.collect::<Vec<_>>().into_iter()
}

fn put(path: &Path, bytes: &[u8]) -> Result<Written, Failure> {
    whole::replace(path, bytes).map_err(|error| cannot(path, "write", &error))?;
    Ok(Written::New)
}

fn exists(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot(path, "look at", &error)),
    }
}

fn cannot(path: &Path, what: &str, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk and run it again",
        io::ErrorKind::ReadOnlyFilesystem => "name a folder on a disk that can be written with --home",
        io::ErrorKind::PermissionDenied => {
            "make its folder writable for this user, or name another with --home"
        }
        _ => "check the path and the disk",
    };
    Failure::new(1, format!("cannot {what} {}: {error}; {advice}", path.display()))
}
