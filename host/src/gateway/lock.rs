//! One gateway for each state folder, and the PID file for those who want one.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::backup::{self, BackupError};

/// Holds the state folder until it is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct StateLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Why the state folder is not ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error(
        "another gateway (process {holder}) uses {}; stop it first, or name another folder with --home",
        path.display()
    )]
    Held { path: PathBuf, holder: String },
    #[error("cannot lock {}: {source}; its folder must be writable for this user, with room on the disk", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("a restore of {} was cut short and cannot be finished", path.display())]
    Restore {
        path: PathBuf,
        #[source]
        source: Box<BackupError>,
    },
}

impl StateLock {
    /// Takes the lock of a state folder, writes down who holds it, and finishes a restore that was cut short.
    ///
    /// # Errors
    /// [`LockError::Held`] where another process has it.
    pub(crate) fn acquire(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join("lock");
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a courtesy; without it the refusal stands all the same.
                let _ = file.take(32).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() {
                    "unknown".into()
                } else {
                    holder.trim().to_owned()
                };
                return Err(LockError::Held {
                    path: state_dir.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io)?;
        // Whoever may write here comes by this place, and none of them may find half a restore.
        backup::finish(state_dir).map_err(|source| LockError::Restore {
            path: state_dir.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self(file))
    }
}

/// A file that names this process, for those who start and stop it; removed when dropped.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it in one step, so that nobody reads half of it. One that a dead process left is replaced: the lock
    /// of the state folder is what keeps gateways apart.
    ///
    /// # Errors
    /// Where the folder is missing or not writable.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&temporary)?;
        // Whoever watches over the process may read it, whatever the umask is.
        file.set_permissions(Permissions::from_mode(0o644))?;
        writeln!(file, "{}", std::process::id())?;
        std::fs::rename(&temporary, path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours =
            std::fs::read_to_string(&self.0).is_ok_and(|text| text.trim() == std::process::id().to_string());
        if ours {
            // Nothing reads the file of a process that is gone.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateLock::acquire(folder.path()).unwrap();
        let error = StateLock::acquire(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        StateLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn a_stale_pid_file_is_replaced_and_a_foreign_one_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("miniclaw.pid");
        std::fs::write(&path, "999999\n").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap().trim(),
            std::process::id().to_string()
        );
        std::fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
        drop(PidFile::write(&path).unwrap());
        assert!(!path.exists());
    }
}
