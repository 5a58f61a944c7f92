//! What waits, what died, and what an operator does about it.

use std::time::Duration;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, Gateway, until};
use serde_json::{Value, json};

use crate::setup::{USER, World, texts};

fn run(world: &World, arguments: &[&str]) -> Finished {
    Command::new(&world.home, arguments).run()
}

fn letters(world: &World, arguments: &[&str]) -> Vec<Value> {
    let list = run(world, &[&["queue", "list", "--json"], arguments].concat());
    let list: Value = serde_json::from_str(&list.expect_code(0).stdout).unwrap();
    list["letters"].as_array().unwrap().clone()
}

fn id(letter: &Value) -> String {
    letter["id"].to_string()
}

/// Replies that wait, where nothing else does; 0 as long as something does.
fn replies(world: &World) -> usize {
    let waiting = letters(world, &["--waiting", "--limit", "1000"]);
    if waiting.iter().all(|letter| letter["kind"] == "reply") {
        waiting.len()
    } else {
        0
    }
}

/// A gateway with one dead reply in chat 7.
fn with_a_dead_letter() -> (World, Gateway) {
    let world = World::new();
    let refusal = Answer::error(400, "Bad Request: chat not found");
    world.telegram.on("sendMessage").chat(7).answer(refusal);
    let gateway = world.start();
    world.telegram.inject(7, USER, "hi");
    until("a dead letter", || !letters(&world, &["--dead"]).is_empty());
    (world, gateway)
}

#[test]
fn a_refused_reply_is_listed_with_its_reason_and_sent_when_asked() {
    let (world, gateway) = with_a_dead_letter();
    let dead = letters(&world, &["--dead"]).remove(0);
    assert_eq!((&dead["kind"], &dead["state"]), (&json!("reply"), &json!("dead")));
    assert!(
        dead["reason"].as_str().unwrap().contains("chat not found"),
        "{dead}"
    );
    assert!(letters(&world, &["--waiting"]).is_empty());
    let shown = run(&world, &["queue", "show", &id(&dead)]);
    assert!(shown.expect_code(0).stdout.contains("re: hi"), "{shown:?}");

    world.telegram.clear_rules();
    let retried = run(&world, &["queue", "retry", &id(&dead)]);
    assert!(
        retried.expect_code(0).stdout.contains("waits again"),
        "{retried:?}"
    );
    assert_eq!(texts(&world.telegram.wait_for_replies_to(7, 1)), ["re: hi [n=1]"]);
    until("an empty list", || letters(&world, &[]).is_empty());
    run(&world, &["queue", "retry", &id(&dead)]).expect_code(1);
    gateway.stop().expect_code(0);
}

#[test]
fn the_agent_learns_that_its_reply_did_not_arrive() {
    let (world, gateway) = with_a_dead_letter();
    world.telegram.clear_rules();
    world.telegram.inject(7, USER, "are you there?");
    world.telegram.wait_for_replies_to(7, 1);
    let asked = world.model.asked().remove(1);
    let heard = asked.users().last().unwrap();
    assert!(
        heard.contains("did not reach the user") && heard.contains("chat not found"),
        "{heard}"
    );
    assert!(heard.ends_with("are you there?"), "{heard}");
    gateway.stop().expect_code(0);
    // It is part of the history, also after a restart.
    let shown = run(&world, &["sessions", "show", "telegram_7"]);
    assert!(
        shown.expect_code(0).stdout.contains("did not reach the user"),
        "{shown:?}"
    );
}

#[test]
fn dead_letters_are_dropped_and_tried_again_without_a_gateway() {
    let (world, gateway) = with_a_dead_letter();
    world.telegram.inject(7, USER, "again");
    until("a second dead letter", || letters(&world, &["--dead"]).len() == 2);
    gateway.stop().expect_code(0);
    let dead = letters(&world, &[]);
    let dropped = run(&world, &["queue", "drop", &id(&dead[0])]);
    assert!(dropped.expect_code(0).stdout.contains("dropped"), "{dropped:?}");
    run(&world, &["queue", "retry", "--dead"]).expect_code(0);
    world.telegram.clear_rules();
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 1);
    assert!(replies[0].text.starts_with("re: again"), "{replies:?}");
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.sent_to(7).len(), 1);
}

#[test]
fn a_message_that_waits_is_dropped_and_its_neighbours_are_answered() {
    let world = World::new();
    world.model.hold();
    let gateway = world.start();
    for text in ["one", "two", "three"] {
        world.telegram.inject(7, USER, text);
    }
    until("three that wait", || letters(&world, &["--waiting"]).len() == 3);
    world.model.wait_for_in_flight(1);
    let waiting = letters(&world, &[]);
    // The first one is being answered.
    let refused = run(&world, &["queue", "drop", &id(&waiting[0])]);
    assert!(refused.expect_code(1).stdout.contains("/stop"), "{refused:?}");
    run(&world, &["queue", "drop", &id(&waiting[1])]).expect_code(0);
    world.model.release();
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(texts(&replies), ["re: one [n=1]", "re: three [n=3]"]);
    gateway.stop().expect_code(0);
}

