//! Real libraries with a change in their bytes, for what no build of this workspace can make.

mod mutation;

use std::path::{Path, PathBuf};

use crate::build;
use crate::gateway::write_private;

pub use mutation::Original;

/// What stands before the digits that `tests/plugins/faulty/src/load.rs` reads.
const LOAD_FAULT: &[u8] = b"fault-while-loading:";
/// First bytes of a manifest: magic, and format 1.
const MANIFEST: &[u8] = b"miniclaw-plugin\0\x01\0\0\0";
/// Offsets in a manifest (`plugin-api/src/manifest.rs`).
const API_AT: usize = 28;
const PANIC_ABORT_AT: usize = 40;
const PERMISSIONS_AT: usize = 64;
const NAME_AT: usize = 72;
const RUSTC_AT: usize = 232;

/// How the fixture `faulty` fails while it is being loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LoadFault {
    Segfault = b'1',
    Abort = b'2',
    /// With status 0, as if all were well.
    Exit = b'3',
    Hang = b'4',
}

impl LoadFault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Segfault, Self::Abort, Self::Exit, Self::Hang];
}

/// A fixture's library (`loopback`, …) that can be changed.
#[derive(Debug, Clone)]
pub struct Library {
    name: String,
    bytes: Vec<u8>,
}

impl Library {
    /// The fixture as it was built.
    ///
    /// # Panics
    /// Where there is none.
    pub fn of(fixture: &str) -> Self {
        Self::read(&build::artifacts().library(&format!("miniclaw_fixture_{fixture}")))
    }

    /// A library's file.
    ///
    /// # Panics
    /// Where there is none.
    pub fn read(path: &Path) -> Self {
        let bytes =
            std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let name = path.file_name().expect("a library has a name").to_string_lossy();
        Self {
            name: name.into_owned(),
            bytes,
        }
    }

    /// Fails while it is being loaded; for `faulty` alone. One that spares the trial load is found out no earlier than by the
    /// process that runs it.
    #[must_use]
    pub fn failing_at_load(self, fault: LoadFault, spares_trial: bool) -> Self {
        let spares = if spares_trial { b'1' } else { b'0' };
        self.changed(LOAD_FAULT, LOAD_FAULT.len(), &[fault as u8, spares])
    }

    /// Says that it was built for another plugin API.
    #[must_use]
    pub fn speaking_api(self, [major, minor, patch]: [u32; 3]) -> Self {
        let numbers = [major, minor, patch].map(u32::to_ne_bytes).concat();
        self.changed(MANIFEST, API_AT, &numbers)
    }

    /// Says that a panic aborts its process.
    #[must_use]
    pub fn aborting_on_panic(self) -> Self {
        self.changed(MANIFEST, PANIC_ABORT_AT, &1_u32.to_ne_bytes())
    }

    /// Asks for these permissions, as bits, and no others.
    #[must_use]
    pub fn asking_for(self, permissions: u64) -> Self {
        self.changed(MANIFEST, PERMISSIONS_AT, &permissions.to_ne_bytes())
    }

    /// Says that another compiler built it.
    #[must_use]
    pub fn built_by(self, rustc: &str) -> Self {
        self.changed(MANIFEST, RUSTC_AT, format!("{rustc}\0").as_bytes())
    }

    /// Writes it into a folder.
    pub fn put(&self, folder: &Path) -> PathBuf {
        let path = folder.join(&self.name);
        write_private(&path, &self.bytes);
        path
    }

    /// Writes `change` behind every place with these bytes, since some may stand in the code as well.
    fn changed(mut self, marker: &[u8], at: usize, change: &[u8]) -> Self {
        let places = self.places(marker, at + change.len());
        assert!(!places.is_empty(), "{} has no place to change", self.name);
        for place in places {
            self.bytes[place + at..place + at + change.len()].copy_from_slice(change);
        }
        self
    }

    /// Where these bytes stand, with so many behind their beginning.
    fn places(&self, marker: &[u8], length: usize) -> Vec<usize> {
        let last = self.bytes.len().saturating_sub(length);
        let first = marker[0];
        (0..last)
            .filter(|&place| self.bytes[place] == first && self.bytes[place..].starts_with(marker))
            .collect()
    }
}
