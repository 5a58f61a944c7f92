//! Every command of `docs/writing-a-plugin.md`, in order, as its reader would give them; and the same for a provider.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use miniclaw_tests::{Home, build};

fn workspace() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    above.canonicalize().unwrap()
}

/// The blocks of commands of a page.
fn blocks(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// A reader of the page: a home with `miniclaw` on the `PATH`, and a folder to work in. That one is the same in every
/// run, so that what cargo makes of it takes the place of what it made before.
struct Reader {
    home: Home,
    folder: PathBuf,
}

impl Reader {
    fn new(name: &str) -> Self {
        let home = Home::empty();
        std::fs::create_dir(home.root().join("bin")).unwrap();
        symlink(&build::artifacts().binary, home.root().join("bin/miniclaw")).unwrap();
        let folder = built().join("work").join(name);
        // It is there from the run before.
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        // The crate must be in order by the rules of rustfmt itself, not by those of this workspace.
        std::fs::write(built().join("work/rustfmt.toml"), "").unwrap();
        Self { home, folder }
    }
}

/// Where the crates of these tests are built, once.
fn built() -> PathBuf {
    build::artifacts().libraries.join("../authors")
}

/// Makes the crate build with what this workspace has, and into the one folder.
fn settle(name: &str) -> String {
    let lock = workspace().join("Cargo.lock");
    let (lock, target) = (lock.display(), built().display().to_string());
    format!("cp {lock} {name}/Cargo.lock\nln -s {target} {name}/target\n")
}

fn shell(reader: &Reader, script: &str) -> Output {
    let home = reader.home.root();
    let api = workspace().join("plugin-api");
    let script = script.replace("~/miniclaw/plugin-api", api.to_str().unwrap());
    let user = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let of_user = |variable: &str, folder: &str| {
        std::env::var_os(variable).map_or_else(|| user.join(folder), PathBuf::from)
    };
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("timeout")
        .args(["--kill-after=5", "600", "bash", "-euo", "pipefail", "-c", &script])
        .current_dir(&reader.folder)
        .env_clear()
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("HOME", home)
        .env("CARGO_HOME", of_user("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", of_user("RUSTUP_HOME", ".rustup"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("RUSTFLAGS", "-D warnings")
        .output()
        .unwrap()
}

#[track_caller]
fn all_is_well(output: &Output) -> String {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

#[test]
fn every_command_of_the_page_for_authors_works() {
    let page = std::fs::read_to_string(workspace().join("docs/writing-a-plugin.md")).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 5, "{blocks:?}");
    let reader = Reader::new("page");
    let (make, rest) = blocks[0].split_once("cd fishnet").unwrap();
    let rest = format!("cd fishnet{rest}{}cargo fmt --check\n", blocks[1..].concat());
    let script = format!("{make}{}{rest}", settle("fishnet"));
    let stdout = all_is_well(&shell(&reader, &script));
    for expected in [
        "test tests::the_channel_keeps_the_contract ... ok",
        "10 passed, 0 failed, 0 skipped",
        "Offline echo (no model is configured): hello",
    ] {
        assert!(stdout.contains(expected), "{expected} in:\n{stdout}");
    }
    let crate_of = reader.folder.join("fishnet");
    let checked = std::fs::read_to_string(crate_of.join("check.json")).unwrap();
    let checked: serde_json::Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(checked["passed"], true, "{checked}");
    assert_eq!(checked["stages"].as_array().unwrap().len(), 10);
    let junit = std::fs::read_to_string(crate_of.join("check.xml")).unwrap();
    assert!(
        junit.contains("tests=\"10\" failures=\"0\" skipped=\"0\""),
        "{junit}"
    );
}

#[test]
fn a_provider_is_made_passes_its_tests_and_answers_on_the_terminal() {
    let reader = Reader::new("provider");
    let script = format!(
        "miniclaw plugin new my-parrot --kind provider --api-path ~/miniclaw/plugin-api\n{}
         cd my-parrot
         cargo test
         cargo build
         cargo fmt --check
         miniclaw plugin check target/debug/libmy_parrot.so
         echo hello there | miniclaw plugin run target/debug/libmy_parrot.so --set 'greeting=You cried: '",
        settle("my-parrot")
    );
    let stdout = all_is_well(&shell(&reader, &script));
    for expected in ["10 passed, 0 failed, 0 skipped", "You cried: hello there"] {
        assert!(stdout.contains(expected), "{expected} in:\n{stdout}");
    }
}

#[test]
fn a_bad_name_is_one_of_usage_and_a_folder_that_is_there_is_left_alone() {
    let reader = Reader::new("names");
    let bad = shell(&reader, "miniclaw plugin new Fish");
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("lowercase letters"));
    let again = shell(
        &reader,
        "miniclaw plugin new fish > made; miniclaw plugin new fish",
    );
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists and is not empty"));
    let manifest = std::fs::read_to_string(reader.folder.join("fish/Cargo.toml")).unwrap();
    assert!(
        manifest.contains("miniclaw-plugin-api = { version = \"0.1\" }"),
        "{manifest}"
    );
}
