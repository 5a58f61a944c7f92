mod compat;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use abi_stable::sabi_trait::TD_Opaque;
use miniclaw_plugin_api::abi::{Birth, HostApi, HostApi_TO, LogRecord, Payload, Reply, method};

use super::*;
use crate::plugins::fixture;

/// Makes the test binary answer `plugin-probe FILE` as the real one does, before the test harness sees it.
#[used]
#[unsafe(link_section = ".init_array")]
static ANSWER_PROBE: extern "C" fn() = {
    extern "C" fn answer() {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_some_and(|command| command == "plugin-probe") {
            let file = arguments.next().unwrap_or_default();
            let failed = probe(Path::new(&file)) != 0;
            std::process::exit(i32::from(failed));
        }
    }
    answer
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn inspected() -> Inspected {
    inspect::inspect(fixture::library()).unwrap()
}

fn never() -> Probe {
    Probe::command("/bin/false", &[], Duration::from_secs(5))
}

fn shell(script: &str, deadline: Duration) -> Probe {
    Probe::command("/bin/sh", &["-c", script], deadline)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_real_library_is_loaded_from_a_private_copy() {
    let folder = folder();
    let cache = folder.path().join("state/cache");
    let loader = Loader::new(cache.clone(), TrustPolicy::default());
    let loaded = loader.load(&inspected()).unwrap();
    assert_eq!(loaded.sha256, sha256(fixture::library()).unwrap());
    let copy = cache.join(format!("{}.so", loaded.sha256));
    assert_eq!((mode(&cache), mode(&copy)), (0o700, 0o500));
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains(copy.to_str().unwrap()));
    assert!(!maps.contains(fixture::library().to_str().unwrap()));
}

/// Collects what an instance answers.
struct Answers(std::sync::mpsc::Sender<(u64, bool)>);

impl HostApi for Answers {
    fn request(&self, _: u64, _: u64, _: u32, _: Payload) {}
    fn done(&self, op: u64, reply: Reply) {
        self.0.send((op, reply.is_ok())).expect("the test waits");
    }
    fn log(&self, _: LogRecord) {}
    fn notify(&self, _: u32, _: Payload) {}
}

#[test]
fn a_loaded_library_answers_calls() {
    let folder = folder();
    let loaded = Loader::new(folder.path().to_owned(), TrustPolicy::default())
        .load(&inspected())
        .unwrap();
    let (sender, answers) = std::sync::mpsc::channel();
    let birth = Birth {
        instance: "test".into(),
        settings: "{}".into(),
        log_level: 0,
        meta: "{}".into(),
    };
    let host = HostApi_TO::from_value(Answers(sender), TD_Opaque);
    let plugin = (loaded.root.instantiate())(birth, host)
        .into_result()
        .unwrap_or_else(|_| panic!("no instance"));
    for (op, number) in [(1, method::CREATE), (2, method::START), (3, method::MODELS)] {
        plugin.call(op, number, Payload::default());
        let answer = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(answer, (op, number != method::MODELS));
    }
}

#[test]
fn the_same_content_is_the_same_module_and_needs_one_trial() {
    let folder = folder();
    let cache = folder.path().to_owned();
    let loader = Loader::new(cache.clone(), TrustPolicy::default());
    let first = loader.load(&inspected()).unwrap();
    let elsewhere = folder.path().join("renamed.so");
    fs::copy(fixture::library(), &elsewhere).unwrap();
    let second = loader.load(&inspect::inspect(&elsewhere).unwrap()).unwrap();
    assert!(std::ptr::fn_addr_eq(
        first.root.instantiate(),
        second.root.instantiate()
    ));
    let next_start = Loader::with_probe(cache.clone(), TrustPolicy::default(), never());
    assert!(next_start.load(&inspected()).is_ok());
    fs::remove_file(cache.join(format!("{}.ok", first.sha256))).unwrap();
    let unproven = Loader::with_probe(cache, TrustPolicy::default(), never());
    assert!(unproven.load(&inspected()).is_err());
}

#[test]
fn a_copy_that_was_tampered_with_is_made_again() {
    let folder = folder();
    let loader = Loader::new(folder.path().to_owned(), TrustPolicy::default());
    let digest = sha256(fixture::library()).unwrap();
    let copy = folder.path().join(format!("{digest}.so"));
    fs::write(&copy, "something else").unwrap();
    loader.load(&inspected()).unwrap();
    assert_eq!(sha256(&copy).unwrap(), digest);
}

#[test]
fn a_file_that_changed_after_the_inspection_is_refused() {
    let folder = folder();
    let path = folder.path().join("lib.so");
    fs::copy(fixture::library(), &path).unwrap();
    let inspected = inspect::inspect(&path).unwrap();
    let version = std::mem::offset_of!(RawManifest, version);
    fixture::with_manifest(&path, version, b"6.6.6\0");
    let line = Loader::new(folder.path().join("cache"), TrustPolicy::default())
        .load(&inspected)
        .err()
        .unwrap()
        .to_string();
    assert!(
        line.ends_with("it changed while it was being loaded; try again"),
        "{line}"
    );
}

#[test]
fn a_library_whose_code_is_garbage_kills_the_trial_and_not_us() {
    let folder = folder();
    let path = folder.path().join("lib.so");
    fs::write(&path, fixture::with_garbage_for_code()).unwrap();
    let inspected = inspect::inspect(&path).unwrap();
    let loader = Loader::new(folder.path().join("cache"), TrustPolicy::default());
    let line = loader.load(&inspected).err().unwrap().to_string();
    assert!(
        line.contains("the library crashed a trial load (signal "),
        "{line}"
    );
    assert!(
        line.starts_with("cannot load plugin `echo-channel` from "),
        "{line}"
    );
}

#[test]
fn a_trial_that_crashes_hangs_or_complains_is_one_line() {
    let long = Duration::from_secs(20);
    let line = |script: &str, deadline| {
        let folder = folder();
        let loader = Loader::with_probe(
            folder.path().to_owned(),
            TrustPolicy::default(),
            shell(script, deadline),
        );
        loader.load(&inspected()).err().unwrap().to_string()
    };
    let crash = line("kill -SEGV $$", long);
    assert!(
        crash.ends_with("the library crashed a trial load (signal 11)"),
        "{crash}"
    );
    let hang = line("exec sleep 600", Duration::from_millis(50));
    assert!(hang.ends_with("did not finish a trial load within 0 s"), "{hang}");
    let said = line("echo one; echo 'no\x1b[2J good'; exit 1", long);
    assert!(said.ends_with("the trial load said: no\\u{1b}[2J good"), "{said}");
    let complained = line("echo oops >&2; exit 101", long);
    assert!(complained.ends_with("the trial load said: oops"), "{complained}");
    let mute = line("exit 7", long);
    assert!(mute.ends_with("crashed a trial load (exit status: 7)"), "{mute}");
    let flood = line("yes", Duration::from_millis(200));
    assert!(flood.contains("did not finish"), "{flood}");
    let clean = line("test -z \"$HOME$PATH_INFO$CARGO\" && exit 3; exit 4", long);
    assert!(clean.ends_with("(exit status: 3)"), "{clean}");
}

#[test]
fn the_trial_says_why_a_library_does_not_load() {
    let folder = folder();
    let path = folder.path().join("lib.so");
    fs::write(&path, "nothing").unwrap();
    let reason = Probe::own_binary().run(&path).unwrap_err().to_string();
    assert_eq!(reason, "the trial load said: it is not an ELF library");
}

#[test]
fn pruning_keeps_what_is_loaded() {
    let folder = folder();
    let loader = Loader::new(folder.path().to_owned(), TrustPolicy::default());
    let loaded = loader.load(&inspected()).unwrap();
    for old in ["0123.so", "0123.ok", "77.tmp"] {
        fs::write(folder.path().join(old), "").unwrap();
    }
    loader.prune();
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        [format!("{}.ok", loaded.sha256), format!("{}.so", loaded.sha256)]
    );
}
