use std::os::unix::fs::PermissionsExt;

use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, ConfigFile, FakeTelegram, Home};
use serde_json::json;

/// What the gateway says to this configuration file, which it must refuse.
#[track_caller]
fn refused(text: &str) -> String {
    let home = Home::empty();
    home.write_config(text);
    let gateway = run(&home, &["gateway"]);
    gateway.expect_code(78);
    run(&home, &["config", "validate"]).expect_code(78);
    gateway.stderr
}

fn run(home: &Home, arguments: &[&str]) -> Finished {
    Command::new(home, arguments).run()
}

#[test]
fn a_syntax_error_is_named_with_line_and_column() {
    let message = refused("{\n  \"gateway\": {\n    \"max_pending\": 3,,\n  }\n}\n");
    assert!(message.contains("config.json:3:"), "{message}");
}

#[test]
fn an_empty_file_is_refused() {
    let message = refused("");
    assert!(message.contains("config.json: the file is empty"), "{message}");
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one() {
    let message = refused("{\n  \"gatewy\": {}\n}\n");
    assert!(message.contains("config.json:2:3"), "{message}");
    assert!(
        message.contains("gatewy") && message.contains("`gateway`"),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_place() {
    let message = refused("{\n  \"gateway\": {\n    \"max_pending\": \"many\"\n  }\n}\n");
    assert!(message.contains("config.json:3:"), "{message}");
    assert!(message.contains("max_pending"), "{message}");
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let message = refused("{\n  \"provider\": \"echo\",\n  \"provider\": \"echo\"\n}\n");
    assert!(message.contains("config.json:3:3"), "{message}");
}

#[test]
fn all_errors_are_reported_together() {
    let message =
        refused("{\n  \"gatewy\": {},\n  \"sesions\": {},\n  \"gateway\": { \"max_pending\": -1 }\n}\n");
    for place in ["config.json:2:", "config.json:3:", "config.json:4:"] {
        assert!(message.contains(place), "{place} in:\n{message}");
    }
}

#[test]
fn a_provider_that_is_not_defined_is_refused() {
    let message = refused(
        "{\n  \"provider\": \"clod\",\n  \"providers\": { \"cloud\": { \"plugin\": \"openai\", \"settings\": {} } }\n}\n",
    );
    assert!(message.contains("clod") && message.contains("cloud"), "{message}");
}

#[test]
fn keys_for_other_programs_are_let_pass() {
    let home = Home::empty();
    home.write_config("{ \"$schema\": \"x\", \"x-note\": { \"anything\": 1 } }");
    run(&home, &["config", "validate"]).expect_code(0);
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused_with_the_remedy() {
    let telegram = FakeTelegram::start();
    let config =
        ConfigFile::default().telegram("telegram", &telegram, miniclaw_tests::fake_telegram::TOKEN, &[1]);
    let home = Home::with(&config);
    std::fs::set_permissions(home.config(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let finished = run(&home, &["gateway"]);
    finished.expect_code(78);
    assert!(finished.stderr.contains("chmod"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("AAAAAAAA"), "{}", finished.stderr);
}

#[test]
fn a_configuration_file_that_is_named_but_missing_is_refused() {
    let finished = run(
        &Home::empty(),
        &["gateway", "--config", "/nonexistent/config.json"],
    );
    finished.expect_code(78);
    assert!(
        finished.stderr.contains("/nonexistent/config.json"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_secret_that_cannot_be_read_is_named_with_its_place() {
    let config = ConfigFile::default().with("/telegram_token", json!("${env:NO_SUCH_VARIABLE}"));
    let message = refused(&config.text());
    assert!(message.contains("NO_SUCH_VARIABLE"), "{message}");
}
