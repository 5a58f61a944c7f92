//! Private copies of libraries, named by their content: nobody can change them between check and load, and a
//! changed library is another file, so that the dynamic loader does not mistake it for the one it has.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::inspect::{self, MAX_BYTES, Reason};

pub(super) struct Cache {
    folder: PathBuf,
}

/// A library in the cache.
pub(crate) struct Copy {
    pub(crate) path: PathBuf,
    /// Lowercase hexadecimal.
    pub(crate) sha256: String,
}

/// Digest of a file's bytes in lowercase hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, Reason> {
    digest(&mut inspect::open(path)?, &mut io::sink()).map_err(Reason::Unreadable)
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Copies a library unless its content is there already.
    pub(super) fn copy(&self, path: &Path) -> Result<Copy, Reason> {
        let mut source = inspect::open(path)?;
        let known = digest(&mut source, &mut io::sink()).map_err(Reason::Unreadable)?;
        let place = self.place(&known, "so");
        // Also where the copy is there: in a folder that others can write it could be swapped after the check.
        self.make_folder().map_err(|error| Reason::Copy {
            path: place.clone(),
            error,
        })?;
        if sha256(&place).is_ok_and(|found| found == known) {
            return Ok(Copy {
                path: place,
                sha256: known,
            });
        }
        self.write(&mut source)
            .map_err(|error| Reason::Copy { path: place, error })
    }

    /// Writes a copy that appears complete or not at all. Its name comes from the bytes that were written, in
    /// case that the source changed meanwhile.
    fn write(&self, source: &mut File) -> io::Result<Copy> {
        source.rewind()?;
        let temporary = self.folder.join(format!("{}.tmp", std::process::id()));
        // A process of the same number may have died over it.
        drop(std::fs::remove_file(&temporary));
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let sha256 = digest(source, &mut file)?;
        file.set_permissions(Permissions::from_mode(0o500))?;
        let path = self.place(&sha256, "so");
        std::fs::rename(&temporary, &path)?;
        Ok(Copy { path, sha256 })
    }

    /// Whether this content survived a trial load.
    pub(super) fn is_proven(&self, copy: &Copy) -> bool {
        self.place(&copy.sha256, "ok").exists()
    }

    pub(super) fn mark_proven(&self, copy: &Copy) -> Result<(), Reason> {
        let path = self.place(&copy.sha256, "ok");
        let made = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        made.map(drop).map_err(|error| Reason::Copy { path, error })
    }

    /// Removes every file but those of digests to keep.
    pub(super) fn prune(&self, keep: impl Fn(&str) -> bool) {
        let Ok(listing) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for file in listing.flatten() {
            let path = file.path();
            let kept = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(&keep);
            if kept {
                continue;
            }
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "Old copy of a plugin stays");
            }
        }
    }

    /// Makes the folder private, also where it was there before.
    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let metadata = std::fs::metadata(&self.folder)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("the folder belongs to another user"));
        }
        if metadata.mode() & 0o077 != 0 {
            std::fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    fn place(&self, sha256: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.{extension}"))
    }
}

/// Copies at most [`MAX_BYTES`] and returns their digest.
pub(crate) fn digest(from: &mut impl Read, to: &mut impl Write) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut total = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        total += count as u64;
        if total > MAX_BYTES {
            return Err(io::Error::other("it grows while it is read"));
        }
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
