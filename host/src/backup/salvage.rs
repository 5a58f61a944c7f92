use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::restore::{new_spool, replace_spool};
use super::{BackupError, Places, io_error};
use crate::sessions::latest_spool;
use crate::spool::{Salvaged, any_spool};

/// What was saved, and where the damaged spool is.
#[derive(Debug, Serialize)]
pub(crate) struct Saved {
    #[serde(flatten)]
    counts: Salvaged,
    spool: PathBuf,
    moved_aside: Vec<PathBuf>,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "kept: {} inbound rows, {} outbox rows, {} journal rows, {} session generations, {} cursors, {} aliases",
            counts.inbound, counts.outbox, counts.journal, counts.sessions, counts.cursors, counts.aliases
        )?;
        writeln!(
            f,
            "lost: {} messages and {} replies that waited (dead letters name them), {} unreadable messages, \
             {} other rows, {} pages, {} pages of the log",
            counts.lost_inbound,
            counts.lost_outbox,
            counts.unreadable_messages,
            counts.broken_rows,
            counts.broken_pages,
            counts.broken_frames
        )?;
        writeln!(f, "the sound spool is {}", self.spool.display())?;
        self.moved_aside
            .iter()
            .try_for_each(|path| writeln!(f, "the damaged one is kept in {}", path.display()))
    }
}

/// Saves what can be read of the spool into one in the folder `to`, or into one that takes its place. The caller
/// holds the lock of the state folder.
///
/// # Errors
/// Where there is no spool, it cannot be read at all, or the new one cannot be written.
pub(crate) fn salvage(places: &Places, to: Option<&Path>) -> Result<Saved, BackupError> {
    if !any_spool(&places.state) {
        return Err(BackupError::Nothing(places.state.clone()));
    }
    let known = latest_spool(&places.sessions)?;
    let spool = match to {
        Some(folder) => folder.join("spool.db"),
        None => new_spool(&places.state),
    };
    if to.is_some() && any_spool(spool.parent().unwrap_or(&spool)) {
        return Err(BackupError::Exists(spool));
    }
    if let Some(folder) = to {
        std::fs::create_dir_all(folder).map_err(io_error("make", folder))?;
    }
    let counts = crate::spool::salvage(&places.state, &spool, known.as_deref()).map_err(|reason| {
        BackupError::Salvage {
            path: places.state.clone(),
            reason,
        }
    })?;
    let (spool, moved_aside) = match to {
        Some(_) => (spool, Vec::new()),
        None => (places.state.join("spool.db"), replace_spool(&places.state)?),
    };
    Ok(Saved {
        counts,
        spool,
        moved_aside,
    })
}
