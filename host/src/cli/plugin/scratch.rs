//! A folder for one command, removed with it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A private folder; whatever is in it goes when this is dropped.
pub(in crate::cli) struct Scratch(PathBuf);

#[derive(Debug, thiserror::Error)]
#[error("cannot make the folder {}; set TMPDIR to one that this user can write", path.display())]
pub(in crate::cli) struct ScratchError {
    path: PathBuf,
    source: std::io::Error,
}

impl Scratch {
    /// Makes a folder that was not there before.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(in crate::cli) fn new(what: &str) -> Result<Self, ScratchError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("miniclaw-{what}-{}-{}", std::process::id(), now.subsec_nanos());
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(ScratchError { path, source }),
        }
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in a folder for temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
