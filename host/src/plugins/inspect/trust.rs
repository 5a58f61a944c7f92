//! Whether others than the operator could have put something in a file's place.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Reason;
use crate::telemetry::printable;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Checks a folder and every folder above it.
pub(crate) fn check_folder(folder: &Path) -> Result<(), Reason> {
    let real = folder.canonicalize().map_err(Reason::Unreadable)?;
    for place in real.ancestors() {
        let metadata = std::fs::metadata(place).map_err(Reason::Unreadable)?;
        let shared_like_tmp = metadata.uid() == 0 && metadata.mode() & STICKY != 0;
        if !shared_like_tmp {
            check(place, &metadata)?;
        }
    }
    Ok(())
}

/// Checks a file whose folder was checked already; where it is a link, also the place that it leads to.
pub(crate) fn check_file(file: &Path) -> Result<(), Reason> {
    let link = std::fs::symlink_metadata(file).map_err(Reason::Unreadable)?;
    if !link.is_symlink() {
        return check(file, &link);
    }
    let real = file.canonicalize().map_err(Reason::Unreadable)?;
    check(&real, &std::fs::metadata(&real).map_err(Reason::Unreadable)?)?;
    real.parent().map_or(Ok(()), check_folder)
}

fn check(place: &Path, metadata: &Metadata) -> Result<(), Reason> {
    let host = rustix::process::geteuid().as_raw();
    let which = || printable(&place.to_string_lossy(), 4096);
    let owner = metadata.uid();
    if owner != 0 && owner != host {
        return Err(Reason::Owner {
            which: which(),
            owner,
            host,
        });
    }
    // Many systems give every user a group of their own with the same number, and a umask that trusts it.
    let group_is_owner = metadata.gid() == owner;
    let mode = metadata.mode();
    if mode & OTHERS_WRITE != 0 || (mode & GROUP_WRITES != 0 && !group_is_owner) {
        return Err(Reason::Writable { which: which() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_also_from_below() {
        let top = tempfile::tempdir().unwrap();
        let shared = top.path().join("shared");
        let inner = shared.join("inner");
        create_dir(&shared).unwrap();
        create_dir(&inner).unwrap();
        mode(&shared, 0o755);
        assert!(check_folder(&inner).is_ok());
        mode(&shared, 0o757);
        let line = check_folder(&inner).unwrap_err().to_string();
        assert!(line.contains("/shared is writable by others"), "{line}");
        assert!(line.contains("chmod go-w"), "{line}");
    }

    #[test]
    fn a_link_into_a_folder_that_others_can_write_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let shared = top.path().join("shared");
        create_dir(&shared).unwrap();
        let target = shared.join("lib.so");
        write(&target, "").unwrap();
        let link = top.path().join("lib.so");
        symlink(&target, &link).unwrap();
        mode(&target, 0o644);
        mode(&shared, 0o755);
        assert!(check_file(&link).is_ok());
        mode(&shared, 0o757);
        assert!(matches!(check_file(&link), Err(Reason::Writable { .. })));
        mode(&shared, 0o755);
        mode(&target, 0o646);
        assert!(matches!(check_file(&link), Err(Reason::Writable { .. })));
    }
}
