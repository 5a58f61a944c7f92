//! Reads what a library says of itself, without running any of it.

mod elf;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod glibc;
mod manifest;
mod refusal;
mod trust;

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) use manifest::{ManifestInfo, api_text};
pub(crate) use refusal::{Reason, Refusal};
pub(crate) use trust::{check_file, check_folder};

/// Larger files are no plugins: the largest one shipped has 4 MiB stripped.
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A library that this host can load, as far as its file shows.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    pub(crate) path: PathBuf,
    /// Size of the file in bytes.
    pub(crate) size: u64,
    /// Highest version of glibc that it asks for; `None` where it asks for none.
    pub(crate) glibc: Option<(u32, u32)>,
    pub(crate) manifest: ManifestInfo,
}

/// Reads a library's file; executes nothing of it and never blocks on it.
///
/// # Errors
/// One readable line for whatever keeps the file from being loaded here.
pub(crate) fn inspect(path: &Path) -> Result<Inspected, Refusal> {
    let refuse = |reason| Refusal::of(path, reason);
    let file = open(path).map_err(refuse)?;
    let size = file
        .metadata()
        .map_err(|error| refuse(Reason::Unreadable(error)))?
        .len();
    let found = elf::read(file).map_err(refuse)?;
    let manifest = ManifestInfo::decode(&found.manifest).map_err(refuse)?;
    let refuse = |reason| Refusal::named(&manifest.name, path, reason);
    manifest.check_against_host().map_err(refuse)?;
    glibc::check(found.glibc).map_err(refuse)?;
    Ok(Inspected {
        path: path.to_owned(),
        size,
        glibc: found.glibc,
        manifest,
    })
}

/// Opens a regular file of a plausible size.
pub(crate) fn open(path: &Path) -> Result<File, Reason> {
    // The first look keeps devices and pipes from being opened at all, the second one closes the gap between.
    check_kind(&std::fs::metadata(path).map_err(Reason::Unreadable)?)?;
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(Reason::Unreadable)?;
    check_kind(&file.metadata().map_err(Reason::Unreadable)?)?;
    Ok(file)
}

fn check_kind(metadata: &Metadata) -> Result<(), Reason> {
    use rustix::fs::FileType;
    let kind = match FileType::from_raw_mode(metadata.mode()) {
        FileType::RegularFile if metadata.len() > MAX_BYTES => {
            return Err(Reason::TooLarge { size: metadata.len() });
        }
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "directory",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        _ => "device",
    };
    Err(Reason::NotAFile { kind })
}

#[cfg(test)]
mod tests;
