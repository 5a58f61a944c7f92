use miniclaw_tests::config::API_KEY;
use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, Home};
use serde_json::Value;

use crate::setup::World;

fn run(home: &Home, arguments: &[&str]) -> Finished {
    Command::new(home, arguments).run()
}

#[test]
fn the_version_is_told_both_ways() {
    let home = Home::empty();
    for arguments in [["version"], ["--version"]] {
        let finished = run(&home, &arguments);
        assert!(
            finished.expect_code(0).stdout.contains(env!("CARGO_PKG_VERSION")),
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn unknown_commands_and_flags_exit_2_and_say_which() {
    let home = Home::empty();
    for (arguments, word) in [
        (vec!["gatewya"], "gatewya"),
        (vec!["gateway", "--no-such-flag"], "--no-such-flag"),
        (vec!["plugin", "info"], "FILE"),
    ] {
        let finished = run(&home, &arguments);
        finished.expect_code(2);
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn one_question_is_answered_without_a_daemon_or_any_configuration() {
    let finished = run(&Home::empty(), &["agent", "-m", "hello there"]);
    let answer = &finished.expect_code(0).stdout;
    assert!(answer.contains("hello there"), "{answer}");
    assert!(answer.to_lowercase().contains("echo"), "{answer}");
}

#[test]
fn one_question_goes_to_the_configured_model() {
    let world = World::new();
    let finished = run(&world.home, &["agent", "-m", "hi", "-M", "other-model"]);
    assert_eq!(finished.expect_code(0).stdout.trim(), "re: hi [n=1]");
    let asked = world.model.asked().remove(0);
    assert_eq!(asked.model, "other-model");
    assert_eq!(asked.authorization, Some(format!("Bearer {API_KEY}")));
    assert!(world.telegram.ledger().polls.is_empty());
}

#[test]
fn questions_with_a_session_remember_each_other() {
    let world = World::new();
    run(&world.home, &["agent", "-m", "one", "--session", "desk"]).expect_code(0);
    let finished = run(&world.home, &["agent", "-m", "two", "--session", "desk"]);
    assert_eq!(finished.expect_code(0).stdout.trim(), "re: two [n=3]");
}

#[test]
fn a_question_to_an_unknown_provider_is_an_error_that_names_it() {
    let finished = run(&Home::empty(), &["agent", "-m", "hi", "--provider", "nobody"]);
    assert!(finished.exited() && finished.code() != 0, "{finished:?}");
    assert!(finished.stderr.contains("nobody"), "{}", finished.stderr);
}

#[test]
fn a_question_that_the_model_refuses_is_an_error() {
    let world = World::new();
    world
        .model
        .fail_about("", miniclaw_tests::fake_model::Fault::status(401));
    let finished = run(&world.home, &["agent", "-m", "hi"]);
    finished.expect_code(1);
    assert!(!finished.stderr.contains(API_KEY), "{}", finished.stderr);
}

#[test]
fn a_good_configuration_is_valid_and_shown_without_its_secrets() {
    let world = World::new();
    run(&world.home, &["config", "validate"]).expect_code(0);
    let shown = run(&world.home, &["config", "show"]);
    let text = &shown.expect_code(0).stdout;
    assert!(text.contains("config.json"), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains(API_KEY), "{text}");
    let json = run(&world.home, &["config", "show", "--json"]);
    let json = &json.expect_code(0).stdout;
    assert!(serde_json::from_str::<Value>(json).is_ok(), "{json}");
    assert!(!json.contains(TOKEN) && !json.contains(API_KEY), "{json}");
    let schema = run(&world.home, &["config", "schema"]);
    let schema: Value = serde_json::from_str(&schema.expect_code(0).stdout).unwrap();
    assert!(schema["properties"]["channels"].is_object(), "{schema}");
}

#[test]
fn sessions_are_listed_shown_and_deleted_without_a_gateway() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "remember the milk", 1);
    world.say(8, "and the bread", 1);
    gateway.stop().expect_code(0);

    let listed = run(&world.home, &["sessions", "list"]);
    let text = &listed.expect_code(0).stdout;
    assert!(
        text.contains("telegram_7") && text.contains("telegram_8"),
        "{text}"
    );
    let json = run(&world.home, &["sessions", "list", "--json"]);
    assert!(serde_json::from_str::<Value>(&json.expect_code(0).stdout).is_ok());
    let shown = run(&world.home, &["sessions", "show", "telegram_7"]);
    assert!(
        shown.expect_code(0).stdout.contains("remember the milk"),
        "{}",
        shown.stdout
    );

    run(&world.home, &["sessions", "delete", "telegram_7"]).expect_code(0);
    assert!(!world.home.session("telegram", 7).exists());
    let gateway = world.start();
    assert_eq!(world.say(7, "who are you?", 2), "re: who are you? [n=1]");
    assert_eq!(world.say(8, "who am I?", 2), "re: who am I? [n=3]");
    gateway.stop().expect_code(0);
}

#[test]
fn sessions_are_listed_shown_and_deleted_beside_a_running_gateway() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "remember the milk", 1);
    let listed = run(&world.home, &["sessions", "list"]);
    assert!(
        listed.expect_code(0).stdout.contains("telegram_7"),
        "{}",
        listed.stdout
    );
    let shown = run(&world.home, &["sessions", "show", "telegram_7"]);
    assert!(
        shown.expect_code(0).stdout.contains("remember the milk"),
        "{}",
        shown.stdout
    );
    run(&world.home, &["sessions", "delete", "telegram_7"]).expect_code(0);
    assert_eq!(world.say(7, "who are you?", 2), "re: who are you? [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn a_session_that_does_not_exist_is_an_error() {
    let world = World::new();
    for command in ["show", "delete"] {
        let finished = run(&world.home, &["sessions", command, "telegram_404"]);
        finished.expect_code(1);
        assert!(finished.stderr.contains("telegram_404"), "{}", finished.stderr);
    }
}
