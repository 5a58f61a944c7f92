//! The book's file, whole or not at all, and where codes come from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Book;
use crate::whole;

/// The file, in the state folder.
pub(crate) const FILE: &str = "pairing.json";
const VERSION: u32 = 1;
/// A larger file is none of ours.
const MAX_BYTES: u64 = 64 << 20;

/// Why what was decided cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairingError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} is damaged ({reason}), and in it stands who was let in by pairing; put back a copy of it, or remove it and \
         approve them again",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },
    #[error("{} is of version {found}, this program knows {VERSION}; start the one that wrote it", path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("the system gives no random numbers: {0}")]
    Noise(#[source] io::Error),
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize)]
struct Whole<'a> {
    version: u32,
    #[serde(flatten)]
    book: &'a Book,
}

pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

/// `None` where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Book>, PairingError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged(path, error)),
        Err(source) => return Err(failed("read", path, source)),
    }
    let head: Head = serde_json::from_str(&text).map_err(|error| damaged(path, error))?;
    if head.version != VERSION {
        let (path, found) = (path.to_owned(), head.version);
        return Err(PairingError::Newer { path, found });
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| damaged(path, error))
}

pub(super) fn write(path: &Path, book: &Book) -> Result<(), PairingError> {
    let whole = Whole {
        version: VERSION,
        book,
    };
    let written = serde_json::to_string_pretty(&whole)
        .map_err(io::Error::from)
        .and_then(|text| whole::replace(path, text.as_bytes()));
    written.map_err(|source| failed("write", path, source))
}

/// Bytes from the system's source.
pub(super) type Noise = std::array::IntoIter<u8, 1024>;

/// More of them than any code takes.
pub(super) fn noise() -> Result<Noise, PairingError> {
    let mut bytes = [0; 1024];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(PairingError::Noise(error.into())),
        }
    }
    Ok(bytes.into_iter())
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> PairingError {
    let path = path.to_owned();
    PairingError::Io { action, path, source }
}

fn damaged(path: &Path, error: impl ToString) -> PairingError {
    let (path, reason) = (path.to_owned(), error.to_string());
    PairingError::Damaged { path, reason }
}
