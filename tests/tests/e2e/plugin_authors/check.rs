//! `plugin check` against a channel that breaks one rule at a time.

use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, FakeModel, Home, build};
use serde_json::Value;

fn check(fault: &str, further: &[&str]) -> Finished {
    let home = Home::empty();
    let library = build::artifacts().library("miniclaw_fixture_unruly");
    Command::new(&home, &["plugin", "check", "--set"])
        .arg(format!("fault={fault}"))
        .args(further)
        .arg(library)
        .run()
}

/// Numbers and words of the stages of one result.
fn stages(report: &Value, result: &str) -> Vec<(u64, String)> {
    let stages = report["stages"].as_array().unwrap().iter();
    stages
        .filter(|stage| stage["result"] == result)
        .map(|stage| (stage["number"].as_u64().unwrap(), stage.to_string()))
        .collect()
}

/// The stages that fail, the word that the first of them has, and no others.
#[track_caller]
fn fails(fault: &str, numbers: &[u64], word: &str) {
    fails_with(fault, &[], numbers, word);
}

/// As [`fails`], with little time for each call.
#[track_caller]
fn fails_soon(fault: &str, numbers: &[u64], word: &str) {
    fails_with(fault, &["--timeout", "2s"], numbers, word);
}

#[track_caller]
fn fails_with(fault: &str, further: &[&str], numbers: &[u64], word: &str) {
    let finished = check(fault, &[&["--json"], further].concat());
    finished.expect_code(1);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["stages"].as_array().unwrap().len(), 10, "{report:#}");
    let failed = stages(&report, "failed");
    let found: Vec<u64> = failed.iter().map(|(number, _)| *number).collect();
    assert_eq!(found, numbers, "{fault}: {report:#}");
    assert!(
        failed[0].1.contains(word),
        "{fault}: no `{word}` in {}",
        failed[0].1
    );
    assert!(
        failed.iter().all(|(_, stage)| stage.contains("\"fix\":")),
        "{report:#}"
    );
}

#[test]
fn a_sound_channel_passes_every_stage() {
    let finished = check("none", &[]);
    let text = &finished.expect_code(0).stdout;
    assert!(text.contains("10 passed, 0 failed, 0 skipped"), "{text}");
}

#[test]
fn a_crash_is_named_by_its_signal_and_the_stages_after_it_run() {
    fails("abort", &[7], "SIGABRT (6)");
    fails("segfault", &[7], "SIGSEGV (11)");
    fails("exit", &[7], "ended the process with status 7");
}

#[test]
fn a_send_that_hangs_is_named_within_the_time_for_a_call() {
    fails_soon("hang", &[7], "send of a message did not end within 2s");
    fails_soon("block", &[7], "send of a message did not end within 2s");
}

#[test]
fn what_does_not_stop_is_named_in_every_stage_that_stops_it() {
    fails_soon("slow_end", &[5, 6, 7, 8, 9], "shutdown did not end within 2s");
    let word = "once the stop was requested, did not end within 2s";
    fails_soon("deaf", &[5, 6, 9], word);
}

#[test]
fn bad_settings_must_be_refused_for_good_and_without_a_panic() {
    fails("lenient", &[4], "create took the unknown key");
    fails("panic_at_settings", &[4], "panicked");
    fails("patient", &[4], "may succeed later");
}

#[test]
fn broken_rules_of_receiving_are_found() {
    fails("disorder", &[6], "message 100 came where 1 was due");
    fails("same_id", &[6], "two messages have the id `1`");
    fails("swallow", &[6], "after Busy, the messages did not come again");
    fails("shrug", &[6], "receive ended without an error after Busy");
}

#[test]
fn broken_rules_of_starting_sending_and_threads_are_found() {
    fails(
        "other_account",
        &[5],
        "start named the account `1`, and before `0`",
    );
    fails("panic", &[7], "told to");
    fails("short", &[7], "piece 1 of 1 of a text of 5000 characters");
    fails("thread", &[10], "threads still run");
}

#[test]
fn what_cannot_be_looked_at_is_skipped_with_the_way_to_enable_it() {
    let finished = check("no_hook", &["--json"]);
    let report: Value = serde_json::from_str(&finished.expect_code(0).stdout).unwrap();
    let skipped = stages(&report, "skipped");
    assert!(skipped.len() == 1 && skipped[0].0 == 6, "{report:#}");
    assert!(skipped[0].1.contains("check.emit"), "{}", skipped[0].1);

    let finished = check("no_start", &["--json"]);
    let report: Value = serde_json::from_str(&finished.expect_code(1).stdout).unwrap();
    assert_eq!(stages(&report, "failed").len(), 1, "{report:#}");
    assert_eq!(stages(&report, "skipped").len(), 5, "{report:#}");
}

#[test]
fn settings_that_the_schema_refuses_are_a_matter_of_usage() {
    let finished = check("x", &["--set", "colour=red"]);
    finished.expect_code(2);
    assert!(finished.stderr.contains("--set key=value"), "{}", finished.stderr);
}

#[test]
fn shipped_providers_pass_every_stage_with_a_model() {
    let (home, model) = (Home::empty(), FakeModel::start());
    for (plugin, stream) in [
        ("openai", true),
        ("ollama", true),
        ("anthropic", true),
        ("anthropic", false),
        ("gemini", true),
        ("gemini", false),
    ] {
        let settings = model.settings(plugin, stream);
        let mut command = Command::new(&home, &["plugin", "check"]);
        for (key, value) in settings.as_object().unwrap() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            command = command.arg("--set").arg(format!("{key}={value}"));
        }
        let finished = command
            .arg(build::artifacts().library(&format!("miniclaw_plugin_{plugin}")))
            .run();
        let text = &finished.expect_code(0).stdout;
        assert!(
            text.contains("10 passed, 0 failed, 0 skipped"),
            "{plugin}: {text}"
        );
    }
}
