//! Disks that are full or read-only, on a small tmpfs in a mount namespace of the gateway's own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};

use super::*;

const NO_STRACE: &str = "strace is missing or may not attach";

/// A small state folder; a script may do more to it before the gateway starts there.
const MOUNT: &str = r#"mount -t tmpfs -o size=2m,mode=0700 tmpfs "$HOME/.miniclaw/state""#;

/// Whether mount namespaces can be made here.
fn can_mount(what: &str) -> bool {
    let possible = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .stderr(Stdio::null())
        .status();
    let possible = possible.is_ok_and(|status| status.success());
    if !possible {
        not_checked(what, "no mount namespace can be made here; run it as root");
    }
    possible
}

/// Starts a gateway whose state folder is a tmpfs of 2 MiB, after `prepare`; nothing where that is not possible.
fn on_small_disk(world: &World, what: &str, prepare: &str) -> Option<Gateway> {
    if !can_mount(what) {
        return None;
    }
    make_folder(&state(world));
    let script = format!("{MOUNT} && {prepare} exec \"$0\" gateway");
    let binary = &build::artifacts().binary;
    let command = Command::of("/usr/bin/unshare", &world.home).args(&["-m", "/bin/sh", "-c", &script]);
    Some(command.arg(binary).start())
}

/// The state folder as the gateway sees it.
fn inside(world: &World, gateway: &Gateway) -> PathBuf {
    let path = state(world);
    let path = path.strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{}/root", gateway.pid())).join(path)
}

/// What `miniclaw status` prints beside the gateway, in its mount namespace.
fn status_of(world: &World, gateway: &Gateway) -> String {
    let pid = gateway.pid().to_string();
    let inside = Command::of("/usr/bin/nsenter", &world.home).args(&["-m", "-t", &pid]);
    let binary = build::artifacts().binary.to_str().unwrap();
    let asked = inside.args(&[binary, "status"]).run();
    asked.expect_code(0).stdout.clone()
}

/// Takes all room that is left.
fn fill(ballast: &std::path::Path) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(ballast)
        .unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn a_disk_that_fills_up_stops_intake_with_one_error_and_heals_by_itself() {
    // The large message fills a window of which nothing is known.
    let world = World::with(|config| config.with("/sessions/compaction", serde_json::json!(false)));
    let what = "a disk that fills up while the gateway runs";
    let Some(gateway) = on_small_disk(&world, what, "") else {
        return;
    };
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    world.model.hold();
    world.telegram.inject(8, USER, "a turn under way");
    world.model.wait_for_in_flight(1);
    until("its confirmation", || world.telegram.unconfirmed() == 0);
    let ballast = inside(&world, &gateway).join("ballast");
    fill(&ballast);

    let large = "x".repeat(8_000);
    world.telegram.inject(7, USER, &large);
    gateway.wait_for_line(NO_ROOM);
    world.model.release();
    // Several further attempts, which are not told of.
    let polls = world.telegram.ledger().polls.len();
    world.telegram.wait("further polls", |ledger| {
        (ledger.polls.len() >= polls + 2).then_some(())
    });
    assert!(gateway.is_running());
    assert_eq!(
        (world.telegram.sent_count(), world.telegram.unconfirmed()),
        (1, 1)
    );
    let told = status_of(&world, &gateway);
    assert!(
        told.contains("the disk of the state folder takes nothing (database or disk is full)"),
        "{told}"
    );

    std::fs::remove_file(&ballast).unwrap();
    gateway.wait_for_line(ROOM_AGAIN);
    assert!(!status_of(&world, &gateway).contains("takes nothing"));
    assert_eq!(
        world.telegram.wait_for_replies_to(8, 1)[0].text,
        "re: a turn under way [n=1]"
    );
    world.telegram.wait_for_replies_to(7, 3);
    assert_eq!(world.say(9, "after", 1), "re: after [n=1]");
    let finished = gateway.stop();
    finished.expect_code(0);
    assert_eq!(world.model.asked().len(), 4);
    assert_eq!(world.telegram.unconfirmed(), 0);
    assert_one_error(&finished.stderr);
}

#[test]
fn the_owner_is_told_of_a_full_disk_while_it_is_full_and_when_it_is_well_again() {
    const OWNER: i64 = 99;
    let world = World::with(|config| {
        config.with(
            "/alerts",
            serde_json::json!({ "channel": "telegram", "to": OWNER }),
        )
    });
    let what = "an alert of a disk that fills up";
    let Some(gateway) = on_small_disk(&world, what, "") else {
        return;
    };
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    let ballast = inside(&world, &gateway).join("ballast");
    fill(&ballast);
    world.telegram.inject(7, USER, &"x".repeat(8_000));
    gateway.wait_for_line(NO_ROOM);
    let alerts = world.telegram.wait_for_replies_to(OWNER, 1);
    assert!(
        alerts[0]
            .text
            .starts_with("miniclaw: the disk takes no messages: ")
            && ballast.exists(),
        "{alerts:?}"
    );
    std::fs::remove_file(&ballast).unwrap();
    let alerts = world.telegram.wait_for_replies_to(OWNER, 2);
    assert!(
        alerts[1]
            .text
            .starts_with("miniclaw: the disk takes messages again"),
        "{alerts:?}"
    );
    gateway.stop().expect_code(0);
}

