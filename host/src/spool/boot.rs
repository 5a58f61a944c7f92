//! Which run of the machine wrote to the spool last. Only the end of one tears a log: commits that were not synced reach the
//! disk in any order, or not at all. What one process of a run has written, the next one reads.

use std::fs;
use std::path::Path;

use crate::whole;

/// In the state folder.
const FILE: &str = "boot";

/// Whether a gateway has noted this run of the machine in `dir`. False where the system does not tell its runs apart.
pub(super) fn is_noted(dir: &Path) -> bool {
    current().is_some_and(|current| holds(dir, &current))
}

/// Notes this run, before anything is written to the spool. Where that fails, a damaged log is taken for a torn one.
pub(super) fn note(dir: &Path) {
    if let Some(current) = current()
        && !holds(dir, &current)
        && let Err(error) = whole::replace(&dir.join(FILE), current.as_bytes())
    {
        tracing::debug!(%error, "Cannot note which run of the machine this is");
    }
}

fn holds(dir: &Path, run: &str) -> bool {
    fs::read_to_string(dir.join(FILE)).is_ok_and(|noted| noted == run)
}

fn current() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}
