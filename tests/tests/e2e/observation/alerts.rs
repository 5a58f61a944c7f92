use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::{Answer, TOKEN};
use miniclaw_tests::{Command, ConfigFile, FakeTelegram, Gateway, until};
use serde_json::{Value, json};

use crate::setup::{USER, World, texts};

const OTHER: &str = "987654:other-token-of-the-tests-0123456789";
/// The owner's chat.
const OWNER: i64 = USER;

fn with_alerts(config: ConfigFile) -> ConfigFile {
    config.with("/alerts", json!({ "channel": "telegram", "to": OWNER }))
}

/// Alerts over `telegram`, of a second bot among others.
fn two_bots() -> (World, FakeTelegram) {
    let other = FakeTelegram::start();
    let world = World::with(|config| with_alerts(config.telegram("other", &other, OTHER, &[USER])));
    (world, other)
}

fn told(world: &World, count: usize) -> Vec<String> {
    let sent = world.telegram.wait_for_replies_to(OWNER, count);
    texts(&sent).into_iter().map(str::to_owned).collect()
}

fn run(world: &World, arguments: &[&str]) -> String {
    let ended = Command::new(&world.home, arguments).run();
    ended.expect_code(0).stdout.clone()
}

#[test]
fn a_channel_that_fails_and_is_back_is_told_once_each_and_not_again_after_a_restart() {
    let (world, other) = two_bots();
    let gateway = world.start();
    other.wait_for_poll();
    other.revoke(OTHER);
    other.inject_to(
        OTHER,
        &miniclaw_tests::fake_telegram::Injection::text(1, USER, "ends the poll"),
    );
    let alerts = told(&world, 1);
    assert!(
        alerts[0].starts_with("miniclaw: channel other failed: "),
        "{alerts:?}"
    );
    assert!(!alerts[0].contains(OTHER), "{alerts:?}");
    gateway.stop().expect_code(0);
    let gateway = world.start();
    gateway.wait_for_line("Plugin failed");
    until("what was told is kept", || {
        std::fs::read_to_string(world.home.miniclaw().join("state/alerts.json"))
            .is_ok_and(|text| text.contains("other"))
    });
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    run(&world, &["plugin", "disable", "other"]);
    let alerts = told(&world, 2);
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_eq!(alerts[1], "miniclaw: channel other works again");
    // No part of what the model is asked with.
    assert_eq!(world.say(OWNER, "what was that?", 3), "re: what was that? [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn dead_letters_are_told_and_alerts_that_cannot_be_delivered_are_not() {
    let world = World::with(with_alerts);
    let gateway = world.start();
    for chat in [OWNER, 7] {
        let refused = Answer::error(403, "Forbidden: bot was blocked by the user");
        world.telegram.on("sendMessage").chat(chat).answer(refused);
    }
    world.telegram.inject(7, USER, "to nobody");
    gateway.wait_for_lines("are dead letters", 2);
    // The alert is dead as well, and several looks later no other one was made of it.
    let dead = || {
        let status: Value = serde_json::from_str(&run(&world, &["status", "--json"])).unwrap();
        status["counters"]["dead"].as_u64().unwrap()
    };
    assert_eq!(dead(), 2);
    world.telegram.clear_rules();
    let polls = world.telegram.ledger().polls.len();
    world.telegram.inject(8, 666, "ends the poll");
    world.telegram.wait("another poll", |ledger| {
        (ledger.polls.len() > polls).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(dead(), 2);
    assert_eq!(world.telegram.sent_to(OWNER).len(), 0);
    gateway.stop().expect_code(0);
}

#[test]
fn the_failure_of_the_alerts_own_channel_is_told_when_it_is_back() {
    let world = World::with(with_alerts);
    let gateway = world.start();
    world.telegram.wait_for_poll();
    world
        .telegram
        .on("getMe")
        .answer(Answer::error(401, "Unauthorized"));
    world
        .telegram
        .on("getUpdates")
        .answer(Answer::error(401, "Unauthorized"));
    world.telegram.inject(8, 666, "ends the poll");
    gateway.wait_for_line("Plugin failed");
    // Long enough to be seen.
    gateway.wait_for_line("Plugin failed");
    std::thread::sleep(std::time::Duration::from_secs(3));
    world.telegram.clear_rules();
    run(&world, &["plugin", "reload", "telegram"]);
    let alerts = told(&world, 1);
    let words = "miniclaw: channel telegram works again; before that it failed: ";
    assert!(
        alerts[0].starts_with(words) && !alerts[0].contains(TOKEN),
        "{alerts:?}"
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_provider_that_answers_nobody_is_told() {
    let world = World::with(|config| with_alerts(config).with("/agent/retries", 5.into()));
    let gateway = world.start();
    world.model.fail(50, Fault::status(401));
    for chat in 100..106 {
        world.telegram.inject(chat, USER, "hi");
    }
    let alerts = told(&world, 1);
    assert!(
        alerts[0].starts_with("miniclaw: provider model does not answer: "),
        "{alerts:?}"
    );
    gateway.kill();
}

#[test]
fn a_channel_that_is_not_configured_is_refused_with_its_place() {
    let world = World::with(|config| config.with("/alerts", json!({ "channel": "telegramm", "to": 1 })));
    let ended = Gateway::start(&world.home, &[]).wait();
    let error = &ended.expect_code(78).stderr;
    assert!(
        error.contains("config.json:") && error.contains("key `alerts.channel`"),
        "{error}"
    );
    assert!(error.contains("did you mean `telegram`?"), "{error}");
    let world = World::with(|config| config.with("/alerts", json!({ "channel": "telegram" })));
    let ended = Gateway::start(&world.home, &[]).wait();
    assert!(
        ended
            .expect_code(78)
            .stderr
            .contains("key `alerts.to`: required, but missing")
    );
}
