//! Files that take their place at once.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the names of unfinished files begin with; the process's number follows.
const PREFIX: &str = ".miniclaw-unfinished-";

/// A file that is written beside its place and renamed into it; removed where it does not come to that.
pub(crate) struct Staged {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// An empty file for `target`.
    pub(super) fn new(target: &Path) -> io::Result<Self> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        sweep(folder);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(format!("{PREFIX}{}-{name}", std::process::id()));
        // A process of the same number may have died over it.
        drop(std::fs::remove_file(&temporary));
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        Ok(Self {
            file,
            temporary,
            target: target.to_owned(),
        })
    }

    /// A finished file with these bytes.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn of(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let mut staged = Self::new(target)?;
        staged.file.write_all(bytes)?;
        staged.finish(mode)?;
        Ok(staged)
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its mode and brings it to the disk.
    pub(super) fn finish(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))?;
        self.file.sync_all()
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// Where something stands there that is no file.
    pub(crate) fn commit(self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.target)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        drop(std::fs::remove_file(&self.temporary));
    }
}

/// Makes renames and removals in a folder last; a file system that cannot keeps them as well as it can.
pub(crate) fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        drop(folder.sync_all());
    }
}

/// Removes what processes left that were killed over it.
fn sweep(folder: &Path) {
    let Ok(listing) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in listing.flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        let is_dead = |process: u32| {
            process != std::process::id() && !Path::new("/proc").join(process.to_string()).exists()
        };
        if process.is_some_and(is_dead) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
