use std::fs::{self, Permissions};
use std::mem::offset_of;
use std::os::unix::fs::PermissionsExt;

use miniclaw_plugin_api::manifest::RawManifest;

use super::*;
use crate::plugins::fixture;
use crate::plugins::trust::TrustPolicy;

struct World {
    top: tempfile::TempDir,
    loader: Loader,
}

impl World {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let loader = Loader::new(top.path().join("cache"), TrustPolicy::default());
        Self { top, loader }
    }

    fn folder(&self) -> PathBuf {
        self.top.path().join("plugins")
    }

    /// A library of this version and file name; names of plugins have 12 letters here.
    fn library(&self, file: &str, name: &str, version: &str) -> PathBuf {
        let path = self.top.path().join(file);
        let mut bytes = [0; 16];
        bytes[..version.len()].copy_from_slice(version.as_bytes());
        fixture::with_manifest(&path, offset_of!(RawManifest, version), &bytes);
        let mut changed = fs::read(&path).unwrap();
        let manifest = fixture::place_of(&changed, miniclaw_plugin_api::manifest::MANIFEST_SYMBOL);
        let at = manifest + offset_of!(RawManifest, name);
        changed[at..at + name.len()].copy_from_slice(name.as_bytes());
        fs::write(&path, changed).unwrap();
        path
    }

    fn install(&self, source: &Path, force: bool) -> Result<(String, Change), String> {
        let (folder, loader) = (self.folder(), &self.loader);
        let installer = Installer {
            folder: &folder,
            loader,
            force,
        };
        match installer.install(source) {
            Ok(installed) => {
                let name = installed.file.file_name().unwrap().to_str().unwrap();
                assert_eq!(load::sha256(&installed.file).unwrap(), installed.sha256);
                Ok((name.to_owned(), installed.change))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn replaced(version: &str) -> Change {
    Change::Replaced {
        version: Some(version.into()),
    }
}

#[test]
fn a_library_is_installed_with_its_signature_for_its_owner_to_write() {
    let world = World::new();
    let source = world.library("libx.so", "echo-channel", "0.1.0");
    assert_eq!(world.install(&source, false), Ok(("libx.so".into(), Change::New)));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.folder()), 0o700);
    assert_eq!(mode(&world.folder().join("libx.so")), 0o644);
    assert_eq!(
        world.install(&source, false),
        Ok(("libx.so".into(), Change::Same))
    );

    fs::write(world.top.path().join("libx.so.minisig"), "signature").unwrap();
    assert_eq!(
        world.install(&source, false),
        Ok(("libx.so".into(), Change::Signature))
    );
    assert_eq!(
        world.install(&source, false),
        Ok(("libx.so".into(), Change::Same))
    );
    assert_eq!(world.listing(), ["libx.so", "libx.so.minisig"]);
    assert_eq!(mode(&world.folder().join("libx.so.minisig")), 0o644);

    // The signature of another version would only mislead.
    let unsigned = world.library("new.so", "echo-channel", "0.2.0");
    assert_eq!(
        world.install(&unsigned, false),
        Ok(("libx.so".into(), replaced("0.1.0")))
    );
    assert_eq!(world.listing(), ["libx.so"]);
}

#[test]
fn the_same_plugin_gives_way_to_a_newer_version_and_to_an_older_one_by_force() {
    let world = World::new();
    let old = world.library("old.so", "echo-channel", "0.9.0");
    let new = world.library("new.so", "echo-channel", "0.10.0");
    assert_eq!(world.install(&old, false), Ok(("old.so".into(), Change::New)));
    assert_eq!(
        world.install(&new, false),
        Ok(("old.so".into(), replaced("0.9.0")))
    );
    let line = world.install(&old, false).unwrap_err();
    assert!(
        line.contains("0.9.0 is older than 0.10.0") && line.contains("--force"),
        "{line}"
    );
    assert_eq!(
        world.install(&old, true),
        Ok(("old.so".into(), replaced("0.10.0")))
    );
    assert_eq!(world.listing(), ["old.so"]);
}

#[test]
fn the_file_of_another_plugin_stays() {
    let world = World::new();
    let first = world.library("libx.so", "echo-channel", "0.1.0");
    world.install(&first, false).unwrap();
    let second = world.library("libx.so", "echo-chamber", "0.1.0");
    let own_name = "libecho_chamber.so".to_owned();
    assert_eq!(world.install(&second, false), Ok((own_name, Change::New)));
    assert_eq!(world.listing(), ["libecho_chamber.so", "libx.so"]);

    fs::write(world.folder().join("liby.so"), "broken").unwrap();
    let third = world.library("liby.so", "echo-charmer", "0.1.0");
    let line = world.install(&third, false).unwrap_err();
    assert!(
        line.contains("liby.so is there already and is no plugin"),
        "{line}"
    );
    let forced = Change::Replaced { version: None };
    assert_eq!(world.install(&third, true), Ok(("liby.so".into(), forced)));
}

#[test]
fn a_name_without_so_becomes_one_that_is_found() {
    let world = World::new();
    let source = world.library("download.bin", "echo-channel", "0.1.0");
    let found = "libecho_channel.so".to_owned();
    assert_eq!(world.install(&source, false), Ok((found, Change::New)));
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let world = World::new();
    let good = world.library("libx.so", "echo-channel", "0.1.0");
    world.install(&good, false).unwrap();
    let before = fs::read(world.folder().join("libx.so")).unwrap();
    let crashing = world.top.path().join("crash.so");
    fs::write(&crashing, fixture::with_garbage_for_code()).unwrap();
    let line = world.install(&crashing, true).unwrap_err();
    assert!(line.contains("crashed a trial load"), "{line}");
    fs::write(&crashing, "nothing").unwrap();
    assert!(world.install(&crashing, true).unwrap_err().contains("not an ELF"));
    assert_eq!(world.listing(), ["libx.so"]);
    assert_eq!(fs::read(world.folder().join("libx.so")).unwrap(), before);
}

#[test]
fn a_folder_that_others_can_write_gets_nothing() {
    let world = World::new();
    let source = world.library("libx.so", "echo-channel", "0.1.0");
    fs::create_dir(world.folder()).unwrap();
    fs::set_permissions(world.folder(), Permissions::from_mode(0o777)).unwrap();
    let line = world.install(&source, true).unwrap_err();
    assert!(
        line.contains("is not safe") && line.contains("chmod go-w"),
        "{line}"
    );
    assert!(world.listing().is_empty());
}

#[test]
fn leftovers_of_dead_processes_are_swept_and_a_failed_rename_leaves_none() {
    let world = World::new();
    let source = world.library("libx.so", "echo-channel", "0.1.0");
    fs::create_dir_all(world.folder().join("libx.so")).unwrap();
    fs::set_permissions(world.folder(), Permissions::from_mode(0o700)).unwrap();
    // No process has this number: it is above the kernel's limit.
    fs::write(
        world.folder().join(".miniclaw-unfinished-4194305-libx.so"),
        "half",
    )
    .unwrap();
    let line = world.install(&source, true).unwrap_err();
    assert!(line.contains("cannot write"), "{line}");
    assert_eq!(world.listing(), ["libx.so"]);
}

#[test]
fn removal_takes_library_and_signature_and_of_a_link_the_link_alone() {
    let world = World::new();
    let source = world.library("libx.so", "echo-channel", "0.1.0");
    fs::write(world.top.path().join("libx.so.minisig"), "signature").unwrap();
    world.install(&source, false).unwrap();
    assert_eq!(remove(&world.folder().join("libx.so")).unwrap().len(), 2);
    assert!(world.listing().is_empty());
    std::os::unix::fs::symlink(&source, world.folder().join("libx.so")).unwrap();
    assert_eq!(remove(&world.folder().join("libx.so")).unwrap().len(), 1);
    assert!(source.exists());
}

#[test]
fn versions_are_compared_as_numbers() {
    assert!(is_older("0.9.0", "0.10.0") && is_older("1.2", "1.2.1"));
    assert!(!is_older("0.10.0", "0.9.0") && !is_older("1.0.0", "1.0.0"));
    assert!(!is_older("1.0.0-beta", "2.0.0"));
}
