//! A home whose path is longer than a socket's may be.

use std::os::unix::fs::PermissionsExt;

use miniclaw_tests::watched::until;
use miniclaw_tests::{Command, Home};

use crate::setup::World;

#[test]
fn a_gateway_in_a_folder_with_a_long_name_is_reached() {
    let parent = tempfile::tempdir().unwrap();
    let deep = parent.path().join("d".repeat(200));
    std::fs::create_dir(&deep).unwrap();
    let World {
        home,
        telegram,
        model,
    } = World::new();
    let long = Home::empty_in(&deep);
    long.write_config(&std::fs::read_to_string(home.config()).unwrap());
    let world = World {
        home: long,
        telegram,
        model,
    };
    let gateway = world.start();
    let status = Command::new(&world.home, &["status"]).run();
    let out = &status.expect_code(0).stdout;
    assert!(out.contains("channel telegram: running"), "{out}");
    let socket = world.home.miniclaw().join("state/control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let logs = Command::new(&world.home, &["logs", "-f"]).start();
    until("the log", || logs.stdout().contains("Plugin running"));
    let stopped = Command::new(&world.home, &["stop"]).run();
    assert!(stopped.expect_code(0).stdout.contains("has stopped"));
    gateway.wait().expect_code(0);
    assert!(logs.wait().expect_code(0).stdout.contains("Plugin running"));
    assert!(!socket.exists());
}
