use std::time::Duration;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::{Gateway, Platform};
use serde_json::json;

use crate::phrases::SHUTDOWN_STARTED;
use crate::setup::{USER, World, first_answers, line, reply, texts};

/// A gateway with ten turns under way that the model does not end.
fn with_ten_turns_held(world: &World) -> Gateway {
    let gateway = world.start();
    world.model.hold();
    world.flood(100..110, 1);
    world.model.wait_for_in_flight(10);
    gateway
}

fn parking(timeout: &str) -> World {
    World::with(|config| config.with("/gateway/shutdown_timeout", json!(timeout)))
}

fn assert_each_was_answered_once(world: &World) {
    for chat in 100..110 {
        assert_eq!(texts(&world.telegram.sent_to(chat)), [reply(&line(chat, 0), 0)]);
    }
}

#[test]
fn an_idle_gateway_exits_0_on_sigterm_and_on_sigint() {
    let world = World::new();
    world.start().stop().expect_code(0);
    let gateway = world.start();
    gateway.interrupt();
    gateway.wait().expect_code(0);
}

#[test]
fn sigterm_lets_turns_under_way_finish_and_exits_0() {
    let world = World::new();
    let gateway = with_ten_turns_held(&world);
    gateway.terminate();
    gateway.wait_for_line(SHUTDOWN_STARTED);
    world.telegram.wait_for_silence();
    world.model.release();
    gateway.wait().expect_code(0);
    assert_each_was_answered_once(&world);
}

#[test]
fn sigint_lets_turns_under_way_finish_and_exits_0() {
    let world = World::new();
    let gateway = with_ten_turns_held(&world);
    gateway.interrupt();
    gateway.wait_for_line(SHUTDOWN_STARTED);
    world.model.release();
    gateway.wait().expect_code(0);
    assert_each_was_answered_once(&world);
}

#[test]
fn turns_that_do_not_finish_are_parked_and_answered_once_after_the_restart() {
    let world = parking("300ms");
    let gateway = with_ten_turns_held(&world);
    gateway.stop().expect_code(143);
    assert!(world.telegram.ledger().sent.is_empty());
    world.model.release();
    let gateway = world.start();
    world.telegram.wait_for_replies(10);
    gateway.stop().expect_code(0);
    assert_each_was_answered_once(&world);
}

#[test]
fn turns_parked_by_sigint_exit_130() {
    let world = parking("300ms");
    let gateway = with_ten_turns_held(&world);
    gateway.interrupt();
    gateway.wait().expect_code(130);
}

#[test]
fn the_flag_overrides_the_configured_timeout() {
    let world = parking("10m");
    let gateway = Gateway::start(&world.home, &["--shutdown-timeout", "300ms"]);
    world.telegram.wait_for_poll();
    world.model.hold();
    world.telegram.inject(7, USER, "hi");
    world.model.wait_for_in_flight(1);
    gateway.stop().expect_code(143);
}

#[test]
fn sighup_stops_nothing_whatever_the_configuration_file_holds() {
    let world = World::new();
    let gateway = world.start();
    let emptied = r#"{ "routes": [{ "provider": "nobody" }] }"#;
    for (n, text) in [(1, emptied), (2, "{ this is no JSON")] {
        world.home.write_config(text);
        gateway.hang_up();
        gateway.wait_for_lines("SIGHUP", n);
        assert!(world.say(7, "still there?", n).starts_with("re: still there?"));
    }
    gateway.stop().expect_code(0);
}

#[test]
fn a_second_sigterm_cuts_the_shutdown_short_with_143() {
    let world = parking("10m");
    let gateway = with_ten_turns_held(&world);
    gateway.terminate();
    gateway.wait_for_line(SHUTDOWN_STARTED);
    gateway.terminate();
    gateway.wait().expect_code(143);
}

#[test]
fn a_second_sigint_cuts_the_shutdown_short_with_130_and_loses_nothing() {
    let world = parking("10m");
    let gateway = with_ten_turns_held(&world);
    gateway.interrupt();
    gateway.wait_for_line(SHUTDOWN_STARTED);
    gateway.interrupt();
    gateway.wait().expect_code(130);
    world.model.release();
    let gateway = world.start();
    world.telegram.wait_for_replies(10);
    gateway.stop().expect_code(0);
    assert_each_was_answered_once(&world);
}

