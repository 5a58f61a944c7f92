use super::Entry;
use super::file::SessionFile;
use crate::spool::Journal;

/// A session as its file and its journal tell it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) generation: u64,
    pub(super) entries: Vec<Entry>,
    /// Journal rows up to this one are in `entries`.
    pub(super) seq: u64,
    /// Journal rows up to this one are in a checkpoint that stays on disk after the next one.
    pub(super) kept: u64,
    /// The file does not say the same.
    pub(super) dirty: bool,
    /// When it was last used, on the activity clock; `None` where only this moment is known.
    pub(super) activity: Option<u64>,
    pub(super) updated_ms: Option<i64>,
}

/// Puts a session together from its file and all its journal rows of the spool's generation.
///
/// Numbers in the file mean something only where it names the same spool. Then a file of an earlier generation is
/// over, and one of the same generation is followed by the rows after its `journal_seq`. A file of a *later*
/// generation shows that the spool was put back to an earlier state; like a file of another spool (which was lost,
/// or there was none) it is followed by all rows. A file of another spool is over, too, once this spool has raised
/// the generation.
pub(super) fn assemble(
    file: Option<SessionFile<Vec<Entry>>>,
    spool: &str,
    journal: Journal,
    history: usize,
) -> Loaded {
    let generation = journal.generation;
    let exists = file.is_some();
    let file = file.filter(|file| match file.spool.as_deref() == Some(spool) {
        true => file.generation >= generation,
        false => generation == 0,
    });
    let same = |file: &SessionFile<_>| file.spool.as_deref() == Some(spool) && file.generation == generation;
    let after = file
        .as_ref()
        .filter(|file| same(file))
        .map(|file| file.journal_seq);
    let (mut activity, mut updated_ms, mut entries) = match file {
        Some(file) => (after.map(|_| file.activity), Some(file.updated_ms), file.messages),
        None => (None, None, Vec::new()),
    };
    let kept = after.unwrap_or(0);
    let mut seq = kept;
    let mut dirty = exists && after.is_none();
    for row in journal.rows.into_iter().filter(|row| row.seq > kept) {
        seq = row.seq;
        updated_ms = row
            .entries
            .iter()
            .map(|entry| entry.at_ms)
            .chain(updated_ms)
            .max();
        entries.extend(row.entries);
        dirty = true;
        activity = None;
    }
    limit(&mut entries, history);
    Loaded {
        generation,
        entries,
        seq,
        kept,
        dirty,
        activity,
        updated_ms,
    }
}

/// Drops the oldest messages beyond `history`.
pub(super) fn limit(entries: &mut Vec<Entry>, history: usize) {
    let excess = entries.len().saturating_sub(history);
    entries.drain(..excess);
}
