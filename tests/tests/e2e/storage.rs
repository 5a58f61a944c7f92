//! What a disk, a clock and the kernel's limits can do. Some of it needs root, mount namespaces or strace; a test
//! that finds them missing says so on stderr, past cargo's capture, and passes.

mod disk;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::gateway::make_folder;
use miniclaw_tests::http::Reply;
use miniclaw_tests::{Command, Gateway, build, until};
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

use crate::setup::{USER, World};

const NO_ROOM: &str = "takes no more messages";
const ROOM_AGAIN: &str = "takes messages again";

/// Says on the real stderr that something could not be checked here.
fn not_checked(what: &str, why: &str) {
    // cargo captures what the macros print, and shows it for failures alone.
    let _ = writeln!(std::io::stderr(), "NOT CHECKED: {what}: {why}");
}

fn state(world: &World) -> PathBuf {
    world.home.miniclaw().join("state")
}

fn spool(world: &World) -> PathBuf {
    state(world).join("spool.db")
}

/// Lets the gateway that ran last have seen the wall clock so many days before now, or after.
fn last_seen(world: &World, days_ago: i64) {
    let conn = Connection::open(spool(world)).unwrap();
    let moved = conn.execute("UPDATE meta SET wall_ms = wall_ms - ?1 * 86400000", [days_ago]);
    assert_eq!(moved, Ok(1));
}

#[test]
fn a_clock_that_jumps_by_years_between_two_starts_expires_no_session_and_no_message() {
    for days in [3_650, -3_650] {
        let world = World::new();
        let gateway = world.start();
        assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
        gateway.stop().expect_code(0);
        let gateway = world.start();
        world.model.hold();
        world.telegram.inject(8, USER, "are you there?");
        world.model.wait_for_in_flight(1);
        gateway.kill();
        let file = std::fs::File::open(world.home.session("telegram", 7)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(24 * 3_650))
            .unwrap();
        last_seen(&world, days);

        world.model.release();
        let gateway = world.start();
        gateway.wait_for_line("Sessions found");
        assert_eq!(world.say(7, "still?", 2), "re: still? [n=3]");
        world.telegram.wait_for_replies_to(8, 1);
        gateway.stop().expect_code(0);
        assert_eq!(world.telegram.sent_to(8).len(), 1);
    }
}

#[test]
fn a_damaged_spool_is_refused_by_name_and_not_touched() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "hi", 1);
    gateway.stop().expect_code(0);
    let mut bytes = std::fs::read(spool(&world)).unwrap();
    bytes[4_096..12_288].fill(0x55);
    std::fs::write(spool(&world), &bytes).unwrap();

    let finished = Command::new(&world.home, &["gateway"]).run();
    finished.expect_code(1);
    let named = finished.stderr.contains("spool.db") && finished.stderr.contains("damaged");
    assert!(named, "{}", finished.stderr);
    assert!(
        std::fs::read(spool(&world)).unwrap() == bytes,
        "the file was touched"
    );
}

/// The most files that a process may have open.
fn limit_files(gateway: &Gateway, current: u64) {
    let pid = Pid::from_raw(gateway.pid().try_into().unwrap());
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(current),
        maximum,
    };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

#[test]
fn a_gateway_without_file_descriptors_waits_and_goes_on_by_itself() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    // The two open connections to Telegram are lost, and no other one can be made.
    limit_files(&gateway, 4);
    world.telegram.on("*").times(2).close();
    world.telegram.inject(7, USER, "during");
    gateway.wait_for_line("Telegram does not answer");
    gateway.wait_for_line("Too many open files");
    limit_files(&gateway, 1_024);
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies[1].text, "re: during [n=3]");
    let finished = gateway.stop();
    finished.expect_code(0);
    assert!(!finished.stderr.contains(NO_ROOM), "{}", finished.stderr);
}

#[test]
fn a_turn_without_file_descriptors_is_answered_when_there_are_some_again() {
    let world = World::with(|config| config.with("/agent/retries", json!(20)));
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    limit_files(&gateway, 4);
    // Open connections to the model, of which the list of its models may have left a second one, end without an answer.
    world.model.fail(2, Fault::Answer(Reply::Close));
    world.telegram.inject(7, USER, "during");
    gateway.wait_for_lines("Provider is asked again", 2);
    limit_files(&gateway, 1_024);
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies[1].text, "re: during [n=3]");
    gateway.stop().expect_code(0);
}

#[test]
fn a_session_that_no_descriptor_is_left_to_read_is_read_later_and_its_turn_waits() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    gateway.stop().expect_code(0);
    let gateway = world.start();
    // The session is in its file alone now.
    limit_files(&gateway, 4);
    world.telegram.inject(7, USER, "during");
    gateway.wait_for_line("Session cannot be read yet");
    limit_files(&gateway, 1_024);
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies[1].text, "re: during [n=3]");
    gateway.stop().expect_code(0);
}
