use std::fs;
use std::mem::offset_of;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::manifest::RawManifest;
use miniclaw_plugin_api::{
    Account, Channel, Context, Inbox, Manifest, OutboundMessage, Result as PluginResult, Sent, Stop,
    builtin_plugin,
};

use super::*;
use crate::plugins::fixture;

struct StandIn;

impl Channel for StandIn {
    const MANIFEST: Manifest = Manifest::new("echo-channel", "7.0.0");
    type Config = serde_json::Value;

    async fn create(_: Self::Config, _: Context) -> PluginResult<Self> {
        Ok(Self)
    }
    async fn start(&self) -> PluginResult<Account> {
        Ok(Account::default())
    }
    async fn receive(&self, _: Inbox, _: Stop) -> PluginResult<()> {
        Ok(())
    }
    async fn send(&self, _: OutboundMessage) -> PluginResult<Sent> {
        Ok(Sent::default())
    }
}

fn stand_in() -> Vec<Builtin> {
    vec![Builtin::new(builtin_plugin!(channel: StandIn)).unwrap()]
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn search(builtins: Vec<Builtin>, folders: &[&tempfile::TempDir]) -> Catalog {
    let paths: Vec<PathBuf> = folders.iter().map(|folder| folder.path().to_owned()).collect();
    find_among(builtins, &paths).unwrap()
}

fn state(catalog: &Catalog, index: usize) -> &State {
    &catalog.entries[index].state
}

#[test]
fn an_empty_folder_is_fine_and_a_missing_one_is_named() {
    let empty = folder();
    assert!(search(Vec::new(), &[&empty]).entries.is_empty());
    let missing = empty.path().join("nowhere");
    let error = find(std::slice::from_ref(&missing)).err().unwrap().to_string();
    assert_eq!(
        error,
        format!(
            "plugin directory {} does not exist; create it, or take it out of `plugins.paths`, --plugins or MINICLAW_PLUGINS",
            missing.display()
        )
    );
}

#[test]
fn a_library_takes_the_place_of_a_built_in_of_its_name() {
    let builtin_only = search(stand_in(), &[]);
    assert!(matches!(
        builtin_only.lookup("echo-channel"),
        Ok(Found::Builtin(_))
    ));
    let folder = folder();
    symlink(fixture::library(), folder.path().join("libecho.so")).unwrap();
    let catalog = search(stand_in(), &[&folder]);
    assert!(matches!(catalog.lookup("echo-channel"), Ok(Found::Library(_))));
    let by = folder.path().join("libecho.so");
    assert_eq!(state(&catalog, 0), &State::Replaced { by });
    assert_eq!(state(&catalog, 1), &State::Available);
}

#[test]
fn of_two_libraries_of_one_name_the_first_folder_and_then_the_first_file_wins() {
    let (first, second) = (folder(), folder());
    for (folder, name) in [(&second, "a.so"), (&first, "z.so"), (&first, "y.so")] {
        symlink(fixture::library(), folder.path().join(name)).unwrap();
    }
    let catalog = search(Vec::new(), &[&first, &second]);
    let winner = first.path().join("y.so");
    assert_eq!(catalog.entries[0].path(), Some(winner.as_path()));
    let shadowed = State::Shadowed { by: winner };
    assert_eq!((state(&catalog, 1), state(&catalog, 2)), (&shadowed, &shadowed));
}

#[test]
fn files_that_are_no_plugins_are_kept_with_their_line_and_the_rest_is_found() {
    let folder = folder();
    fs::write(folder.path().join("bad.so"), "no library").unwrap();
    fs::write(folder.path().join("notes.txt"), "not looked at").unwrap();
    fs::create_dir(folder.path().join("dir.so")).unwrap();
    symlink(fixture::library(), folder.path().join("good.so")).unwrap();
    let catalog = search(Vec::new(), &[&folder]);
    let lines: Vec<String> = catalog.refusals().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].ends_with("bad.so: it is not an ELF library"),
        "{}",
        lines[0]
    );
    assert!(catalog.lookup("echo-channel").is_ok());
}

#[test]
fn an_unknown_name_gets_every_place_and_the_nearest_name() {
    let folder = folder();
    symlink(fixture::library(), folder.path().join("good.so")).unwrap();
    fs::write(folder.path().join("libirc.so"), "").unwrap();
    let catalog = search(Vec::new(), &[&folder]);
    let line = |name| catalog.lookup(name).err().unwrap().to_string();
    let place = folder.path().display();
    assert_eq!(
        line("ecko-channel"),
        format!(
            "no plugin is called `ecko-channel`; looked among the built-in plugins and in {place}; did you mean `echo-channel`?"
        )
    );
    assert!(
        line("matrix").ends_with("; `miniclaw plugin list` shows what there is"),
        "{}",
        line("matrix")
    );
    assert!(
        line("irc").ends_with("libirc.so: it is not an ELF library"),
        "{}",
        line("irc")
    );
}

#[test]
fn what_others_could_have_written_is_refused() {
    let folder = folder();
    let file = folder.path().join("lib.so");
    fs::write(&file, fixture::bytes()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let catalog = search(Vec::new(), &[&folder]);
    let line = catalog.refusals().next().unwrap().to_string();
    assert!(
        line.contains("lib.so is writable by others than its owner; run `chmod go-w "),
        "{line}"
    );
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = find(&[folder.path().to_owned()]).err().unwrap().to_string();
    assert!(error.contains(" is not safe: "), "{error}");
}

#[test]
fn a_thousand_bad_files_are_refused_one_by_one_and_quickly() {
    let folder = folder();
    let real = fixture::bytes();
    let template = folder.path().join("template");
    fixture::with_manifest(&template, offset_of!(RawManifest, api), &[9]);
    for index in 0..1000 {
        let path = folder.path().join(format!("{index:04}.so"));
        match index % 4 {
            0 => fs::write(&path, &real[..index * 8]).unwrap(),
            1 => fs::write(&path, index.to_string()).unwrap(),
            2 => fs::hard_link(&template, &path).unwrap(),
            _ => symlink("/nowhere", &path).unwrap(),
        }
    }
    let started = Instant::now();
    let catalog = search(Vec::new(), &[&folder]);
    let elapsed = started.elapsed();
    assert_eq!(catalog.refusals().count(), 1000);
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}