#[track_caller]
fn assert_one_error(log: &str) {
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.len() == 1 && errors[0].contains(NO_ROOM), "{log}");
}

#[test]
fn a_full_disk_at_the_start_is_refused_with_the_reason() {
    let world = World::new();
    let filled = r#"{ dd if=/dev/zero of="$HOME/.miniclaw/state/ballast" bs=4k 2> /dev/null || true; } &&"#;
    let Some(gateway) = on_small_disk(&world, "a disk that is full at the start", filled) else {
        return;
    };
    let finished = gateway.wait();
    finished.expect_code(1);
    let told = finished.stderr.contains("state") && finished.stderr.contains("No space left");
    assert!(told, "{}", finished.stderr);
}

#[test]
fn a_limit_of_file_sizes_is_an_error_like_a_full_disk_and_no_death_by_a_signal() {
    let world = World::new();
    let limited = Command::of("/bin/sh", &world.home).args(&["-c", "ulimit -f 8 && exec \"$0\" gateway"]);
    let finished = limited.arg(&build::artifacts().binary).run();
    finished.expect_code(1);
    let told = finished.stderr.contains("cannot create it") && finished.stderr.contains("disk is full");
    assert!(told, "{}", finished.stderr);
}

#[test]
fn what_is_stored_can_be_looked_at_on_a_read_only_disk() {
    if !can_mount("a look at a read-only disk") {
        return;
    }
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
    let script = r#"mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" && exec "$0" "$@""#;
    let binary = build::artifacts().binary.to_str().unwrap();
    for (arguments, shown) in [
        (&["queue", "list"][..], "nothing waits"),
        (&["sessions", "list"], "telegram"),
        (&["sessions", "show", "telegram_7"], "re: hi"),
        (&["trace", "1"], "telegram"),
        (&["spool", "check"], "sound"),
    ] {
        let command =
            Command::of("/usr/bin/unshare", &world.home).args(&["-m", "/bin/sh", "-c", script, binary]);
        let ran = command.args(arguments).run();
        assert!(
            ran.expect_code(0).stdout.contains(shown),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[test]
fn a_read_only_disk_at_the_start_is_refused_with_the_reason() {
    let world = World::new();
    let read_only = r#"mount -o remount,ro "$HOME/.miniclaw/state" &&"#;
    let Some(gateway) = on_small_disk(&world, "a disk that is read-only at the start", read_only) else {
        return;
    };
    let finished = gateway.wait();
    finished.expect_code(1);
    let told = finished.stderr.contains("state") && finished.stderr.contains("Read-only file system");
    assert!(told, "{}", finished.stderr);
}

/// Makes calls of a running gateway on the log of its spool fail, until this is dropped.
struct Failing(Child);

impl Failing {
    /// Nothing where strace is missing or may not attach.
    fn attach(world: &World, gateway: &Gateway, calls: &str, error: &str) -> Option<Self> {
        let log = spool(world).with_extension("db-wal");
        let strace = std::process::Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-p", &gateway.pid().to_string()])
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error={error}")])
            .arg("-P")
            .arg(log)
            .stderr(Stdio::piped())
            .spawn();
        let mut strace = strace.ok()?;
        let mut lines = BufReader::new(strace.stderr.take()?);
        let failing = Self(strace);
        let mut line = String::new();
        // It says `Process 1 attached`, or why it cannot.
        lines.read_line(&mut line).ok()?;
        line.contains("attached").then_some(failing)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // It lets go of the gateway when it is asked to end, not when it is killed.
        let pid = Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_that_turns_read_only_stops_intake_with_one_error_and_heals_by_itself() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    // A remount would be refused: the kernel lets no disk become read-only while files on it are open for writing.
    let Some(read_only) = Failing::attach(&world, &gateway, "pwrite64,write", "EROFS") else {
        not_checked("a disk that turns read-only", NO_STRACE);
        return;
    };
    world.telegram.inject(7, USER, "during");
    gateway.wait_for_line(NO_ROOM);
    assert!(gateway.is_running());
    assert_eq!(
        (world.telegram.sent_count(), world.telegram.unconfirmed()),
        (1, 1)
    );
    drop(read_only);
    gateway.wait_for_line(ROOM_AGAIN);
    assert_eq!(
        world.telegram.wait_for_replies_to(7, 2)[1].text,
        "re: during [n=3]"
    );
    let finished = gateway.stop();
    finished.expect_code(0);
    assert_one_error(&finished.stderr);
}

#[test]
fn a_sync_that_fails_ends_the_gateway_with_status_1_and_acknowledges_nothing() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    let Some(failing) = Failing::attach(&world, &gateway, "fsync,fdatasync", "EIO") else {
        not_checked("a sync that fails", NO_STRACE);
        return;
    };
    world.telegram.inject(7, USER, "during");
    let finished = gateway.wait();
    drop(failing);
    finished.expect_code(1);
    assert!(
        finished.stderr.contains("cannot be trusted"),
        "{}",
        finished.stderr
    );
    assert_eq!(
        (world.telegram.sent_count(), world.telegram.unconfirmed()),
        (1, 1)
    );

    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies.last().unwrap().text, "re: during [n=3]");
    gateway.stop().expect_code(0);
}
