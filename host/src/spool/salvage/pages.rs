use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::super::schema::with_suffix;

/// SQLite's default, which every spool has.
pub(super) const PAGE: usize = 4_096;
/// Entries of a pointer map page, and the page itself (<https://www.sqlite.org/fileformat.html>, section 1.8).
const MAPPED: u32 = 4_096 / 5 + 1;
/// The page that SQLite locks and leaves empty.
const LOCK_PAGE: u32 = 0x4000_0000 / 4_096 + 1;

/// The pages of a database with its log played in, as far as the log is sound.
pub(super) struct Pages {
    content: Vec<u8>,
    log: HashMap<u32, Vec<u8>>,
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
        let read = |path: &Path| match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            content => content,
        };
        Ok(Self {
            content: read(path)?,
            log: committed(&read(&with_suffix(path, "-wal"))?),
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

/// The last committed pages of a log (section 4 of the file format); what follows a broken frame does not count.
fn committed(log: &[u8]) -> HashMap<u32, Vec<u8>> {
    let mut pages = HashMap::new();
    let _ = play(log, &mut pages);
    pages
}

fn play(log: &[u8], pages: &mut HashMap<u32, Vec<u8>>) -> Option<()> {
    let head = log.get(..32)?;
    let big = match word(head, 0)? {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => return None,
    };
    let mut sum = checksum([0, 0], &head[..24], big);
    if sum != [word(head, 24)?, word(head, 28)?] {
        return None;
    }
    let mut waiting = Vec::new();
    for frame in log[32..].chunks_exact(24 + PAGE) {
        if frame[8..16] != head[16..24] {
            break;
        }
        sum = checksum(checksum(sum, &frame[..8], big), &frame[24..], big);
        if sum != [word(frame, 16)?, word(frame, 20)?] {
            break;
        }
        waiting.push((word(frame, 0)?, frame[24..].to_vec()));
        if word(frame, 4)? > 0 {
            pages.extend(waiting.drain(..));
        }
    }
    Some(())
}

fn checksum(mut sum: [u32; 2], bytes: &[u8], big: bool) -> [u32; 2] {
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap_or_default();
        if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    for pair in bytes.chunks_exact(8) {
        sum[0] = sum[0].wrapping_add(number(&pair[..4])).wrapping_add(sum[1]);
        sum[1] = sum[1].wrapping_add(number(&pair[4..])).wrapping_add(sum[0]);
    }
    sum
}