#[test]
fn a_reply_in_a_backoff_is_tried_at_once_or_dropped_when_asked() {
    let world = World::new();
    world.telegram.on("sendMessage").answer(Answer::bad_gateway());
    let gateway = world.start();
    world.telegram.inject(7, USER, "one");
    world.telegram.inject(8, USER, "two");
    // After a few attempts the waits are long enough for the rest of this test.
    until("backoffs", || {
        let waiting = letters(&world, &["--waiting"]);
        waiting.len() == 2
            && waiting
                .iter()
                .all(|letter| letter["attempts"].as_u64() >= Some(3))
    });
    world.telegram.clear_rules();
    let waiting = letters(&world, &[]);
    let of = |session: &str| {
        let letter = waiting.iter().find(|letter| letter["session"] == session);
        id(letter.unwrap())
    };
    run(&world, &["queue", "drop", &of("telegram_7")]).expect_code(0);
    run(&world, &["queue", "retry", &of("telegram_8")]).expect_code(0);
    assert_eq!(
        texts(&world.telegram.wait_for_replies_to(8, 1)),
        ["re: two [n=1]"]
    );
    until("an empty list", || letters(&world, &[]).is_empty());
    gateway.stop().expect_code(0);
    assert!(world.telegram.sent_to(7).is_empty());
}

#[test]
fn a_trace_tells_a_message_s_whole_story() {
    let world = World::with(|config| config.with("/agent/retries", json!(2)));
    world
        .model
        .fail(1, miniclaw_tests::fake_model::Fault::status(503));
    let gateway = world.start();
    let message = world.telegram.inject(7, USER, "hi");
    world.telegram.wait_for_replies_to(7, 1);
    let line = gateway.wait_for_line("Provider is asked again");
    let inbound: String = line
        .split("inbound=")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    until("the record of the send", || letters(&world, &[]).is_empty());
    let trace = run(&world, &["trace", &inbound]);
    let text = &trace.expect_code(0).stdout;
    for part in [
        &format!("message {message} of chat 7"),
        "it failed",
        "it answered",
        "answered, and the answer stored",
        "sent as message",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let trace = run(&world, &["trace", &inbound, "--json"]);
    let story: Value = serde_json::from_str(&trace.expect_code(0).stdout).unwrap();
    assert_eq!(story["asked"].as_array().map(Vec::len), Some(2));
    assert_eq!(story["replies"][0]["state"], "sent");
    run(&world, &["trace", "999999"]).expect_code(1);
    gateway.stop().expect_code(0);
}

#[test]
fn no_line_about_a_message_has_the_id_of_another_one() {
    // Each turn's end starts the next one.
    let world = World::with(|config| config.with("/gateway/max_concurrent_turns", json!(1)));
    let gateway = Command::new(&world.home, &["gateway", "-vv"]).start();
    world.flood(100..103, 3);
    world.wait_for_flood(100..103, 3);
    let log = gateway.stop().expect_code(0).stderr.clone();
    let ids = |line: &str| -> std::collections::BTreeSet<String> {
        let ids = line.split("inbound=").skip(1);
        ids.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
            .collect()
    };
    let told: std::collections::BTreeSet<String> = log.lines().flat_map(ids).collect();
    assert!(told.len() >= 9, "{told:?}");
    for line in log.lines() {
        assert!(ids(line).len() <= 1, "{line}");
    }
}

#[test]
fn every_line_about_a_message_has_its_id() {
    let world = World::new();
    world
        .telegram
        .on("sendMessage")
        .times(1)
        .answer(Answer::too_many(1));
    let gateway = Command::new(&world.home, &["gateway", "-vv"]).start();
    world.telegram.inject(7, USER, "hi");
    world.telegram.wait_for_replies_to(7, 1);
    let log = gateway.stop().expect_code(0).stderr.clone();
    let accepted = log.lines().find(|line| line.contains("Message accepted"));
    let accepted = accepted.unwrap_or_else(|| panic!("nothing was accepted in\n{log}"));
    let inbound = accepted.split("inbound=").nth(1).unwrap();
    let inbound = format!("inbound={}", inbound.split([' ', '}']).next().unwrap());
    for what in ["Turn answered", "Message not sent", "Message sent"] {
        let line = log.lines().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("no line says {what} in\n{log}"));
        assert!(line.contains(&inbound), "{line}");
    }
    // What the plugins say of the call and of the send.
    for target in ["miniclaw_telegram", "miniclaw_plugin_api"] {
        let said = log
            .lines()
            .any(|line| line.contains(target) && line.contains(&inbound));
        assert!(said, "no line of {target} has {inbound}");
    }
}

