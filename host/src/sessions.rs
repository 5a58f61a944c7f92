//! Conversations: history in memory, checkpoints on disk.
//!
//! The truth about a session is its file and the journal rows after it, both of the session's generation. What is
//! in memory is a copy that may be dropped at any time.

mod checkpoint;
mod copies;
mod file;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod key;
mod load;
mod manager;
mod offline;
mod sweep;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miniclaw_plugin_api::Role;
use serde::{Deserialize, Serialize};

pub(crate) use self::copies::{SessionCopies, any_files, file_name, latest_spool};
pub(crate) use self::manager::{SessionManager, Snapshot};
pub(crate) use self::offline::{FileSession, Listing, list_files, show_files};
use crate::media::MediaFile;
use crate::spool::SpoolError;

/// Names a conversation: `{channel}_{chat_id}`, and `_{thread}` where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) Arc<str>);

/// One message of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) role: Role,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Files beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) media: Vec<MediaFile>,
    /// It stands for messages before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<Summary>,
}

impl Entry {
    pub(crate) fn new(role: Role, text: impl Into<String>, at_ms: i64) -> Self {
        Self {
            role,
            text: text.into(),
            at_ms,
            media: Vec::new(),
            summary: None,
        }
    }

    pub(crate) fn with_media(mut self, media: Vec<MediaFile>) -> Self {
        self.media = media;
        self
    }
}

/// The folder of a session's files, in the sessions folder.
pub(crate) fn media_dir(dir: &Path, key: &SessionKey) -> PathBuf {
    dir.join(format!("{}.media", key.file_stem()))
}

/// What an entry stands for that sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// In the journal: of the entries before it the last ones that stay; it takes the place of all others. In a history it
    /// is the first entry, and this says nothing.
    pub(crate) keeps: usize,
    /// Messages.
    pub(crate) stands_for: usize,
}

/// Why a session cannot be read, kept or deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("cannot read the journal of session {key}")]
    Spool {
        key: String,
        #[source]
        source: SpoolError,
    },
    #[error("cannot {doing} the session file {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file was written by a later miniclaw; it is left as it is.
    #[error(
        "cannot read the session file {}: it has version {found}, this miniclaw knows versions up to {known}; run the newer miniclaw or move the file aside",
        path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
}

impl SessionError {
    /// Whether the system was short of something, so that the same is worth another try.
    pub(crate) fn passes(&self) -> bool {
        use rustix::io::Errno;
        match self {
            Self::Spool { source, .. } => matches!(source, SpoolError::Unavailable { .. }),
            Self::Io { source, .. } => [Errno::MFILE, Errno::NFILE, Errno::NOMEM]
                .iter()
                .any(|short| source.raw_os_error() == Some(short.raw_os_error())),
            Self::Newer { .. } => false,
        }
    }
}
