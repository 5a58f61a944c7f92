use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::file::{Damaged, read_session, remove_checkpoints, remove_media, sync_folder};
use super::load::{Loaded, append, assemble, limit};
use super::{Entry, SessionError, SessionKey, checkpoint, file};
use crate::spool::{Appended, Choice, Spool, wall_ms};

/// Keeps the sessions: loads them on first use, takes what turns add, writes checkpoints.
///
/// A session in memory is what its file and its journal say; where the two may differ, it is dropped and read again.
pub(crate) struct SessionManager {
    pub(super) spool: Arc<dyn Spool>,
    pub(super) dir: Arc<Path>,
    /// Messages that a session remembers.
    history: AtomicUsize,
    /// Sessions that stay in memory.
    cache: AtomicUsize,
    live: Mutex<Sessions>,
    /// One checkpoint at a time: two would race for a session's files.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// Loading holds it shared; who removes sessions holds it alone, so that none comes to life meanwhile.
    pub(super) removing: tokio::sync::RwLock<()>,
}

/// A session's history as a turn sees it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    /// Oldest first; a summary of older ones before them.
    pub(crate) entries: Arc<Vec<Entry>>,
    pub(crate) choice: Choice,
}

pub(super) struct Sessions {
    pub(super) live: HashMap<SessionKey, Live>,
    /// Sessions whose file tells of a generation that is over.
    pub(super) outdated: HashSet<SessionKey>,
    /// Changes that went by memory, by the key's hash: what is being loaded meanwhile may lack them. Two keys in
    /// one slot cost a second reading, nothing else.
    missed: [u64; MISSED_SLOTS],
    ticks: u64,
}

const MISSED_SLOTS: usize = 64;

/// A session in memory.
pub(super) struct Live {
    pub(super) generation: u64,
    pub(super) entries: Arc<Vec<Entry>>,
    choice: Choice,
    /// Journal rows up to this one are in `entries`.
    pub(super) seq: u64,
    /// As [`Loaded::kept`].
    pub(super) kept: u64,
    /// Another one after each change, and for each time that the session is loaded.
    pub(super) version: u64,
    /// The version that the file holds.
    pub(super) written: Option<u64>,
    /// Last use by a turn that ended, on the activity clock.
    pub(super) activity: u64,
    pub(super) updated_ms: i64,
    /// Last use of any kind, on the activity clock.
    pub(super) touched: u64,
    /// For the choice of what leaves memory.
    used: u64,
}

impl Live {
    pub(super) fn is_dirty(&self) -> bool {
        self.written != Some(self.version)
    }
}

impl SessionManager {
    /// `dir` is the sessions folder; it is made, 0700, when the first checkpoint is written.
    pub(crate) fn new(spool: Arc<dyn Spool>, dir: PathBuf, history: usize, cache: usize) -> Arc<Self> {
        Arc::new(Self {
            spool,
            dir: dir.into(),
            history: AtomicUsize::new(history.max(1)),
            cache: AtomicUsize::new(cache.max(1)),
            live: Mutex::new(Sessions {
                live: HashMap::new(),
                outdated: HashSet::new(),
                missed: [0; MISSED_SLOTS],
                ticks: 0,
            }),
            writing: tokio::sync::Mutex::default(),
            removing: tokio::sync::RwLock::default(),
        })
    }

    /// Other bounds, which sessions in memory come to as they are used.
    pub(crate) fn set_bounds(&self, history: usize, cache: usize) {
        let before = self.history.swap(history.max(1), Ordering::Relaxed);
        self.cache.store(cache.max(1), Ordering::Relaxed);
        if before < history {
            // Their files and journals may hold more than they were read for.
            let keys: Vec<SessionKey> = self.sessions().live.keys().cloned().collect();
            keys.iter().for_each(|key| self.journaled(key));
        }
    }

    /// A session's history, loaded where it is not in memory. An unknown session is empty.
    ///
    /// # Errors
    /// Where its file or its journal cannot be read, and where the file is of a later version.
    pub(crate) async fn snapshot(&self, key: &SessionKey) -> Result<Snapshot, SessionError> {
        if let Some(snapshot) = self.look_up(key) {
            return Ok(snapshot);
        }
        let snapshot = self.load(key).await?;
        self.make_room().await;
        Ok(snapshot)
    }

