//! Libraries that cannot be loaded, or that fail while they are, beside one that works.

use miniclaw_tests::libraries::{Library, LoadFault};
use miniclaw_tests::{ConfigFile, Gateway, Home, Platform, procfs, until, ward};
use serde_json::json;

/// A gateway with the fixture `loopback` and another library.
fn beside(library: &Library, plugin: &str) -> (Home, Platform, Gateway) {
    let (home, healthy) = (Home::empty(), Platform::start());
    let plugins = home.plugins(&["loopback"]);
    library.put(&plugins);
    let settings = json!({ "platform": healthy.address(), "fault": "hang", "at": "create" });
    let entry = |plugin: &str| json!({ "plugin": plugin, "allow_from": ["42"], "settings": settings });
    let config = ConfigFile::default()
        .with("/gateway/restart_backoff", json!("1ms"))
        .provider("model", json!({ "plugin": "echo" }))
        .channel("healthy", entry("loopback"))
        .channel("sick", entry(plugin));
    home.write_config(&config.text());
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    healthy.wait_for_calls("receive", 1);
    (home, healthy, gateway)
}

/// Shows that the sibling works, and ends the gateway.
fn assert_sibling(healthy: &Platform, gateway: Gateway) {
    healthy.post("7", "1", "hi");
    assert_eq!(healthy.wait_for_sent(1).len(), 1);
    assert_eq!(healthy.calls("create"), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_library_that_fails_while_it_is_loaded_fails_in_its_own_process() {
    for (fault, reason) in [
        (LoadFault::Segfault, "SIGSEGV"),
        (LoadFault::Abort, "SIGABRT"),
        (LoadFault::Exit, "it exited with status 0"),
    ] {
        let library = Library::of("faulty").failing_at_load(fault, true);
        let (home, healthy, gateway) = beside(&library, "faulty");
        gateway.wait_for_line("is quarantined");
        let state = ward::state_of(&home, "sick");
        assert!(
            state["state"] == "quarantined" && state["reason"].as_str().unwrap().contains(reason),
            "{state}"
        );
        assert_sibling(&healthy, gateway);
    }
}

#[test]
fn a_library_that_hangs_while_it_is_loaded_is_killed_and_no_orphan() {
    let library = Library::of("faulty").failing_at_load(LoadFault::Hang, true);
    let (_home, healthy, gateway) = beside(&library, "faulty");
    // It is neither running nor over.
    let children = procfs::children(gateway.pid());
    assert_eq!(children.len(), 2, "{children:?}");
    assert_sibling(&healthy, gateway);
    until("the end of all children", || {
        !children.iter().any(|pid| procfs::runs(*pid))
    });
    let (_home, _healthy, gateway) = beside(&library, "faulty");
    let children = procfs::children(gateway.pid());
    gateway.kill();
    until("the end of all children", || {
        !children.iter().any(|pid| procfs::runs(*pid))
    });
}

#[test]
fn a_library_of_another_kind_is_refused_and_its_sibling_works() {
    for (library, plugin, reason) in [
        (
            Library::of("faulty").speaking_api([0, 2, 0]),
            "faulty",
            "built for plugin API 0.2,",
        ),
        (
            Library::of("faulty").aborting_on_panic(),
            "faulty",
            "panic = \"abort\"",
        ),
        (
            Library::of("misfit"),
            "misfit",
            "its layout differs from this host's",
        ),
    ] {
        let (home, healthy, gateway) = beside(&library, plugin);
        gateway.wait_for_line(reason);
        assert_eq!(ward::state_of(&home, "sick")["state"], "failed");
        assert_sibling(&healthy, gateway);
    }
}
