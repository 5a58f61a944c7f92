//! One thing that is wrong.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Keeps the gateway, or a part of it, from working.
    Error,
    Warning,
    /// Good to know.
    Note,
}

/// What `--fix` does.
#[derive(Clone, Debug)]
pub(super) enum Repair {
    Mode(PathBuf, u32),
    Remove(PathBuf),
    /// A socket in a state folder: a gateway may have started since it was looked at.
    Socket(PathBuf),
    Folder(PathBuf),
}

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// `file:line:column`, a path, or what else it is about.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) fix: String,
    #[serde(serialize_with = "is_some", rename = "fixable")]
    pub(super) repair: Option<Repair>,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    pub(super) fn error(
        id: &'static str,
        path: impl ToString,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, id, path, text, fix)
    }

    pub(super) fn warning(
        id: &'static str,
        path: impl ToString,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, id, path, text, fix)
    }

    pub(super) fn note(
        id: &'static str,
        path: impl ToString,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Note, id, path, text, fix)
    }

    pub(super) fn new(
        severity: Severity,
        id: &'static str,
        path: impl ToString,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (path, text, fix) = (path.to_string(), text.into(), fix.into());
        Self {
            id,
            severity,
            path,
            text,
            fix,
            repair: None,
        }
    }

    /// With what `--fix` does.
    pub(super) fn fixed_by(mut self, repair: Repair) -> Self {
        self.repair = Some(repair);
        self
    }

    /// # Errors
    /// Where the system refuses; then nothing has changed.
    pub(super) fn repair(&self) -> io::Result<()> {
        match &self.repair {
            Some(Repair::Mode(path, mode)) => fs::set_permissions(path, Permissions::from_mode(*mode)),
            Some(Repair::Remove(path)) => fs::remove_file(path),
            Some(Repair::Socket(path)) => match path.parent().and_then(super::running::lock_holder) {
                Some(_) => Err(io::Error::other("a gateway has started meanwhile")),
                None => fs::remove_file(path),
            },
            Some(Repair::Folder(path)) => DirBuilder::new().recursive(true).mode(0o700).create(path),
            None => Ok(()),
        }
    }
}

/// A path as findings show it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn is_some<S: serde::Serializer>(repair: &Option<Repair>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(repair.is_some())
}
