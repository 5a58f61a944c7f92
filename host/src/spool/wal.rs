//! The log of an SQLite file (`-wal`), read frame by frame and without trust: section 4 of
//! <https://www.sqlite.org/fileformat.html>.
//!
//! SQLite takes whatever is wrong in a log for its end, since a power cut leaves a torn one. But a process that is killed
//! leaves whole commits and the begin of one: where a commit stands behind the broken place with something behind it, and
//! the machine has not been restarted meanwhile, what is broken was whole once.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use super::schema::with_suffix;

/// SQLite's default, which every spool has.
pub(super) const PAGE: usize = 4_096;
/// For a commit to be on the disk.
const MOMENT: Duration = Duration::from_millis(200);

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// A page as one commit left it.
pub(super) struct Frame<'a> {
    /// Of the page in the file; the first one is 1.
    pub(super) number: u32,
    pub(super) page: &'a [u8],
    /// Whether it says that a commit ends with it.
    pub(super) ends_commit: bool,
    /// Whether it is what was written, behind whatever stands before it.
    pub(super) sound: bool,
}

/// Where a log is damaged, although there is more behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Counted from 1; 0 is the log's header.
    pub(super) frame: u64,
    /// Sound frames behind it.
    pub(super) behind: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            0 => f.write_str("has a damaged header")?,
            frame => write!(f, "is damaged at its frame {frame}")?,
        }
        write!(f, ", and frames behind that are sound: {}", self.behind)
    }
}

/// Shows the frames of the log's own generation in order, whether they are sound or not; those of former ones, which the
/// log has overwritten in part, are passed over. Returns whether the header is sound.
///
/// # Errors
/// What reading ends with, but for the log's end.
pub(super) fn frames(log: impl Read, mut show: impl FnMut(u64, &Frame<'_>)) -> io::Result<bool> {
    let mut log = BufReader::with_capacity(64 * 1024, log);
    let mut header = [0; HEADER];
    if !is_filled(&mut log, &mut header)? {
        return Ok(true);
    }
    let magic = word(&header, 0);
    let big = match magic {
        0x377f_0682 => false,
        0x377f_0683 => true,
        _ => cfg!(target_endian = "big"),
    };
    let mut before = [word(&header, 24), word(&header, 28)];
    let is_sound =
        matches!(magic, 0x377f_0682 | 0x377f_0683) && checksum([0, 0], &header[..24], big) == before;
    let mut generation = is_sound.then(|| header[16..24].to_vec());
    let mut frame = vec![0; FRAME_HEADER + PAGE];
    let mut count = 0;
    while is_filled(&mut log, &mut frame)? {
        count += 1;
        let sum = checksum(checksum(before, &frame[..8], big), &frame[FRAME_HEADER..], big);
        before = [word(&frame, 16), word(&frame, 20)];
        if *generation.get_or_insert_with(|| frame[8..16].to_vec()) != frame[8..16] {
            continue;
        }
        let shown = Frame {
            number: word(&frame, 0),
            page: &frame[FRAME_HEADER..],
            ends_commit: word(&frame, 4) > 0,
            sound: sum == before,
        };
        show(count, &shown);
    }
    Ok(is_sound)
}

/// Whether the log of a database is broken before its end. A log that is written to meanwhile may look so.
///
/// # Errors
/// Where the log cannot be read.
pub(super) fn damage(database: &Path) -> io::Result<Option<Damage>> {
    match File::open(with_suffix(database, "-wal")) {
        Ok(log) => damage_of(log),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same beside a gateway that may write to it: what is still there a moment later is damage.
///
/// # Errors
/// Where the log cannot be read.
pub(super) fn lasting_damage(database: &Path) -> io::Result<Option<Damage>> {
    let Some(first) = damage(database)? else {
        return Ok(None);
    };
    std::thread::sleep(MOMENT);
    Ok(damage(database)?.filter(|second| second.frame == first.frame))
}

fn damage_of(log: impl Read) -> io::Result<Option<Damage>> {
    let (mut next, mut broken) = (1, None);
    let (mut committed, mut sound, mut behind) = (false, 0, 0);
    let header_is_sound = frames(log, |at, frame| {
        if broken.is_none() && (at != next || !frame.sound) {
            broken = Some(next);
        }
        next = at + 1;
        sound += u64::from(frame.sound);
        if broken.is_some() {
            behind += u64::from(frame.sound && committed);
            committed |= frame.ends_commit;
        }
    })?;
    // Without its header, which is synced before any frame, SQLite reads nothing of a log.
    let found = match (header_is_sound, broken) {
        (false, _) => (0, sound),
        (true, Some(frame)) => (frame, behind),
        (true, None) => return Ok(None),
    };
    let (frame, behind) = found;
    Ok((behind > 0).then_some(Damage { frame, behind }))
}

/// Fills the buffer; false where the log ends before.
fn is_filled(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A big-endian number of four bytes, which are there.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_be_bytes)
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
