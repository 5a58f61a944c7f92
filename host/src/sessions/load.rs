use super::Entry;
use super::file::SessionFile;
use crate::spool::{Choice, Journal};

/// A session as its file and its journal tell it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) generation: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) choice: Choice,
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
    let rows = journal.rows;
    for row in rows.into_iter().filter(|row| row.seq > kept) {
        seq = row.seq;
        updated_ms = row
            .entries
            .iter()
            .map(|entry| entry.at_ms)
            .chain(updated_ms)
            .max();
        append(&mut entries, row.entries);
        dirty = true;
        activity = None;
    }
    limit(&mut entries, history);
    Loaded {
        generation,
        entries,
        choice: journal.choice,
        seq,
        kept,
        dirty,
        activity,
        updated_ms,
    }
}

/// Adds what a journal row holds. A summary takes the place of what it stands for.
pub(super) fn append(entries: &mut Vec<Entry>, row: Vec<Entry>) {
    for entry in row {
        match entry.summary {
            Some(summary) => {
                let kept = entries.len().saturating_sub(summary.keeps);
                entries.splice(..kept, [entry]);
            }
            None => entries.push(entry),
        }
    }
}

/// Drops the oldest messages beyond `history`, but for the summary of those before them.
pub(super) fn limit(entries: &mut Vec<Entry>, history: usize) {
    let begin = usize::from(entries.first().is_some_and(|first| first.summary.is_some()));
    let excess = entries.len().saturating_sub(begin + history);
    entries.drain(begin..begin + excess);
}
