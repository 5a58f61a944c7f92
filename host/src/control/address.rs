//! The name by which a socket is made and reached. A Unix socket takes 107 bytes; a folder may be called what it likes.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Longest path of a Unix socket on Linux (`sun_path`, without the zero at its end).
const SOCKET_BYTES: usize = 107;

/// A name that a socket takes. It holds as long as this value.
pub(super) struct Address {
    name: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    /// Of the socket at `path`: a longer one goes through its opened folder.
    ///
    /// # Errors
    /// For a longer one, where its folder cannot be opened, or there is no `/proc` to go through.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= SOCKET_BYTES {
            return Ok(Self {
                name: path.to_owned(),
                _folder: None,
            });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder, flags, Mode::empty())?;
        let through = format!("/proc/self/fd/{}", opened.as_raw_fd());
        if !Path::new(&through).exists() {
            return Err(io::Error::other(format!(
                "its path of {} bytes is too long for a socket ({SOCKET_BYTES} are the most), and there is no /proc to shorten \
                 it by; choose a shorter home folder",
                path.as_os_str().len()
            )));
        }
        Ok(Self {
            name: Path::new(&through).join(name),
            _folder: Some(opened),
        })
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_path_is_its_own_name_and_a_long_one_gets_a_short_one() {
        let folder = tempfile::tempdir().unwrap();
        let short = folder.path().join("control.sock");
        assert_eq!(Address::of(&short).unwrap().name(), short);
        let deep = folder.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let long = deep.join("control.sock");
        let address = Address::of(&long).unwrap();
        assert!(address.name().as_os_str().len() < SOCKET_BYTES);
        std::fs::write(address.name(), "here").unwrap();
        assert_eq!(std::fs::read_to_string(long).unwrap(), "here");
        let nowhere = folder.path().join("n".repeat(200)).join("control.sock");
        assert_eq!(
            Address::of(&nowhere).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
    }
}
