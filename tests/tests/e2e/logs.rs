//! `miniclaw logs`.

use miniclaw_tests::build::artifacts;
use miniclaw_tests::{Command, until};
use serde_json::Value;

use crate::phrases::READY;
use crate::setup::World;

#[test]
fn the_last_lines_are_those_of_stderr() {
    let world = World::new();
    let gateway = world.start();
    gateway.wait_for_line(READY);
    let printed = Command::new(&world.home, &["logs", "-n", "1000"]).run();
    let printed = printed.expect_code(0).stdout.clone();
    let (mine, log) = (printed.lines().count(), gateway.log());
    assert!(mine > 5, "{printed}");
    for (printed, logged) in printed.lines().zip(log.lines()) {
        // Time and level are where they are on stderr; behind them a span follows its target.
        assert_eq!(printed[..33], logged[..33]);
    }
    let last = Command::new(&world.home, &["logs", "-n", "2", "--json"]).run();
    let last: Vec<Value> = last
        .expect_code(0)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(last.len(), 2);
    assert!(
        last.iter()
            .all(|line| line["text"].is_string() && line["level"] == "INFO"),
        "{last:?}"
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_log_is_followed_to_the_gateways_end() {
    let world = World::new();
    let gateway = world.start();
    gateway.wait_for_line(READY);
    let logs = Command::new(&world.home, &["logs", "-f"]).start();
    until("the line before it", || logs.stdout().contains("Gateway ready"));
    let silent = Command::new(&world.home, &["logs", "-f", "-n", "0", "--level", "error"]).start();
    gateway.stop().expect_code(0);
    let finished = logs.wait();
    assert!(
        finished.expect_code(0).stderr.contains("the gateway has stopped"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stdout.trim_end().ends_with("complete=true"),
        "{}",
        finished.stdout
    );
    assert_eq!(finished.stdout.matches("Gateway ready").count(), 1);
    assert_eq!(silent.wait().stdout, "");
}

#[test]
fn a_channel_that_there_is_not_is_refused_with_those_that_there_are() {
    let world = World::new();
    let gateway = world.start();
    for arguments in [&["logs"][..], &["logs", "-f"], &["tap"]] {
        let refused = Command::new(&world.home, arguments)
            .args(&["--channel", "telegraph"])
            .run();
        let told = &refused.expect_code(1).stderr;
        assert!(told.contains("`telegraph`; there are: model, telegram"), "{told}");
        assert_eq!(refused.stdout, "");
    }
    drop(gateway);
}

#[test]
fn lines_of_one_channel_and_of_one_level_are_shown_alone() {
    let world = World::new();
    let gateway = Command::new(&world.home, &["gateway", "-v"]).start();
    assert_eq!(world.say(7, "hello", 1), "re: hello [n=1]");
    gateway.wait_for_line("Message sent");
    let logs = |arguments: &[&str]| {
        let printed = Command::new(&world.home, &["logs", "-n", "1000"])
            .args(arguments)
            .run();
        printed.expect_code(0).stdout.clone()
    };
    let telegram = logs(&["--channel", "telegram"]);
    for line in [
        "Message accepted",
        "Turn answered",
        "Message sent",
        "Plugin running",
    ] {
        assert!(telegram.contains(line), "no `{line}` in\n{telegram}");
    }
    assert!(!telegram.contains("Spool opened"), "{telegram}");
    let model = logs(&["--channel", "model"]);
    assert!(
        model.contains("Plugin running") && !model.contains("Message sent"),
        "{model}"
    );
    assert!(logs(&[]).contains("DEBUG"));
    let info = logs(&["--level", "info"]);
    assert!(info.contains("INFO") && !info.contains("DEBUG"), "{info}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let world = World::new();
    let gateway = world.start();
    gateway.wait_for_line(READY);
    let script = format!(
        "{{ {} logs -f; echo status $? >&2; }} | head -n 1",
        artifacts().binary.display()
    );
    let piped = Command::of("/bin/sh", &world.home).args(&["-c", &script]).start();
    // What is logged next finds the reader gone.
    until("the end", || {
        Command::new(&world.home, &["queue", "retry", "999"]).run();
        !piped.is_running()
    });
    let finished = piped.wait();
    assert_eq!(finished.stdout.lines().count(), 1);
    assert_eq!(finished.expect_code(0).stderr, "status 0");
    gateway.stop().expect_code(0);
}

#[test]
fn without_a_gateway_the_journal_is_named() {
    let world = World::new();
    for arguments in [&["logs"][..], &["logs", "-f"]] {
        let finished = Command::new(&world.home, arguments).run();
        let error = &finished.expect_code(69).stderr;
        assert!(
            error.contains("no gateway runs on") && error.contains("journalctl -u miniclaw"),
            "{error}"
        );
    }
}
