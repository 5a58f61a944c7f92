use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tracing::{debug, warn};

use super::file::{SessionFile, sync_folder, write_session};
use super::manager::{SessionManager, blocking};
use super::{Entry, SessionError, SessionKey};

/// Files that are written at the same time.
const WRITERS: usize = 4;
/// Journals that are trimmed at the same time: they share a commit.
const TRIMS: usize = 64;

impl SessionManager {
    /// Writes the sessions that changed to their files and trims their journals; answers how many were written. One
    /// that cannot be written stays in the journal and is tried again the next time.
    pub(crate) async fn checkpoint(&self) -> usize {
        self.reload_outdated().await;
        write(self, |_| true).await
    }

    /// Brings sessions to memory whose files tell of a generation that is over, so that these are replaced.
    async fn reload_outdated(&self) {
        let outdated: Vec<_> = self.sessions().outdated.drain().collect();
        for key in outdated {
            if let Err(error) = self.load(&key).await {
                debug!(session = %key, %error, "Session could not be reloaded after its reset");
                self.sessions().outdated.insert(key);
            }
        }
    }
}

/// A session at the moment of its checkpoint.
struct Image {
    key: SessionKey,
    generation: u64,
    entries: Arc<Vec<Entry>>,
    seq: u64,
    kept: u64,
    version: u64,
    activity: u64,
    updated_ms: i64,
}

/// Writes those of the chosen sessions that changed; answers how many.
pub(super) async fn write(manager: &SessionManager, chosen: impl Fn(&SessionKey) -> bool) -> usize {
    let _one = manager.writing.lock().await;
    let images = images(manager, chosen);
    let total = images.len();
    if total == 0 {
        return 0;
    }
    let (written, error) = write_all(&manager.dir, manager.spool.id(), images).await;
    if let Some(error) = error {
        let failed = total - written.len();
        let error = chain(&error);
        warn!(
            failed,
            error, "Sessions could not be written to their files; they are kept in the spool"
        );
    }
    let count = written.len();
    settle(manager, written).await;
    count
}

fn images(manager: &SessionManager, chosen: impl Fn(&SessionKey) -> bool) -> Vec<Image> {
    let sessions = manager.sessions();
    let dirty = sessions
        .live
        .iter()
        .filter(|(key, live)| live.is_dirty() && chosen(key));
    let image = |(key, live): (&SessionKey, &super::manager::Live)| Image {
        key: key.clone(),
        generation: live.generation,
        entries: Arc::clone(&live.entries),
        seq: live.seq,
        kept: live.kept,
        version: live.version,
        activity: live.activity,
        updated_ms: live.updated_ms,
    };
    dirty.map(image).collect()
}

/// Writes the files, then makes all the renames durable at once. Answers what is safe, and the first error.
async fn write_all(dir: &Arc<Path>, spool: &str, images: Vec<Image>) -> (Vec<Image>, Option<SessionError>) {
    let share = images.len().div_ceil(WRITERS);
    let mut images = images.into_iter();
    let mut writers = Vec::new();
    loop {
        let share: Vec<_> = images.by_ref().take(share).collect();
        if share.is_empty() {
            break;
        }
        let (dir, spool) = (Arc::clone(dir), spool.to_owned());
        writers.push(blocking(move || Ok(write_share(&dir, &spool, share))));
    }
    let (mut written, mut first_error) = (Vec::new(), None);
    for writer in futures_util::future::join_all(writers).await {
        let (done, error) = writer.unwrap_or_else(|error| (Vec::new(), Some(error)));
        written.extend(done);
        first_error = first_error.or(error);
    }
    if !written.is_empty() {
        let dir = Arc::clone(dir);
        if let Err(error) = blocking(move || sync_folder(&dir)).await {
            return (Vec::new(), Some(error));
        }
    }
    (written, first_error)
}

fn write_share(dir: &Path, spool: &str, mut images: Vec<Image>) -> (Vec<Image>, Option<SessionError>) {
    let mut first_error = None;
    images.retain(|image| {
        let file = SessionFile {
            spool: Some(spool.to_owned()),
            generation: image.generation,
            journal_seq: image.seq,
            activity: image.activity,
            ..SessionFile::new(&image.key, image.updated_ms, image.entries.as_slice())
        };
        let written = write_session(dir, &image.key, &file);
        let done = written.is_ok();
        first_error = first_error.take().or(written.err());
        done
    });
    (images, first_error)
}

/// Takes note of what the files hold, and trims each journal to the checkpoint before: the file of that one is
/// what remains where the one just written turns out to be damaged.
async fn settle(manager: &SessionManager, written: Vec<Image>) {
    {
        let mut sessions = manager.sessions();
        for image in &written {
            let live = sessions.live.get_mut(&image.key);
            if let Some(live) = live.filter(|live| live.generation == image.generation) {
                live.written = Some(image.version);
                live.kept = image.seq;
            }
        }
    }
    let trims = written.into_iter().filter(|image| image.kept > 0);
    let trims = stream::iter(trims.map(|image| manager.spool.trim_journal(image.key, image.kept)));
    let mut trims = trims.buffer_unordered(TRIMS);
    while let Some(trimmed) = trims.next().await {
        if let Err(error) = trimmed {
            debug!(%error, "Journal could not be trimmed");
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
