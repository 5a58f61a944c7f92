//! What the owner was told, for the next process: a file of the state folder.

use std::path::PathBuf;

use tracing::{debug, warn};

use super::journal::Journal;
use crate::whole;

const FILE: &str = "alerts.json";

/// A file that is damaged costs at most a message twice.
pub(super) async fn read(state_dir: PathBuf) -> Journal {
    let read = tokio::task::spawn_blocking(move || std::fs::read(state_dir.join(FILE)));
    let Ok(Ok(bytes)) = read.await else {
        return Journal::default();
    };
    match serde_json::from_slice(&bytes) {
        Ok(told) => Journal::after(told),
        Err(error) => {
            warn!(%error, "The list of alerts that were sent is damaged and begins anew");
            Journal::default()
        }
    }
}

pub(super) async fn write(state_dir: PathBuf, journal: &Journal) {
    let told = journal.to_keep();
    let written = tokio::task::spawn_blocking(move || {
        let text = serde_json::to_string_pretty(&told)?;
        whole::replace(&state_dir.join(FILE), text.as_bytes())
    });
    // A disk that is full is what is told of.
    if let Ok(Err(error)) = written.await {
        debug!(%error, "What was told is forgotten when the gateway ends");
    }
}
