//! The binary and the libraries under test, built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// Where what was built lies.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// The `miniclaw` binary.
    pub binary: PathBuf,
    /// The folder with every `lib….so`.
    pub libraries: PathBuf,
}

impl Artifacts {
    /// The library of a crate, for example `miniclaw_fixture_loopback`.
    pub fn library(&self, name: &str) -> PathBuf {
        self.libraries.join(format!("lib{name}.so"))
    }
}

/// Builds the workspace, once in a process and not at all where nothing changed or `MINICLAW_TEST_BUILT` is
/// set. `MINICLAW_TEST_PROFILE` asks for the profile `release` or `debug`; by default it is that of the harness.
///
/// # Panics
/// Where the build fails.
pub fn artifacts() -> &'static Artifacts {
    static ARTIFACTS: OnceLock<Artifacts> = OnceLock::new();
    ARTIFACTS.get_or_init(|| {
        let release = std::env::var("MINICLAW_TEST_PROFILE")
            .map_or(!cfg!(debug_assertions), |profile| profile == "release");
        let folder = profile_folder(release);
        let stamp = folder.join(".miniclaw-tests-built");
        if std::env::var_os("MINICLAW_TEST_BUILT").is_none() && !is_fresh(&stamp) {
            let started = SystemTime::now();
            cargo_build(&["--workspace"], release);
            put_stamp(&stamp, started);
        }
        locate(folder)
    })
}

/// Builds the binary alone as it is shipped, in the release profile, unless `MINICLAW_BENCH_BINARY` names one.
///
/// # Panics
/// Where the build fails.
pub fn release_binary() -> Artifacts {
    if let Some(binary) = std::env::var_os("MINICLAW_BENCH_BINARY") {
        return Artifacts {
            binary: binary.into(),
            libraries: profile_folder(true),
        };
    }
    cargo_build(&["--package", "miniclaw"], true);
    locate(profile_folder(true))
}

fn locate(libraries: PathBuf) -> Artifacts {
    let binary = libraries.join("miniclaw");
    assert!(binary.is_file(), "there is no binary at {}", binary.display());
    Artifacts { binary, libraries }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn profile_folder(release: bool) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join(if release { "release" } else { "debug" })
}

fn cargo_build(arguments: &[&str], release: bool) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("build").args(arguments).current_dir(workspace());
    if release {
        command.arg("--release");
    }
    // What cargo sets for the process that it runs would look like a changed environment to build scripts.
    for (name, _) in std::env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_BIN_")
                || name.starts_with("CARGO_MANIFEST_")
                || matches!(
                    name,
                    "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "CARGO_TARGET_TMPDIR"
                )
        });
        if own {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("cargo can be started");
    assert!(
        output.status.success(),
        "`cargo build` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether no source is younger than the stamp.
fn is_fresh(stamp: &Path) -> bool {
    let Ok(built) = stamp.metadata().and_then(|metadata| metadata.modified()) else {
        return false;
    };
    let root = workspace();
    [
        "Cargo.toml",
        "Cargo.lock",
        "host",
        "plugin-api",
        "plugins",
        "tests/plugins",
    ]
    .iter()
    .all(|name| is_older(&root.join(name), built))
}

fn is_older(path: &Path, built: SystemTime) -> bool {
    let Ok(metadata) = path.metadata() else {
        return false;
    };
    if metadata.modified().map_or(true, |changed| changed >= built) {
        return false;
    }
    if !metadata.is_dir() {
        return true;
    }
    path.read_dir()
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_older(&entry.path(), built))))
}

/// Dates the stamp to the build's start, so that a source saved during the build counts as younger.
fn put_stamp(stamp: &Path, started: SystemTime) {
    let file = std::fs::File::create(stamp).expect("the target folder can be written");
    file.set_modified(started).expect("a file's time can be set");
}
