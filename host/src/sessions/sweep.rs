use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tracing::{info, warn};

use super::file::{Count, SessionFile, names, parse, remove_checkpoints, remove_media, sync_folder};
use super::manager::{SessionManager, blocking};
use super::{SessionError, SessionKey};

/// Sessions that are removed in one go; nothing is loaded meanwhile.
const CHUNK: usize = 64;
/// A temporary file of this age belongs to nobody any more.
const ABANDONED: Duration = Duration::from_hours(24);

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

/// A session that may have been idle long enough, by its file.
struct Candidate {
    key: SessionKey,
    spool: Option<String>,
    journal_seq: u64,
    activity: u64,
}

impl SessionManager {
    /// Removes the sessions that were not used for `idle_ttl` by the activity clock, so that a jump of the wall
    /// clock removes nothing. What cannot be read is left alone.
    pub(crate) async fn sweep(&self, idle_ttl: Duration) -> Swept {
        let dir = Arc::clone(&self.dir);
        let candidates = match blocking(move || candidates(&dir, idle_ttl)).await {
            Ok(candidates) => candidates,
            Err(error) => {
                warn!(%error, "Sessions could not be swept");
                return Swept::default();
            }
        };
        let idle_since = self.spool.activity_now().saturating_sub(idle_ttl.as_secs());
        let (ours, foreign): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|file| file.spool.as_deref() == Some(self.spool.id()));
        self.adopt(foreign.into_iter().map(|file| file.key)).await;
        let mut idle = ours.into_iter().filter(|file| file.activity <= idle_since);
        let mut swept = Swept::default();
        loop {
            let chunk: Vec<_> = idle.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            self.remove(chunk, idle_since, &mut swept).await;
        }
        if swept.count > 0 {
            info!(count = swept.count, bytes = swept.bytes, "Idle sessions removed");
        }
        swept
    }

    /// Files that another clock has dated get a date of this one: with their next checkpoint, which loading them
    /// leads to.
    async fn adopt(&self, keys: impl Iterator<Item = SessionKey>) {
        for key in keys {
            if let Err(error) = self.snapshot(&key).await {
                warn!(session = %key, %error, "Session could not be taken over");
            }
        }
    }

    async fn remove(&self, chunk: Vec<Candidate>, idle_since: u64, swept: &mut Swept) {
        let writing = self.writing.lock().await;
        let alone = self.removing.write().await;
        let mut awake = Vec::new();
        let mut asleep = Vec::new();
        for candidate in chunk {
            match self.is_awake(&candidate, idle_since).await {
                true => awake.push(candidate.key),
                false => asleep.push(candidate.key),
            }
        }
        let raised = join_all(asleep.iter().map(|key| self.spool.raise_generation(key.clone()))).await;
        let asleep = asleep
            .into_iter()
            .zip(raised)
            .filter_map(|(key, raised)| match raised {
                Ok(_) => Some(key),
                Err(error) => {
                    warn!(session = %key, %error, "Idle session could not be removed");
                    None
                }
            });
        let asleep: Vec<_> = asleep.inspect(|key| self.sessions().forget(key)).collect();
        let dir = Arc::clone(&self.dir);
        match blocking(move || remove_files(&dir, &asleep)).await {
            Ok(removed) => {
                swept.count += removed.count;
                swept.bytes += removed.bytes;
            }
            Err(error) => warn!(%error, "Files of idle sessions could not be removed"),
        }
        drop((alone, writing));
        self.adopt(awake.into_iter()).await;
    }

    /// Whether a session was used since its file was written: it is in memory and was touched, or it has rows in the
    /// journal that the file lacks, as after a crash.
    async fn is_awake(&self, file: &Candidate, idle_since: u64) -> bool {
        if let Some(live) = self.sessions().live.get(&file.key)
            && live.touched > idle_since
        {
            return true;
        }
        match self.spool.journal(file.key.clone(), file.journal_seq).await {
            Ok(journal) => !journal.rows.is_empty(),
            Err(_) => true,
        }
    }
}

fn remove_files(dir: &Path, keys: &[SessionKey]) -> Result<Swept, SessionError> {
    let mut swept = Swept::default();
    for key in keys {
        if let Some(bytes) = remove_checkpoints(dir, key)? {
            swept.count += 1;
            swept.bytes += bytes;
        }
        swept.bytes += remove_media(dir, key)?;
    }
    if swept.count > 0 {
        sync_folder(dir)?;
    }
    Ok(swept)
}

/// Sessions whose files were not written for `idle_ttl` by the wall clock. That says nothing yet, but it spares
/// reading the others.
fn candidates(dir: &Path, idle_ttl: Duration) -> Result<Vec<Candidate>, SessionError> {
    let mut files = BTreeMap::new();
    for name in names(dir)? {
        if let Some(stem) = name.strip_suffix(".json") {
            files.insert(stem.to_owned(), name);
        } else if let Some(stem) = name.strip_suffix(".json.prev") {
            files.entry(stem.to_owned()).or_insert(name);
        } else if name.contains(".json.tmp-") && is_older(&dir.join(&name), ABANDONED) {
            // Left behind by a crash, and nobody's.
            let _ = fs::remove_file(dir.join(&name));
        }
    }
    let old = files
        .into_values()
        .map(|name| dir.join(name))
        .filter(|path| is_older(path, idle_ttl));
    Ok(old.filter_map(|path| candidate(&path)).collect())
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|file| file.modified());
    let is_old = |modified| {
        SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|since| since >= age)
    };
    modified.is_ok_and(is_old)
}

fn candidate(path: &Path) -> Option<Candidate> {
    let content = fs::read(path).ok()?;
    let file: SessionFile<Count> = parse(path, &content).ok()?.ok()?;
    Some(Candidate {
        key: SessionKey(file.key.into()),
        spool: file.spool,
        journal_seq: file.journal_seq,
        activity: file.activity,
    })
}
