//! `miniclaw tap`.

use std::collections::BTreeSet;
use std::path::Path;

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::{Command, Gateway};
use serde_json::Value;

use crate::setup::{USER, World};

/// A stranger to the configuration.
const STRANGER: i64 = 666;

/// A tap that hears what happens from here on.
pub(crate) fn tap(world: &World, arguments: &[&str]) -> Gateway {
    let tap = Command::new(&world.home, &["tap"]).args(arguments).start();
    tap.wait_for_line("listening to the gateway");
    tap
}

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}

/// Waits for an event.
fn wait_for(tap: &Gateway, kind: &str) -> Value {
    let mut found = None;
    miniclaw_tests::until(kind, || {
        found = events(&tap.stdout())
            .into_iter()
            .find(|event| event["event"] == kind);
        found.is_some()
    });
    found.unwrap()
}

/// The events that docs/control.md describes.
fn described() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/control.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page
        .split("| event |")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let kinds = table.lines().skip(2).filter_map(|line| line.split('`').nth(1));
    kinds.map(str::to_owned).collect()
}

fn twice(id: i64) -> String {
    format!(
        "\"message\":{{\"message_id\":{id},\"from\":{{\"id\":{USER},\"is_bot\":false,\"first_name\":\"U\"}},\
         \"chat\":{{\"id\":7,\"type\":\"private\",\"first_name\":\"U\"}},\"date\":1790000000,\"text\":\"twice\"}}"
    )
}

#[test]
fn every_event_of_the_page_happens_and_no_other_one() {
    let world = World::with(|config| {
        let alerts = serde_json::json!({ "channel": "telegram", "to": "12" });
        config
            .with("/gateway/max_message_bytes", 1_000.into())
            .with("/alerts", alerts)
    });
    let gateway = world.start();
    let tap = tap(&world, &[]);
    world.say(7, "hello", 1);
    world.telegram.inject(8, STRANGER, "let me in");
    wait_for(&tap, "turned_away");
    world.telegram.inject(7, USER, &"long ".repeat(400));
    wait_for(&tap, "refused");
    world.telegram.inject_raw(&twice(9_000));
    world.telegram.inject_raw(&twice(9_000));
    wait_for(&tap, "duplicate");
    world.model.fail(1, Fault::status(500));
    world.telegram.inject(9, USER, "fails once");
    wait_for(&tap, "model_failed");
    world.telegram.wait_for_replies_to(9, 1);
    world
        .telegram
        .on("sendMessage")
        .chat(10)
        .times(1)
        .answer(Answer::bad_gateway());
    world.telegram.inject(10, USER, "is sent again");
    wait_for(&tap, "send_failed");
    world.telegram.wait_for_replies_to(10, 1);
    let blocked = Answer::error(403, "Forbidden: bot was blocked by the user");
    world.telegram.on("sendMessage").chat(11).answer(blocked);
    world.telegram.inject(11, USER, "cannot be sent");
    wait_for(&tap, "dead_letter");
    assert_eq!(wait_for(&tap, "alert")["channel"], "telegram");
    Command::new(&world.home, &["plugin", "disable", "telegram"])
        .run()
        .expect_code(0);
    wait_for(&tap, "state");
    gateway.hang_up();
    wait_for(&tap, "reload");
    gateway.stop().expect_code(0);
    let finished = tap.wait();
    assert!(
        finished.expect_code(0).stderr.contains("the gateway has stopped"),
        "{}",
        finished.stderr
    );
    let events = events(&finished.stdout);
    let mut seen: BTreeSet<String> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    // `who_reads_nothing_loses_events_and_is_told_how_many` makes this one.
    seen.insert("dropped".into());
    assert_eq!(seen, described());
    for event in &events {
        let at = event["at"].as_str().unwrap();
        assert!(
            at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T',
            "{event}"
        );
        assert!(event["text"].is_null(), "{event}");
    }
    for text in ["hello", "let me in", "twice", "re: "] {
        assert!(
            !finished.stdout.contains(text),
            "`{text}` in\n{}",
            finished.stdout
        );
    }
}

#[test]
fn a_message_is_followed_by_the_id_that_trace_takes() {
    let world = World::new();
    let gateway = world.start();
    let tap = tap(&world, &["--session", "telegram_7", "--text"]);
    world.say(8, "of another chat", 1);
    world.say(7, "hello there", 1);
    let sent = wait_for(&tap, "sent");
    gateway.stop().expect_code(0);
    let finished = tap.wait();
    let events = events(&finished.expect_code(0).stdout);
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    let way = [
        "received",
        "journaled",
        "turn_started",
        "model_asked",
        "model_answered",
        "turn_ended",
        "sent",
    ];
    assert_eq!(kinds, way);
    assert_eq!(events[0]["text"], "hello there");
    assert_eq!(sent["text"], "re: hello there [n=1]");
    assert_eq!(events[3]["provider"], "model");
    assert!(events[4]["usage"]["output"].as_u64().is_some(), "{}", events[4]);
    let id = sent["inbound"].as_u64().unwrap();
    assert!(
        events[1..]
            .iter()
            .all(|event| event["inbound"] == id && event["session"] == "telegram_7")
    );
    let traced = Command::new(&world.home, &["trace", &id.to_string(), "--json"]).run();
    let story: Value = serde_json::from_str(&traced.expect_code(0).stdout).unwrap();
    assert_eq!(story["session"], "telegram_7");
    assert_eq!(story["replies"][0]["id"], sent["outbound"]);
}

#[test]
fn secrets_are_scrubbed_of_texts_too() {
    let world = World::new();
    let gateway = world.start();
    let tap = tap(&world, &["--text"]);
    let secret = miniclaw_tests::fake_telegram::TOKEN;
    world.telegram.inject(7, USER, &format!("the token is {secret}"));
    wait_for(&tap, "sent");
    gateway.kill();
    let finished = tap.wait();
    let error = &finished.expect_code(1).stderr;
    assert!(error.contains("gone without a word"), "{error}");
    assert!(!finished.stdout.contains(secret), "{}", finished.stdout);
    assert!(
        finished.stdout.contains("the token is [redacted]"),
        "{}",
        finished.stdout
    );
}

#[test]
fn a_channel_is_looked_at_alone_and_sigint_ends_it() {
    let world = World::new();
    let gateway = world.start();
    let tap = tap(&world, &["--channel", "model"]);
    world.say(7, "hello", 1);
    Command::new(&world.home, &["plugin", "disable", "model"])
        .run()
        .expect_code(0);
    wait_for(&tap, "state");
    tap.interrupt();
    let finished = tap.wait();
    assert_eq!(finished.code(), 130);
    let events = events(&finished.stdout);
    assert!(
        events.iter().all(|event| event["channel"] == "model"),
        "{events:?}"
    );
    gateway.stop().expect_code(0);
}