#[test]
fn messages_that_wait_behind_a_turn_are_answered_after_the_restart() {
    let world = parking("300ms");
    let gateway = world.start();
    world.model.hold();
    world.flood(100..102, 5);
    world.model.wait_for_in_flight(2);
    gateway.stop().expect_code(143);
    world.model.release();
    let gateway = world.start();
    world.telegram.wait_for_replies(10);
    gateway.stop().expect_code(0);
    for chat in 100..102 {
        let expected: Vec<String> = (0..5).map(|index| line(chat, index)).collect();
        assert_eq!(first_answers(&world.telegram.sent_to(chat)), expected);
        assert_eq!(world.telegram.sent_to(chat).len(), 5);
    }
}

#[test]
fn replies_that_telegram_does_not_take_are_sent_after_the_restart() {
    let world = parking("500ms");
    let gateway = world.start();
    world.telegram.on("sendMessage").answer(Answer::bad_gateway());
    world.telegram.inject(7, USER, "hi");
    world.telegram.wait_for_calls("sendMessage", 1);
    assert!(gateway.stop().exited());
    world.telegram.clear_rules();
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 1);
    assert_eq!(texts(&replies), ["re: hi [n=1]"]);
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_of_telegram_does_not_hold_up_the_shutdown() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.on("*").black_hole();
    let polls = world.telegram.ledger().polls.len();
    world.telegram.inject(7, USER, "wake the poll");
    world.telegram.wait("a poll in the outage", |ledger| {
        (ledger.polls.len() > polls).then_some(())
    });
    assert!(gateway.stop().exited());
}

#[test]
fn every_plugin_receives_shutdown_exactly_once() {
    let world = World::new();
    let log = world.home.root().join("shutdown.log");
    let platforms: Vec<Platform> = ["one", "two", "three"]
        .iter()
        .map(|_| Platform::start())
        .collect();
    let mut config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]);
    for (name, platform) in ["one", "two", "three"].iter().zip(&platforms) {
        let settings = json!({ "platform": platform.address(), "shutdown_log": log });
        config = config.channel(
            name,
            json!({ "plugin": "loopback", "isolation": "in-process", "allow_from": ["42"], "settings": settings }),
        );
    }
    world.home.write_config(&config.text());
    let plugins = world.home.plugins(&["loopback"]);
    let gateway = Gateway::start(&world.home, &["--plugins", plugins.to_str().unwrap()]);
    for platform in &platforms {
        platform.wait_for_calls("receive", 1);
    }
    gateway.stop().expect_code(0);
    let text = std::fs::read_to_string(&log).unwrap();
    let mut told: Vec<&str> = text.lines().collect();
    told.sort_unstable();
    assert_eq!(told, ["one", "three", "two"]);
}

#[test]
fn what_a_channel_brings_after_the_stop_is_not_taken() {
    let world = World::new();
    let platform = Platform::start();
    let settings = json!({ "platform": platform.address(), "at": "stop" });
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]).channel(
        "late",
        json!({ "plugin": "hangs", "isolation": "in-process", "allow_from": ["42"], "settings": settings }),
    );
    world.home.write_config(&config.text());
    let plugins = world.home.plugins(&["hangs"]);
    let gateway = Gateway::start(&world.home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    gateway.wait_for_line(crate::phrases::READY);
    gateway.stop();
    platform.wait_for_calls("late: Stopping", 1);
    assert_eq!(world.model.asked().len(), 0);
}

#[test]
fn a_plugin_that_hangs_in_shutdown_is_left_behind_by_name() {
    for (at, blocking) in [("shutdown", false), ("shutdown", true), ("stop", true)] {
        let world = parking("2s");
        let platform = Platform::start();
        let settings = json!({ "platform": platform.address(), "at": at, "blocking": blocking });
        let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]).channel(
            "stubborn",
            json!({ "plugin": "hangs", "isolation": "in-process", "allow_from": ["42"], "settings": settings }),
        );
        world.home.write_config(&config.text());
        let plugins = world.home.plugins(&["hangs"]);
        let gateway = Gateway::start(&world.home, &["--plugins", plugins.to_str().unwrap()]);
        platform.wait_for_calls("receive", 1);
        gateway.wait_for_line(crate::phrases::READY);
        let started = std::time::Instant::now();
        let finished = gateway.stop();
        assert!(
            finished.exited() && finished.stderr.contains("stubborn"),
            "{finished:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "{:?}",
            started.elapsed()
        );
    }
}