#[test]
fn a_channel_with_a_full_outbox_pauses_and_resumes_by_itself() {
    let world = World::with(|config| config.with("/delivery/max_waiting", json!(10)));
    world.telegram.on("sendMessage").answer(Answer::bad_gateway());
    let gateway = world.start();
    world.flood(100..160, 1);
    until("a full outbox", || replies(&world) == 60);
    world.flood(200..220, 1);
    let line = gateway.wait_for_line("Channel paused");
    assert!(line.contains("too many replies"), "{line}");
    assert_eq!(replies(&world), 60);
    world.telegram.clear_rules();
    world.wait_for_flood(100..160, 1);
    world.wait_for_flood(200..220, 1);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 80);
}

#[test]
fn a_conversation_whose_replies_are_stuck_leaves_the_others_alone() {
    let world = World::new();
    world
        .telegram
        .on("sendMessage")
        .chat(7)
        .answer(Answer::bad_gateway());
    let gateway = world.start();
    world.flood(7..8, 100);
    until("many replies that wait", || replies(&world) == 100);
    for index in 0..5 {
        world.say(8, &format!("message {index}"), index + 1);
    }
    world.telegram.clear_rules();
    run(&world, &["queue", "retry", &id(&letters(&world, &[])[0])]).expect_code(0);
    world.wait_for_flood(7..8, 100);
    let order: Vec<String> = (0..100).map(|index| crate::setup::line(7, index)).collect();
    assert_eq!(crate::setup::first_answers(&world.telegram.sent_to(7)), order);
    gateway.stop().expect_code(0);
}

#[test]
fn what_waits_too_long_is_named_in_the_log() {
    let world = World::with(|config| config.with("/gateway/warn_pending_after", json!("1s")));
    world.model.hold();
    let gateway = world.start();
    world.telegram.inject(7, USER, "hi");
    let line = gateway.wait_for_line("A message has waited");
    assert!(line.contains("queue list"), "{line}");
    world.model.release();
    world.telegram.wait_for_replies_to(7, 1);
    gateway.stop().expect_code(0);
}

#[test]
fn counters_agree_after_everything_is_answered() {
    let world = World::new();
    let gateway = world.start();
    world.flood(100..110, 3);
    world.telegram.inject(7, USER + 1, "a stranger");
    world.wait_for_flood(100..110, 3);
    let counters = || {
        let list = run(&world, &["queue", "list", "--json"]);
        let list: Value = serde_json::from_str(&list.expect_code(0).stdout).unwrap();
        list["counters"].clone()
    };
    until("the last record", || counters()["delivered"] == 30);
    let counters = counters();
    let expected = [
        ("received", 31),
        ("journaled", 30),
        ("ignored", 1),
        ("done", 30),
        ("dead", 0),
    ];
    for (name, count) in expected {
        assert_eq!(counters[name], count, "{name} of {counters}");
    }
    let log = gateway.stop().expect_code(0).stderr.clone();
    assert!(log.contains("received=31"), "{log}");
}

#[test]
fn a_dead_letter_whose_text_is_gone_stays_dead_and_stops_no_other() {
    let (world, gateway) = with_a_dead_letter();
    world.telegram.inject(7, USER, "again");
    until("a second dead letter", || letters(&world, &["--dead"]).len() == 2);
    gateway.stop().expect_code(0);
    let dead = letters(&world, &[]);
    let spool = rusqlite::Connection::open(world.home.miniclaw().join("state").join("spool.db")).unwrap();
    let sql = format!("UPDATE outbox SET body = NULL WHERE id = {}", id(&dead[0]));
    spool.execute(&sql, []).unwrap();
    drop(spool);
    let retried = run(&world, &["queue", "retry", "--dead"]);
    assert!(
        retried
            .expect_code(1)
            .stdout
            .contains("no text that could be read"),
        "{retried:?}"
    );
    assert_eq!(letters(&world, &["--dead"]).len(), 1);
    assert_eq!(letters(&world, &["--waiting"]).len(), 1);
}

#[test]
fn a_command_without_a_home_says_that_nothing_waits() {
    let world = World::new();
    let list = run(&world, &["queue", "list"]);
    assert!(list.expect_code(0).stdout.contains("nothing waits"), "{list:?}");
    run(&world, &["queue", "drop", "1"]).expect_code(1);
    let usage = run(&world, &["queue", "retry"]);
    usage.expect_code(2);
    let started = std::time::Instant::now();
    run(&world, &["trace", "1"]).expect_code(1);
    assert!(started.elapsed() < Duration::from_secs(10));
}