    /// Takes what a turn's T2 made durable. Must follow every T2, in the session's order: entries that are missing
    /// here would be missing in the next checkpoint.
    ///
    /// `journal` is what T2 answered; where it dropped the entries, or followed a row that is not known here, the
    /// session is read again on its next use.
    /// Cheap where the turn's [`Snapshot`] is gone; otherwise the history is copied.
    pub(crate) fn applied(
        &self,
        key: &SessionKey,
        generation: u64,
        journal: Option<Appended>,
        entries: Vec<Entry>,
    ) {
        let now = self.spool.activity_now();
        let mut sessions = self.sessions();
        let version = sessions.tick();
        let Some(live) = sessions.live.get_mut(key) else {
            sessions.forget(key);
            return;
        };
        match journal {
            None if entries.is_empty() => {}
            Some(Appended { seq, previous })
                if live.generation == generation && seq > live.seq && previous <= live.seq =>
            {
                let history = Arc::make_mut(&mut live.entries);
                append(history, entries);
                limit(history, self.history.load(Ordering::Relaxed));
                (live.seq, live.activity, live.touched, live.updated_ms) = (seq, now, now, wall_ms());
                live.version = version;
            }
            _ => sessions.forget(key),
        }
    }

    /// The spool got something that memory lacks, a row of no turn's or a choice: the session is read again on its next use.
    pub(crate) fn journaled(&self, key: &SessionKey) {
        self.sessions().forget(key);
    }

    /// A session starts over with `generation`, as after `/new`; its file follows with the next checkpoint.
    pub(crate) fn reset(&self, key: &SessionKey, generation: u64) {
        let mut sessions = self.sessions();
        if sessions
            .live
            .get(key)
            .is_none_or(|live| live.generation < generation)
        {
            sessions.forget(key);
            // Its file may tell of the generation that is over.
            sessions.outdated.insert(key.clone());
        }
    }

    /// Ends a session: its history, its files and damaged files of it. False where there was nothing.
    ///
    /// # Errors
    /// Where the spool or the folder takes no change; the session may then be there still.
    pub(crate) async fn delete(&self, key: &SessionKey) -> Result<bool, SessionError> {
        let known = !self.snapshot(key).await?.entries.is_empty();
        let _unwritten = self.writing.lock().await;
        let _alone = self.removing.write().await;
        let raised = self.spool.raise_generation(key.clone()).await;
        {
            let mut sessions = self.sessions();
            sessions.forget(key);
            sessions.outdated.remove(key);
        }
        raised.map_err(|source| SessionError::Spool {
            key: key.to_string(),
            source,
        })?;
        let (dir, key) = (Arc::clone(&self.dir), key.clone());
        let removed = blocking(move || {
            let removed = remove_checkpoints(&dir, &key)?;
            let damaged = remove_damaged(&dir, &key)?;
            let media = remove_media(&dir, &key)? > 0;
            if removed.is_some() || damaged || media {
                sync_folder(&dir)?;
            }
            Ok(removed.is_some() || damaged || media)
        });
        Ok(removed.await? || known)
    }

