use std::mem::offset_of;
use std::os::unix::fs::symlink;

use miniclaw_plugin_api::Kind;
use miniclaw_plugin_api::manifest::{MANIFEST_SYMBOL, ROOT_SYMBOL, RawManifest};

use super::*;
use crate::plugins::fixture;

fn line(path: &Path) -> String {
    inspect(path).unwrap_err().to_string()
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.so");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn changed(at: usize, change: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.so");
    fixture::with_manifest(&path, at, change);
    line(&path)
}

#[test]
fn a_real_library_shows_its_manifest() {
    let inspected = inspect(fixture::library()).unwrap();
    let manifest = &inspected.manifest;
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("echo-channel", "0.1.0")
    );
    assert_eq!((manifest.kind, manifest.schema.as_str()), (Kind::Channel, "{}"));
    assert!(manifest.rustc.starts_with("rustc "), "{}", manifest.rustc);
    assert!(inspected.glibc > Some((2, 0)), "{:?}", inspected.glibc);
}

#[test]
fn every_refusal_is_one_line_that_names_both_sides() {
    let api = changed(offset_of!(RawManifest, api), &[9, 0, 0, 0]);
    assert!(
        api.starts_with("cannot load plugin `echo-channel` from /"),
        "{api}"
    );
    assert!(
        api.ends_with(
            ": built for plugin API 9, this host speaks 0.1; rebuild it against miniclaw-plugin-api 0.1"
        ),
        "{api}"
    );
    let minor = changed(offset_of!(RawManifest, api) + 4, &[3, 0, 0, 0]);
    assert!(
        minor.contains("built for plugin API 0.3, this host speaks 0.1"),
        "{minor}"
    );
    let format = changed(offset_of!(RawManifest, format), &[2, 0, 0, 0]);
    assert!(
        format.contains("manifest has format 2, this host reads 1"),
        "{format}"
    );
    let abort = changed(offset_of!(RawManifest, panic_abort), &[1, 0, 0, 0]);
    assert!(
        abort.contains("panic = \"abort\", this host needs panic = \"unwind\""),
        "{abort}"
    );
    let target = changed(offset_of!(RawManifest, target), b"sparc\x1b[2J-linux\n\0");
    assert!(
        target.contains("built for sparc\\u{1b}[2J-linux\\n, this host for "),
        "{target}"
    );
    let name = changed(offset_of!(RawManifest, name), b"Bad Name\0");
    assert!(
        name.contains("its manifest is damaged: its name has other characters"),
        "{name}"
    );
    let schema = changed(offset_of!(RawManifest, schema_len), &[0xff; 4]);
    assert!(schema.contains("its schema is no text"), "{schema}");
    for line in [api, minor, format, abort, target, name, schema] {
        assert!(!line.contains('\n'), "{line}");
    }
}

#[test]
fn a_patch_of_the_api_may_differ_either_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lib.so");
    fixture::with_manifest(&path, offset_of!(RawManifest, api) + 8, &[99, 0, 0, 0]);
    assert_eq!(inspect(&path).unwrap().manifest.api[2], 99);
}

#[test]
fn what_is_no_regular_file_is_refused_without_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.so");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(line(&pipe).ends_with("it is a pipe, a plugin is a regular file"));
    assert!(line(folder.path()).contains("it is a directory"));
    assert!(line(Path::new("/dev/null")).contains("it is a device"));
    let link = folder.path().join("link.so");
    symlink(fixture::library(), &link).unwrap();
    assert!(inspect(&link).is_ok());
    let dangling = folder.path().join("dangling.so");
    symlink(folder.path().join("nothing"), &dangling).unwrap();
    assert!(line(&dangling).contains("it cannot be read: No such file"));
}

#[test]
fn a_huge_file_is_refused_by_its_size() {
    let (_folder, path) = file(b"");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(MAX_BYTES + 1)
        .unwrap();
    assert!(
        line(&path).ends_with("it has 256 MiB, a plugin has at most 256 MiB"),
        "{}",
        line(&path)
    );
}

#[test]
fn foreign_and_useless_files_are_told_apart() {
    let real = fixture::bytes();
    let with = |at: usize, change: &[u8]| {
        let mut bytes = real.clone();
        bytes[at..at + change.len()].copy_from_slice(change);
        let (_folder, path) = file(&bytes);
        line(&path)
    };
    for text in [&b""[..], b"#!/bin/sh\n", b"\x7fELF"] {
        let (_folder, path) = file(text);
        assert!(line(&path).ends_with("it is not an ELF library"));
    }
    assert!(with(4, &[1]).contains("built for a 32-bit machine, this host is"));
    assert!(with(5, &[2]).contains("another byte order"));
    let machine = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    assert!(with(18, &[machine, 0]).contains("built for "));
    assert!(with(16, &[2, 0]).contains("it is a program"));
    assert!(with(16, &[1, 0]).contains("it is an object file"));
    assert!(line(&std::env::current_exe().unwrap()).contains("it is a program"));
    let (_folder, path) = file(&real[..fixture::place_of(&real, MANIFEST_SYMBOL)]);
    assert!(line(&path).contains("it is damaged: it ends inside a segment"));
}

#[test]
fn a_library_without_our_symbols_is_no_plugin() {
    let real = fixture::bytes();
    for symbol in [MANIFEST_SYMBOL, ROOT_SYMBOL] {
        let mut renamed = real.clone();
        let needle = [b"\0", symbol.as_bytes(), b"\0"].concat();
        for at in 0..renamed.len() - needle.len() {
            if renamed[at..].starts_with(&needle) {
                renamed[at + 1] = b'X';
            }
        }
        for bytes in [renamed, fixture::with_undefined(symbol)] {
            let (_folder, path) = file(&bytes);
            let line = line(&path);
            assert!(line.contains(&format!("it exports no {symbol}")), "{line}");
        }
    }
}

/// Bit flips where the tables are, and cuts anywhere: whatever comes out, it comes out.
#[test]
fn any_bytes_are_read_or_refused_and_never_panic() {
    let mut real = fixture::bytes();
    let manifest = fixture::place_of(&real, MANIFEST_SYMBOL);
    let dynamic = fixture::dynamic_table(&real);
    let tables = real.len().min(64 * 1024);
    let (_folder, path) = file(&real);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    let handle = File::options().write(true).open(&path).unwrap();
    for round in 0..6000 {
        let at = match round % 4 {
            0 => random.below(64 + 56 * 16),
            1 => manifest + random.below(512),
            2 => dynamic + random.below(512),
            _ => random.below(tables),
        };
        let kept = real[at];
        real[at] ^= 1 << random.below(8);
        write_at(&handle, at, real[at]);
        refused += usize::from(inspect(&path).is_err());
        write_at(&handle, at, kept);
        real[at] = kept;
    }
    assert!(refused > 300, "{refused}");
    assert!(inspect(&path).is_ok(), "the file is whole again");
    for _ in 0..2000 {
        std::fs::write(&path, &real[..random.below(2 * tables)]).unwrap();
        assert!(inspect(&path).is_err());
    }
}

fn write_at(file: &File, at: usize, byte: u8) {
    std::os::unix::fs::FileExt::write_at(file, &[byte], at as u64).unwrap();
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
