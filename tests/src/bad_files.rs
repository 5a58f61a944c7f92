//! Files that no loader may load, made from a good library.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::gateway::{make_folder, write_private};

/// Offsets in an ELF header (elf.h): class, type, machine, and the program header table's place.
const EI_CLASS: usize = 4;
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_PHOFF: usize = 32;
/// An executable at a fixed address, in `e_type`.
const ET_EXEC: u8 = 2;
/// Another machine, in `e_machine`.
const EM_AARCH64: u8 = 183;

/// Fills `folder` with bad files, all of them named `….so`; returns their names. None of them holds the plugin's
/// code in a state that could be run, but for `bit_flip_manifest.so`, whose manifest is broken.
///
/// # Panics
/// Where the disk is full.
pub fn make(folder: &Path, good: &Path, foreign: &Path) -> Vec<String> {
    let library = std::fs::read(good).expect("the good library can be read");
    let foreign = std::fs::read(foreign).expect("the foreign library can be read");
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("text", b"#!/bin/sh\necho I am no library\n".to_vec()),
        ("only_magic", library[..4].to_vec()),
        ("truncated_header", library[..40].to_vec()),
        ("truncated_half", library[..library.len() / 2].to_vec()),
        ("wrong_class", patched(&library, EI_CLASS, &[1])),
        ("wrong_machine", patched(&library, E_MACHINE, &[EM_AARCH64])),
        ("wrong_type", patched(&library, E_TYPE, &[ET_EXEC])),
        ("wild_headers", patched(&library, E_PHOFF, &[0xff; 7])),
        ("bit_flip_manifest", with_broken_manifest(&library)),
        ("foreign", foreign),
        ("noise", noise(64 * 1024)),
    ];
    let mut names = Vec::new();
    for (name, bytes) in files {
        let name = format!("{name}.so");
        write_private(&folder.join(&name), &bytes);
        names.push(name);
    }
    symlink("/nonexistent/library.so", folder.join("dangling.so")).expect("a link can be made");
    make_folder(&folder.join("folder.so"));
    mknodat(
        CWD,
        folder.join("pipe.so"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe can be made");
    names.extend(["dangling.so", "folder.so", "pipe.so"].map(str::to_owned));
    names
}

fn patched(library: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut copy = library.to_vec();
    copy[offset..offset + bytes.len()].copy_from_slice(bytes);
    copy
}

/// Flips one bit in each copy of the manifest's first bytes, which may also stand in the code.
fn with_broken_manifest(library: &[u8]) -> Vec<u8> {
    let magic = b"miniclaw-plugin\0";
    let mut copy = library.to_vec();
    let mut found = false;
    for at in 0..copy.len() - magic.len() {
        if copy[at..].starts_with(magic) {
            copy[at] ^= 1;
            found = true;
        }
    }
    assert!(found, "the good library has a manifest");
    copy
}

/// Bytes without a pattern, the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
