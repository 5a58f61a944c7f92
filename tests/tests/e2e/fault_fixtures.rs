//! The fixtures that misbehave do what the tests of isolation rely on; in the gateway's own process, where it is to be seen.

use miniclaw_tests::libraries::{Library, LoadFault};
use miniclaw_tests::{Command, ConfigFile, Gateway, Home, Platform};
use serde_json::json;

use crate::phrases::READY;
use crate::plugin_faults::Pair;

const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// A gateway with nothing but the fixture `faulty` in its own process.
fn faulty(fault: &str, at: &str) -> (Home, Platform, Gateway) {
    let (home, platform) = (Home::empty(), Platform::start());
    let settings = json!({ "platform": platform.address(), "fault": fault, "at": at, "times": 1 });
    let entry =
        json!({ "plugin": "faulty", "isolation": "in-process", "allow_from": ["42"], "settings": settings });
    home.write_config(&ConfigFile::default().channel("sick", entry).text());
    let plugins = home.plugins(&["faulty"]);
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    (home, platform, gateway)
}

#[test]
fn a_deadly_fault_in_the_gateways_process_ends_it_as_it_would_any() {
    for (fault, at, codes) in [
        ("segfault", "receive", &[128 + SIGSEGV][..]),
        ("abort", "thread", &[128 + SIGABRT]),
        ("exit", "create", &[0]),
        ("stack_overflow", "start", &[128 + SIGSEGV, 128 + SIGABRT]),
    ] {
        let (_home, platform, gateway) = faulty(fault, at);
        let finished = gateway.wait();
        assert!(codes.contains(&finished.code()), "{fault}: {finished:?}");
        assert_eq!(platform.faults(), 1, "{fault}");
    }
}

#[test]
fn a_fault_that_passes_leaves_a_channel_that_works() {
    for (fault, at) in [
        ("panic", "receive"),
        ("flood_log", "message"),
        ("flood_progress", "start"),
        ("flood_inbound", "accepted"),
        ("flood_stdout", "sent"),
        ("memory_hog", "send"),
    ] {
        let amount = if fault == "memory_hog" { 1 << 23 } else { 2_000 };
        let pair = Pair::start(
            "faulty",
            json!({ "fault": fault, "at": at, "times": 1, "amount": amount }),
        );
        pair.sick
            .wait_for_calls("receive", if at == "receive" { 2 } else { 1 });
        pair.sick.deliver("9", "1", "42", "hi");
        assert_eq!(pair.sick.wait_for_sent(1)[0].1, "re: hi [n=1]", "{fault}");
        pair.sick.wait_for_faults(1);
        pair.assert_healthy(1);
        pair.gateway.stop().expect_code(0);
    }
}

#[test]
fn a_library_that_cannot_be_loaded_is_refused_with_the_reason() {
    let home = Home::empty();
    let newer = Library::of("loopback").speaking_api([0, 2, 0]);
    let abort = Library::of("loopback").aborting_on_panic();
    let aborts = Library::of("faulty").failing_at_load(LoadFault::Abort, false);
    for (library, reason) in [
        (newer, "built for plugin API 0.2,"),
        (abort, "panic = \"abort\""),
        (aborts, "crashed a trial load"),
        (Library::of("misfit"), "its layout differs from this host's"),
    ] {
        let plugins = home.plugins(&[]);
        let file = library.put(&plugins);
        let entry =
            json!({ "plugin": if reason.contains("trial") { "faulty" } else { "misfit" }, "settings": {} });
        home.write_config(&ConfigFile::default().channel("local", entry).text());
        let gateway = Command::new(&home, &["gateway", "--plugins"])
            .arg(&plugins)
            .start();
        let line = gateway.wait_for_line(reason);
        assert!(line.contains(file.to_str().unwrap()), "{line}");
        gateway.wait_for_line("no channel runs");
        gateway.stop();
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn without_a_sandbox_the_prober_may_do_most_of_what_it_tries_and_harms_nothing() {
    const ALWAYS: [&str; 12] = [
        "read_config",
        "write_spool",
        "write_cache",
        "list_home",
        "unlink",
        "rename",
        "fork",
        "exec_shell",
        "signal_parent",
        "bind_tcp",
        "connect_control",
        "personality",
    ];
    let (home, platform) = (Home::empty(), Platform::start());
    let settings = miniclaw_tests::prober::settings(&home, &platform);
    let entry = json!({ "plugin": "prober", "isolation": "in-process", "settings": settings });
    home.write_config(&ConfigFile::default().channel("probe", entry).text());
    let plugins = home.plugins(&["prober"]);
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    gateway.wait_for_line(READY);
    let outcomes = miniclaw_tests::prober::try_everything(&platform);
    assert!(outcomes.len() >= 90, "{}", outcomes.len());
    for outcome in &outcomes {
        println!("{}: {}", outcome.action, outcome.end);
        assert!(!outcome.end.contains("no such"), "{outcome:?}");
    }
    for action in ALWAYS {
        let outcome = outcomes.iter().find(|outcome| outcome.action == action);
        assert!(
            outcome.is_some_and(|outcome| outcome.end == "allowed"),
            "{outcome:?}"
        );
    }
    gateway.stop().expect_code(0);
}
