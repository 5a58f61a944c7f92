use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use super::super::schema::with_suffix;
use super::super::wal;

pub(super) use super::super::wal::PAGE;

/// Entries of a pointer map page, and the page itself (<https://www.sqlite.org/fileformat.html>, section 1.8).
const MAPPED: u32 = 4_096 / 5 + 1;
/// The page that SQLite locks and leaves empty.
const LOCK_PAGE: u32 = 0x4000_0000 / 4_096 + 1;

/// The pages of a database with the sound ones of its log played in.
pub(super) struct Pages {
    content: Vec<u8>,
    log: HashMap<u32, Vec<u8>>,
    /// Of the log; what stood in them may be as it was before.
    pub(super) broken_frames: u64,
}

/// What the pointer map says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    Root,
    Free,
    Overflow,
    Child(u32),
    Unknown,
}

impl Pages {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let content = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            content => content?,
        };
        let (log, broken_frames) = committed(path)?;
        Ok(Self {
            content,
            log,
            broken_frames,
        })
    }

    /// The number of the last page.
    pub(super) fn last(&self) -> u32 {
        let in_file = u32::try_from(self.content.len().div_ceil(PAGE)).unwrap_or(u32::MAX);
        self.log.keys().copied().max().unwrap_or(0).max(in_file)
    }

    /// A page by its number, which starts at 1; none that is cut off.
    pub(super) fn get(&self, number: u32) -> Option<&[u8]> {
        if let Some(page) = self.log.get(&number) {
            return Some(page);
        }
        let start = usize::try_from(number.checked_sub(1)?).ok()?.checked_mul(PAGE)?;
        self.content.get(start..start.checked_add(PAGE)?)
    }

    /// Whether a page is one of the pointer map, or the lock page.
    pub(super) fn is_map(&self, number: u32) -> bool {
        number == LOCK_PAGE || (number >= 2 && map_of(number) == number)
    }

    pub(super) fn mapped(&self, number: u32) -> Mapped {
        let entry = || {
            let map = map_of(number);
            let at = usize::try_from(number.checked_sub(map + 1)?).ok()? * 5;
            let entry = self.get(map)?.get(at..at + 5)?;
            Some((entry[0], word(entry, 1)?))
        };
        match entry() {
            Some((1, 0)) => Mapped::Root,
            Some((2, 0)) => Mapped::Free,
            Some((3 | 4, parent)) if parent <= self.last() => Mapped::Overflow,
            Some((5, parent)) if parent >= 1 && parent <= self.last() => Mapped::Child(parent),
            _ => Mapped::Unknown,
        }
    }
}

fn map_of(number: u32) -> u32 {
    let map = number.saturating_sub(2) / MAPPED * MAPPED + 2;
    if map == LOCK_PAGE { map + 1 } else { map }
}

/// A big-endian number of four bytes.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// The last committed pages of a log, and how many of its frames are broken in front of others that are not. A torn end is
/// no damage: nothing behind it was ever committed.
fn committed(database: &Path) -> io::Result<(HashMap<u32, Vec<u8>>, u64)> {
    let (mut pages, mut waiting) = (HashMap::new(), Vec::new());
    let (mut next, mut broken) = (1, 0);
    let log = match File::open(with_suffix(database, "-wal")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((pages, 0)),
        log => log?,
    };
    let damaged = wal::damage(database)?.is_some();
    wal::frames(log, |at, frame| {
        broken += at - next + u64::from(!frame.sound);
        next = at + 1;
        if !frame.sound || (broken > 0 && !damaged) {
            return;
        }
        waiting.push((frame.number, frame.page.to_vec()));
        if frame.ends_commit {
            pages.extend(waiting.drain(..));
        }
    })?;
    Ok((pages, if damaged { broken } else { 0 }))
}
