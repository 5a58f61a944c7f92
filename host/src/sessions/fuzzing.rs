//! What holds for any bytes in the place of a session's file.

use std::path::Path;

use super::file::{Count, SessionFile, parse};
use super::load::assemble;
use super::{Entry, SessionKey};
use crate::spool::Journal;

/// Reads any bytes: they are a session that can be written and read again, or refused.
pub fn session_file(data: &[u8]) {
    let path = Path::new("session.json");
    let Ok(Ok(file)) = parse::<Vec<Entry>>(path, data) else {
        return;
    };
    match parse::<Count>(path, data) {
        Ok(Ok(counted)) => assert_eq!(counted.messages.0, file.messages.len()),
        other => panic!("the head alone is not read: {other:?}"),
    }
    let written = match serde_json::to_vec(&file) {
        Ok(written) => written,
        Err(error) => panic!("{error}: {file:?}"),
    };
    match parse::<Vec<Entry>>(path, &written) {
        Ok(Ok(again)) => assert_eq!(format!("{again:?}"), format!("{file:?}")),
        other => panic!("what was written is not read: {other:?}"),
    }
    let stem = SessionKey(file.key.as_str().into()).file_stem();
    assert!(
        !stem.is_empty() && !stem.contains('/') && !stem.starts_with('.'),
        "{stem}"
    );
    is_put_together(file);
}

/// With a journal of no rows a history is the file's, as far as the file counts and the limit goes.
fn is_put_together(file: SessionFile<Vec<Entry>>) {
    const HISTORY: usize = 3;
    let spool = file.spool.clone().unwrap_or_default();
    let journal = Journal {
        generation: file.generation,
        choice: crate::spool::Choice::default(),
        rows: Vec::new(),
    };
    let counts = file.spool.is_some() || file.generation == 0;
    let expected = if counts {
        let summed = file.messages.first().is_some_and(|first| first.summary.is_some());
        file.messages.len().min(HISTORY + usize::from(summed))
    } else {
        0
    };
    let last = file.messages.last().cloned().filter(|_| counts);
    let loaded = assemble(Some(file), &spool, journal, HISTORY);
    assert_eq!(loaded.entries.len(), expected);
    assert_eq!(loaded.entries.last(), last.as_ref());
}