    /// Number of session files, by name alone. Blocks.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub(crate) fn count(&self) -> Result<usize, SessionError> {
        file::count(&self.dir)
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, key: &SessionKey) -> Option<Snapshot> {
        let now = self.spool.activity_now();
        let mut sessions = self.sessions();
        let used = sessions.tick();
        let live = sessions.live.get_mut(key)?;
        (live.used, live.touched) = (used, now);
        Some(Snapshot {
            generation: live.generation,
            entries: Arc::clone(&live.entries),
            choice: live.choice.clone(),
        })
    }

    pub(super) async fn load(&self, key: &SessionKey) -> Result<Snapshot, SessionError> {
        let _shared = self.removing.read().await;
        loop {
            let missed = self.sessions().missed[slot(key)];
            let loaded = self.read(key).await?;
            if let Some(snapshot) = self.keep(key, loaded, missed) {
                return Ok(snapshot);
            }
        }
    }

    async fn read(&self, key: &SessionKey) -> Result<Loaded, SessionError> {
        let (dir, on_disk) = (Arc::clone(&self.dir), key.clone());
        let file = blocking(move || read_session(&dir, &on_disk, Damaged::MoveAside)).await?;
        // Read after the file: a checkpoint in between only moves rows that the file then lacks.
        let journal = self.spool.journal(key.clone(), 0).await;
        let journal = journal.map_err(|source| SessionError::Spool {
            key: key.to_string(),
            source,
        })?;
        Ok(assemble(
            file,
            self.spool.id(),
            journal,
            self.history.load(Ordering::Relaxed),
        ))
    }

    /// Puts a loaded session in memory, unless a change went by meanwhile; then it must be read again.
    fn keep(&self, key: &SessionKey, loaded: Loaded, missed: u64) -> Option<Snapshot> {
        let now = self.spool.activity_now();
        let mut sessions = self.sessions();
        if sessions.missed[slot(key)] != missed {
            return None;
        }
        let tick = sessions.tick();
        let live = Live {
            generation: loaded.generation,
            entries: Arc::new(loaded.entries),
            choice: loaded.choice,
            seq: loaded.seq,
            kept: loaded.kept,
            version: tick,
            written: (!loaded.dirty).then_some(tick),
            activity: loaded.activity.unwrap_or(now),
            updated_ms: loaded.updated_ms.unwrap_or_else(wall_ms),
            touched: now,
            used: tick,
        };
        let live = sessions.live.entry(key.clone()).or_insert(live);
        Some(Snapshot {
            generation: live.generation,
            entries: Arc::clone(&live.entries),
            choice: live.choice.clone(),
        })
    }

    /// Drops the sessions that were not used for the longest time, after a checkpoint where they need one. What
    /// cannot be written leaves memory all the same: the journal has it.
    async fn make_room(&self) {
        let leaving = {
            let sessions = self.sessions();
            let excess = sessions
                .live
                .len()
                .saturating_sub(self.cache.load(Ordering::Relaxed));
            let mut by_use: Vec<_> = sessions.live.iter().map(|(key, live)| (live.used, key)).collect();
            if excess == 0 {
                return;
            }
            by_use.select_nth_unstable(excess - 1);
            by_use.truncate(excess);
            by_use
                .into_iter()
                .map(|(used, key)| (key.clone(), used))
                .collect::<HashMap<_, _>>()
        };
        checkpoint::write(self, |key| leaving.contains_key(key)).await;
        let mut sessions = self.sessions();
        for (key, used) in leaving {
            if sessions.live.get(&key).is_some_and(|live| live.used == used) {
                sessions.forget(&key);
            }
        }
    }
}

impl Sessions {
    /// Drops a session from memory, and what is being loaded of it.
    pub(super) fn forget(&mut self, key: &SessionKey) {
        self.live.remove(key);
        self.missed[slot(key)] += 1;
    }

    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }
}

fn slot(key: &SessionKey) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as usize % MISSED_SLOTS
}

fn remove_damaged(dir: &Path, key: &SessionKey) -> Result<bool, SessionError> {
    let stem = key.file_stem();
    let mut removed = false;
    for name in file::names(dir)? {
        let rest = name
            .strip_prefix(&stem)
            .and_then(|rest| rest.strip_prefix(".json"));
        let rest = rest.map(|rest| rest.strip_prefix(".prev").unwrap_or(rest));
        if rest.is_some_and(|rest| rest.starts_with(".corrupt-")) {
            let path = dir.join(name);
            std::fs::remove_file(&path).map_err(|source| SessionError::Io {
                doing: "remove",
                path,
                source,
            })?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Runs file work where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SessionError> + Send + 'static,
) -> Result<T, SessionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(gone) => Err(SessionError::Io {
            doing: "finish the work on",
            path: PathBuf::new(),
            source: std::io::Error::other(gone),
        }),
    }
}
