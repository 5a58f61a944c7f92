//! Whether others than the operator could have put something in a file's place.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Reason;
use crate::telemetry::printable;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// As many as the kernel follows.
const MAX_LINKS: usize = 40;
/// Where the kernel keeps rights of single users; while there are some, the group's bits of the mode are their
/// upper bound.
const ACCESS_LIST: &str = "system.posix_acl_access";

/// Checks a folder, and every folder and link on the way to it.
pub(crate) fn check_folder(folder: &Path) -> Result<(), Reason> {
    let real = walk(folder)?;
    // Files of others in a sticky folder stay theirs, but this one is searched.
    check(&real, &std::fs::metadata(&real).map_err(Reason::Unreadable)?)
}

/// Checks a file whose folder was checked already; where it is a link, also the way to its target.
pub(crate) fn check_file(file: &Path) -> Result<(), Reason> {
    let link = std::fs::symlink_metadata(file).map_err(Reason::Unreadable)?;
    if !link.is_symlink() {
        return check(file, &link);
    }
    walk(file).map(drop)
}

/// Goes the way to a place as the kernel does, and checks everything on it. Gives the place without links.
fn walk(path: &Path) -> Result<PathBuf, Reason> {
    let parts = |path: &Path| -> Vec<OsString> { path.iter().map(OsString::from).collect() };
    let mut left: VecDeque<OsString> = parts(&std::path::absolute(path).map_err(Reason::Unreadable)?).into();
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(part);
        let metadata = std::fs::symlink_metadata(&next).map_err(Reason::Unreadable)?;
        if !metadata.is_symlink() {
            let shared_like_tmp = metadata.is_dir() && metadata.uid() == 0 && metadata.mode() & STICKY != 0;
            if !shared_like_tmp {
                check(&next, &metadata)?;
            }
            at = next;
            continue;
        }
        check_owner(&next, &metadata)?;
        links += 1;
        if links > MAX_LINKS {
            return Err(Reason::Unreadable(io::Error::other("too many symbolic links")));
        }
        let target = std::fs::read_link(&next).map_err(Reason::Unreadable)?;
        for part in parts(&target).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(at)
}

fn check(place: &Path, metadata: &Metadata) -> Result<(), Reason> {
    check_owner(place, metadata)?;
    let mode = metadata.mode();
    // Many systems give every user a group of their own with the same number, and a umask that trusts it.
    let group_is_owner = || metadata.gid() == metadata.uid() && !has_access_list(place);
    if mode & OTHERS_WRITE != 0 || (mode & GROUP_WRITES != 0 && !group_is_owner()) {
        let which = shown(place);
        return Err(Reason::Writable { which });
    }
    Ok(())
}

fn check_owner(place: &Path, metadata: &Metadata) -> Result<(), Reason> {
    let host = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != 0 && owner != host {
        let which = shown(place);
        return Err(Reason::Owner { which, owner, host });
    }
    Ok(())
}

fn has_access_list(place: &Path) -> bool {
    let mut list = [0; 256];
    match rustix::fs::getxattr(place, ACCESS_LIST, &mut list) {
        Ok(bytes) => bytes > 0,
        // It is longer than that.
        Err(error) => error == rustix::io::Errno::RANGE,
    }
}

fn shown(place: &Path) -> String {
    printable(&place.to_string_lossy(), 4096)
}

#[cfg(test)]
mod tests;
