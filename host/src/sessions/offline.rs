use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::{Count, Damaged, SessionFile, names, parse, read_session, sync_folder, write_session};
use super::load::{assemble, limit};
use super::manager::{SessionManager, Snapshot, blocking};
use super::{Entry, SessionError, SessionKey};
use crate::spool::{SpoolReader, wall_ms};

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SessionInfo {
    pub(crate) key: String,
    pub(crate) messages: usize,
    /// Milliseconds since 1970.
    pub(crate) updated_ms: i64,
    /// Of its file; 0 where it has none yet.
    pub(crate) bytes: u64,
}

/// All sessions of a folder.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Listing {
    /// The last used ones first.
    pub(crate) sessions: Vec<SessionInfo>,
    /// Names of files that are damaged or of a later version.
    pub(crate) unreadable: Vec<String>,
}

impl SessionManager {
    /// All sessions, those in memory as they are there.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub(crate) async fn list(&self) -> Result<Listing, SessionError> {
        let dir = self.dir.clone();
        let mut listing = blocking(move || list_files(&dir)).await?;
        let sessions = self.sessions();
        let mut unlisted: std::collections::HashMap<_, _> = sessions.live.iter().collect();
        for info in &mut listing.sessions {
            if let Some(live) = unlisted.remove(&SessionKey(info.key.as_str().into())) {
                (info.messages, info.updated_ms) = (live.entries.len(), live.updated_ms);
            }
        }
        let in_memory = unlisted.into_iter().filter(|(_, live)| !live.entries.is_empty());
        listing.sessions.extend(in_memory.map(|(key, live)| SessionInfo {
            key: key.to_string(),
            messages: live.entries.len(),
            updated_ms: live.updated_ms,
            bytes: 0,
        }));
        drop(sessions);
        listing.sort();
        Ok(listing)
    }

    /// A session's history; `None` where there is none.
    ///
    /// # Errors
    /// As [`SessionManager::snapshot`].
    pub(crate) async fn show(&self, key: &SessionKey) -> Result<Option<Snapshot>, SessionError> {
        let snapshot = self.snapshot(key).await?;
        Ok(Some(snapshot).filter(|snapshot| !snapshot.entries.is_empty()))
    }
}

impl Listing {
    /// Adds a session that has no file yet.
    pub(crate) fn add(&mut self, key: &SessionKey, messages: usize, updated_ms: i64) {
        self.sessions.push(SessionInfo {
            key: key.to_string(),
            messages,
            updated_ms,
            bytes: 0,
        });
        self.sort();
    }

    fn sort(&mut self) {
        self.sessions
            .sort_by(|a, b| b.updated_ms.cmp(&a.updated_ms).then_with(|| a.key.cmp(&b.key)));
    }
}

/// All sessions that have a file, without a running gateway. Blocks.
///
/// # Errors
/// Where the folder cannot be read.
pub(crate) fn list_files(dir: &Path) -> Result<Listing, SessionError> {
    let mut listing = Listing::default();
    for name in names(dir)?.filter(|name| name.ends_with(".json")) {
        let path = dir.join(&name);
        let content = fs::read(&path).unwrap_or_default();
        match parse::<Count>(&path, &content) {
            Ok(Ok(file)) => listing.sessions.push(SessionInfo {
                key: file.key,
                messages: file.messages.0,
                updated_ms: file.updated_ms,
                bytes: content.len() as u64,
            }),
            _ => listing.unreadable.push(name),
        }
    }
    listing.sort();
    listing.unreadable.sort();
    Ok(listing)
}

/// A session's history from its file and the spool's journal, without a running gateway or beside it. Blocks.
///
/// # Errors
/// Where the file or the journal cannot be read, and where the file is of a later version.
pub(crate) fn show_files(
    dir: &Path,
    spool: Option<&SpoolReader>,
    key: &SessionKey,
    history: usize,
) -> Result<Vec<Entry>, SessionError> {
    let file = read_session(dir, key, Damaged::Leave)?;
    let Some(spool) = spool else {
        return Ok(file.map(|file| file.messages).unwrap_or_default());
    };
    let journal = spool.journal(key, 0).map_err(|source| SessionError::Spool {
        key: key.to_string(),
        source,
    })?;
    Ok(assemble(file, spool.id(), journal, history).entries)
}

/// A session that is kept in its file alone, for one process without a gateway. All calls block.
pub(crate) struct FileSession {
    dir: PathBuf,
    key: SessionKey,
    history: usize,
    entries: Vec<Entry>,
}

impl FileSession {
    /// Loads a session; an unknown one is empty.
    ///
    /// # Errors
    /// Where its file cannot be read or is of a later version.
    pub(crate) fn open(dir: PathBuf, key: SessionKey, history: usize) -> Result<Self, SessionError> {
        let mut entries = read_session(&dir, &key, Damaged::MoveAside)?
            .map(|file| file.messages)
            .unwrap_or_default();
        limit(&mut entries, history);
        Ok(Self {
            dir,
            key,
            history,
            entries,
        })
    }

    /// Oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Appends and writes the file; returns when it is on disk.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn append(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), SessionError> {
        self.entries.extend(entries);
        limit(&mut self.entries, self.history);
        write_session(
            &self.dir,
            &self.key,
            &SessionFile::new(&self.key, wall_ms(), self.entries.as_slice()),
        )?;
        sync_folder(&self.dir)
    }
}
