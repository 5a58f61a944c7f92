//! The control socket and what speaks to it.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use miniclaw_tests::chance::Chance;
use miniclaw_tests::terminal::Terminal;
use miniclaw_tests::{Command, DEADLINE, until};
use serde_json::{Value, json};

use crate::setup::World;

fn connect(world: &World) -> UnixStream {
    let stream = UnixStream::connect(world.home.miniclaw().join("state/control.sock")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Everything that is answered to these bytes, behind which nothing comes.
fn answers(world: &World, bytes: &[u8]) -> String {
    let mut stream = connect(world);
    // It may refuse before it has read all of it.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut text = Vec::new();
    // So that the rest of what was sent is lost.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

fn status(world: &World) -> Value {
    let asked = Command::new(&world.home, &["status", "--json"]).run();
    serde_json::from_str(&asked.expect_code(0).stdout).unwrap()
}

/// A request that no gateway may do anything for.
fn hostile(chance: &mut Chance, kind: u64) -> Vec<u8> {
    let number = chance.below(1_000_000);
    let binary = |chance: &mut Chance| -> Vec<u8> {
        let length = 1 + chance.below(300);
        (0..length)
            .map(|_| u8::try_from(chance.below(256)).unwrap())
            .collect()
    };
    match kind {
        0 => format!("{{\"v\":{},\"op\":\"status\"}}\n", 2 + number).into_bytes(),
        1 => format!("{{\"v\":-{number},\"op\":\"stop\"}}\n").into_bytes(),
        2 => format!("{{\"v\":1,\"op\":\"op{number}\"}}\n").into_bytes(),
        3 => b"{\"v\":1,\"op\":\"stop\"}".to_vec(),
        4 => {
            let mut bytes = binary(chance);
            bytes.retain(|byte| *byte != b'\n');
            bytes.extend_from_slice(b"\xff\n");
            bytes
        }
        5 => format!(
            "{{\"v\":1,\"op\":{}\n",
            "[".repeat(200 + usize::try_from(number).unwrap() % 50_000)
        )
        .into_bytes(),
        6 => format!("{{\"v\":1,\"op\":\"status\",\"x\":{}\n", "{\"a\":".repeat(1_000)).into_bytes(),
        7 => {
            let wrong = [
                r#"{"v":"1","op":"stop"}"#,
                r#"{"v":1,"op":["stop"]}"#,
                r#"{"v":1,"op":null}"#,
                r#"{"v":1}"#,
                r#"{"op":"stop"}"#,
                r#"[1,"stop"]"#,
                r#""stop""#,
                "7",
                "null",
                "",
                r#"{"v":1,"op":"queue.drop","id":"1"}"#,
                r#"{"v":1,"op":"queue.drop","id":-1}"#,
                r#"{"v":1,"op":"queue.drop","id":1e99}"#,
                r#"{"v":1,"op":"sessions.delete","key":7}"#,
                r#"{"v":1,"op":"tap","text":"yes"}"#,
                r#"{"v":1,"op":"logs.follow","level":256}"#,
                r#"{"v":1,"op":"logs.follow","lines":-1}"#,
                r#"{"v":1,"op":"pairing.decide","verdict":"root","code":"x"}"#,
                r#"{"v":1.5,"op":"stop"}"#,
            ];
            format!("{}\n", wrong[usize::try_from(number).unwrap() % wrong.len()]).into_bytes()
        }
        8 => {
            let mut bytes = format!("{{\"v\":1,\"op\":\"send\",\"text\":\"{number}").into_bytes();
            bytes.resize(300 * 1024, b'x');
            bytes
        }
        _ => {
            let mut whole = b"{\"v\":1,\"op\":\"stop\"}".to_vec();
            whole.truncate(1 + usize::try_from(number).unwrap() % (whole.len() - 1));
            whole.push(b'\n');
            whole
        }
    }
}

#[test]
fn hostile_requests_are_refused_and_the_gateway_goes_on_answering() {
    let world = World::new();
    let gateway = world.start();
    let mut chance = Chance::seeded(6);
    let mut refused = 0;
    for index in 0..1_200 {
        let request = hostile(&mut chance, index % 10);
        let told = answers(&world, &request);
        for line in told.lines() {
            let answer: Value = serde_json::from_str(line).unwrap();
            assert!(
                answer["v"] == 1 && answer["error"].is_string() && answer.get("ok").is_none(),
                "{line} to {}",
                String::from_utf8_lossy(&request[..request.len().min(200)])
            );
            refused += 1;
        }
    }
    assert!(refused >= 1_150, "{refused} were refused in words");
    assert_eq!(status(&world)["pid"], gateway.pid());
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn another_user_is_not_answered_even_where_the_modes_let_it_in() {
    // Nobody else can become another user; the rule itself has a test beside it.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new();
    let gateway = world.start();
    let state = world.home.miniclaw().join("state");
    let socket = state.join("control.sock");
    let open = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for folder in [world.home.root(), &world.home.miniclaw(), &state] {
        open(folder, 0o755);
    }
    open(&socket, 0o666);
    let asking = std::thread::spawn(move || {
        // Of this thread alone.
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        // It may be refused before it has spoken.
        let _ = stream.write_all(b"{\"v\":1,\"op\":\"stop\"}\n");
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told);
        told
    });
    let told = asking.join().unwrap();
    assert!(told.contains("answers user 0 and root alone"), "{told}");
    assert_eq!(status(&world)["pid"], gateway.pid());
    gateway.wait_for_line("of another user refused");
    gateway.stop().expect_code(0);
}

#[test]
fn who_sends_slowly_keeps_nobody_from_being_answered() {
    let world = World::new();
    let gateway = world.start();
    let slow: Vec<UnixStream> = (0..60)
        .map(|_| {
            let mut stream = connect(&world);
            stream.write_all(b"{\"v\":1,").unwrap();
            stream
        })
        .collect();
    assert_eq!(status(&world)["pid"], gateway.pid());
    // One that nobody waits behind has its time.
    let mut alone = connect(&world);
    alone.write_all(b"{\"v\":1,").unwrap();
    std::thread::sleep(Duration::from_secs(1));
    alone.write_all(b"\"op\":\"status\"}\n").unwrap();
    assert_eq!(next(&mut BufReader::new(alone))["ok"]["pid"], gateway.pid());
    drop(slow);
    gateway.stop().expect_code(0);
}

fn stream(world: &World, request: &Value) -> BufReader<UnixStream> {
    let mut stream = connect(world);
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    BufReader::new(stream)
}

fn next(stream: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in `{line}`"))
}

#[test]
fn streams_have_places_of_their_own_which_who_hangs_up_gives_back() {
    let world = World::new();
    let gateway = world.start();
    let tap = json!({ "v": 1, "op": "tap" });
    let mut streams: Vec<_> = (0..8).map(|_| stream(&world, &tap)).collect();
    for stream in &mut streams {
        assert_eq!(next(stream)["event"]["kind"], "begun");
    }
    let refused = next(&mut stream(&world, &tap));
    let error = refused["error"].as_str().unwrap();
    assert!(error.contains("8 streams are open already"), "{error}");
    assert_eq!(status(&world)["pid"], gateway.pid());
    drop(streams.pop());
    until("a place", || {
        next(&mut stream(&world, &tap)).get("event").is_some()
    });
    gateway.stop().expect_code(0);
    for stream in &mut streams {
        let mut last = Value::Null;
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap() > 0 {
            last = serde_json::from_str(&line).unwrap();
            line.clear();
        }
        assert_eq!(
            last,
            json!({ "v": 1, "ok": { "reason": "stopped", "complete": true } })
        );
    }
}

#[test]
fn who_reads_nothing_loses_events_and_is_told_how_many() {
    let world = World::new();
    let gateway = world.start();
    let mut lazy = stream(&world, &json!({ "v": 1, "op": "tap", "text": true }));
    assert_eq!(next(&mut lazy)["event"]["kind"], "begun");
    world.flood(100..160, 10);
    world.wait_for_flood(100..160, 10);
    let (mut heard, mut dropped) = (0, 0);
    gateway.terminate();
    loop {
        let line = next(&mut lazy);
        match line["event"]["kind"].as_str() {
            Some(kind) => {
                assert_eq!(kind, "dropped");
                dropped += line["event"]["count"].as_u64().unwrap();
            }
            None if line.get("ok").is_some() => break,
            None => heard += 1,
        }
    }
    gateway.wait().expect_code(0);
    assert!(dropped > 0 && heard >= 1_000, "{heard} heard, {dropped} dropped");
    assert!(heard + dropped >= 600 * 7, "{heard} heard, {dropped} dropped");
}

#[test]
fn a_stop_answers_what_waits_and_ends_with_the_process() {
    let world = World::new();
    let gateway = world.start();
    world.model.set_delay(Duration::from_millis(300));
    world.telegram.inject(7, crate::setup::USER, "hi");
    world.model.wait_for_requests(1);
    let stopped = Command::new(&world.home, &["stop", "--json"]).run();
    let told: Value = serde_json::from_str(&stopped.expect_code(0).stdout).unwrap();
    assert_eq!(told, json!({ "stopped": true, "complete": true }));
    let finished = gateway.wait();
    assert!(
        finished
            .expect_code(0)
            .stderr
            .contains("the operator asked for it"),
        "{}",
        finished.stderr
    );
    assert_eq!(world.telegram.sent_to(7).len(), 1);
    let again = Command::new(&world.home, &["stop"]).run();
    assert!(again.expect_code(69).stderr.contains("no gateway runs on"));
}

#[test]
fn a_stop_that_leaves_something_or_takes_too_long_says_so_with_1() {
    let world = World::new();
    world.model.hold();
    let gateway = miniclaw_tests::Gateway::start(&world.home, &["--shutdown-timeout", "3s"]);
    world.telegram.inject(7, crate::setup::USER, "hi");
    world.model.wait_for_requests(1);
    let hasty = Command::new(&world.home, &["stop", "--timeout", "200ms"]).run();
    let error = &hasty.expect_code(1).stderr;
    assert!(error.contains("has not ended within 200ms"), "{error}");
    let stopped = Command::new(&world.home, &["stop"]).run();
    let error = &stopped.expect_code(1).stderr;
    assert!(error.contains("left something for its next start"), "{error}");
    gateway.wait().expect_code(143);
}

#[test]
fn what_needs_a_gateway_says_with_69_that_there_is_none() {
    let world = World::new();
    let commands: [&[&str]; 10] = [
        &["status"],
        &["status", "--watch"],
        &["logs"],
        &["logs", "-f"],
        &["tap"],
        &["stop"],
        &["send", "--channel", "telegram", "--to", "7", "hi"],
        &["plugin", "reload", "telegram"],
        &["stop", "--json"],
        &["web"],
    ];
    for command in commands {
        let finished = Command::new(&world.home, command).run();
        let error = &finished.expect_code(69).stderr;
        assert!(error.contains("no gateway runs on"), "{command:?}: {error}");
    }
}

#[test]
fn a_running_gateway_is_reached_beside_a_broken_configuration() {
    let world = World::new();
    let gateway = world.start();
    let good = std::fs::read_to_string(world.home.config()).unwrap();
    world.home.write_config("{ \"chanels\": ");
    let reached = |arguments: &[&str], told: &str| {
        let finished = Command::new(&world.home, arguments).run();
        let (out, error) = (&finished.expect_code(0).stdout, &finished.stderr);
        assert!(out.contains(told), "{arguments:?}: {out}");
        assert!(
            error.contains("warning: the configuration cannot be used") && error.contains("config.json"),
            "{error}"
        );
    };
    reached(&["status"], "channel telegram: running");
    reached(&["logs"], "Plugin running");
    reached(&["plugin", "list"], "telegram");
    reached(&["plugin", "disable", "telegram"], "disabled");
    reached(&["plugin", "enable", "telegram"], "running");
    reached(&["plugin", "reload", "telegram"], "running");
    reached(&["stop"], "the gateway has stopped");
    gateway.wait().expect_code(0);
    let alone = Command::new(&world.home, &["plugin", "enable", "telegram"]).run();
    assert!(
        alone.expect_code(78).stderr.contains("config.json"),
        "{}",
        alone.stderr
    );
    let nobody = Command::new(&world.home, &["status"]).run();
    assert!(nobody.expect_code(69).stderr.contains("no gateway runs on"));
    world.home.write_config(&good);
}

#[test]
fn a_status_is_watched_through_the_end_of_the_gateway() {
    let world = World::new();
    let gateway = world.start();
    let lines = Command::new(&world.home, &["status", "--watch", "0.1", "--json"]).start();
    let blocks = Command::new(&world.home, &["status", "--watch", "0.1"]).start();
    until("two blocks", || {
        blocks.stdout().matches("channel telegram: ").count() >= 2
    });
    until("two lines", || lines.stdout().lines().count() >= 2);
    gateway.stop().expect_code(0);
    until("the end in blocks", || {
        blocks.stdout().contains("\n\nno gateway runs on ")
    });
    until("the end in lines", || {
        lines.stdout().contains("\n{\"running\":false}")
    });
    assert!(blocks.stdout().contains("\n\nminiclaw "), "{}", blocks.stdout());
    assert!(!blocks.stdout().contains('\u{1b}'));
    for line in lines.stdout().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    lines.interrupt();
    blocks.interrupt();
    assert_eq!((lines.wait().code(), blocks.wait().code()), (130, 130));
}

#[test]
fn a_watched_status_stays_in_place_on_a_terminal() {
    let world = World::new();
    let gateway = world.start();
    let mut terminal = Terminal::start(&world.home, &["status", "--watch", "0.1"]);
    for _ in 0..3 {
        terminal.wait_for("\u{1b}[H\u{1b}[2J");
        terminal.wait_for("channel telegram: running");
    }
    terminal.press(3);
    assert_eq!(terminal.wait().0, 130);
    gateway.stop().expect_code(0);
}
