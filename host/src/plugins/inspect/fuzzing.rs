//! What holds for any bytes in the place of a plugin's library.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use miniclaw_plugin_api::manifest::RawManifest;
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Refusal, inspect as inspect_file};

/// Inspects bytes as a file, once as they are and once with zeros behind them, since a manifest is long and mostly
/// zeros: it is a plugin, or it is refused in one line.
pub fn inspect(data: &[u8]) {
    for zeros in [0, size_of::<RawManifest>()] {
        if let Err(refusal) = inspect_bytes(data, zeros) {
            let line = refusal.to_string();
            assert!(!line.contains('\n') && !line.is_empty(), "{line}");
        }
    }
}

fn inspect_bytes(data: &[u8], zeros: usize) -> Result<(), Refusal> {
    let file = match in_memory(data, zeros) {
        Ok(file) => file,
        Err(error) => panic!("there is no memory for a file: {error}"),
    };
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let inspected = inspect_file(&path)?;
    assert_eq!(inspected.size, (data.len() + zeros) as u64);
    assert!(!inspected.manifest.name.is_empty());
    Ok(())
}

fn in_memory(data: &[u8], zeros: usize) -> io::Result<File> {
    let mut file = File::from(memfd_create("library", MemfdFlags::CLOEXEC)?);
    file.write_all(data)?;
    file.set_len((data.len() + zeros) as u64)?;
    Ok(file)
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// Otherwise the fuzzer would start from refusals alone.
    #[test]
    fn the_seeds_with_either_hash_table_are_plugins() {
        for seed in [
            &include_bytes!("../../../../tests/fuzz/seeds/inspect/gnu")[..],
            include_bytes!("../../../../tests/fuzz/seeds/inspect/sysv"),
        ] {
            let inspected = inspect_bytes(seed, size_of::<RawManifest>());
            assert!(inspected.is_ok(), "{}", inspected.unwrap_err());
        }
    }
}
