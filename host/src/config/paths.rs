//! Where relative paths start.

use std::path::{Path, PathBuf};

use super::errors::Origin;

/// The folders that paths of a configuration are relative to.
pub(super) struct Bases {
    /// Of the configuration file.
    pub(super) folder: PathBuf,
    /// Of the user, for `~/`.
    pub(super) user_home: Option<PathBuf>,
}

impl Bases {
    /// A path in the file starts at the file's folder, one in the environment or a flag where the process runs.
    /// `None` for `~/` where the user has no home.
    pub(super) fn resolve(&self, text: &str, origin: &Origin) -> Option<PathBuf> {
        if text == "~" {
            return self.user_home.clone();
        }
        if let Some(rest) = text.strip_prefix("~/") {
            return self.user_home.as_ref().map(|home| home.join(rest));
        }
        Some(match origin {
            Origin::File { .. } => self.folder.join(text),
            _ => Path::new(text).to_owned(),
        })
    }
}
