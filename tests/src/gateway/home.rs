//! A home folder for one test.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::build;
use crate::config::ConfigFile;

/// A folder that stands for a user's home, with `.miniclaw` in it; removed when this is dropped.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty home.
    ///
    /// # Panics
    /// Where the disk is full.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// An empty home in a folder of choice, for benchmarks that want a real disk.
    ///
    /// # Panics
    /// Where the disk is full.
    pub fn empty_in(parent: &Path) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("miniclaw-test-")
            .tempdir_in(parent)
            .expect("a temporary folder can be made");
        make_folder(&folder.path().join(".miniclaw"));
        Self { folder }
    }

    /// A home with a configuration.
    pub fn with(config: &ConfigFile) -> Self {
        let home = Self::empty();
        home.write_config(&config.text());
        home
    }

    /// What `HOME` names.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's own folder.
    pub fn miniclaw(&self) -> PathBuf {
        self.root().join(".miniclaw")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.miniclaw().join("config.json")
    }

    /// Writes the configuration file, 0600.
    pub fn write_config(&self, text: &str) {
        write_private(&self.config(), text.as_bytes());
    }

    /// The folder of session files.
    pub fn sessions(&self) -> PathBuf {
        self.miniclaw().join("workspace/sessions")
    }

    /// A session's file.
    pub fn session(&self, channel: &str, chat: i64) -> PathBuf {
        self.sessions().join(format!("{channel}_{chat}.json"))
    }

    /// A folder `plugins` that holds these fixtures (`loopback`, …).
    pub fn plugins(&self, fixtures: &[&str]) -> PathBuf {
        let folder = self.root().join("plugins");
        make_folder(&folder);
        for fixture in fixtures {
            let name = format!("miniclaw_fixture_{fixture}");
            let library = build::artifacts().library(&name);
            let place = folder.join(library.file_name().expect("a library has a name"));
            std::fs::copy(&library, &place)
                .unwrap_or_else(|error| panic!("cannot copy {}: {error}", library.display()));
        }
        folder
    }

    /// Whether any file below the gateway's folder holds these bytes.
    pub fn holds(&self, needle: &str) -> bool {
        holds(&self.miniclaw(), needle.as_bytes())
    }
}

/// Makes a folder that only its owner may enter; one that exists is left as it is.
pub fn make_folder(path: &Path) {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, bytes: &[u8]) {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    if path.is_dir() {
        return path
            .read_dir()
            .is_ok_and(|entries| entries.flatten().any(|entry| holds(&entry.path(), needle)));
    }
    path.is_file()
        && std::fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
}
