//! What is in the store is reached beside a configuration that cannot be used.

use std::path::Path;

use miniclaw_tests::Command;
use serde_json::json;

use crate::setup::World;

const WARNING: &str = "warning: the configuration cannot be used";

fn reached(world: &World, arguments: &[&str], told: &str) {
    let finished = Command::new(&world.home, arguments).run();
    let (out, error) = (&finished.expect_code(0).stdout, &finished.stderr);
    assert!(out.contains(told), "{arguments:?}: {out}");
    assert!(error.contains(WARNING), "{arguments:?}: {error}");
}

/// A gateway that answered one message and ended, with its workspace at `elsewhere` in the home folder.
fn answered() -> World {
    let world = World::with(|config| config.with("/workspace_path", json!("elsewhere")));
    let gateway = world.start();
    world.say(7, "hello", 1);
    gateway.stop().expect_code(0);
    world
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_store_is_read_saved_and_put_back_beside_a_broken_configuration() {
    let world = answered();
    world
        .home
        .write_config(r#"{ "chanels": {}, "workspace_path": "elsewhere" }"#);
    let (file, saved) = (world.home.root().join("saved"), world.home.root().join("sound"));
    reached(&world, &["backup", text(&file)], "1 sessions");
    reached(&world, &["sessions", "list"], "telegram_7");
    reached(&world, &["sessions", "show", "telegram_7"], "user: hello");
    reached(&world, &["queue", "list"], "nothing waits");
    reached(&world, &["trace", "1"], "accepted as message");
    reached(&world, &["pairing", "list"], "nobody asks");
    reached(&world, &["spool", "check"], "sound");
    reached(&world, &["spool", "salvage", "--to", text(&saved)], "");
    reached(&world, &["sessions", "delete", "telegram_7"], "deleted");
    reached(
        &world,
        &["restore", "--force", text(&file)],
        "restored 1 sessions",
    );
    reached(&world, &["sessions", "show", "telegram_7"], "user: hello");
    let kept = world.home.miniclaw().join("elsewhere/sessions");
    assert!(kept.is_dir() && !world.home.miniclaw().join("workspace/sessions").exists());
}

#[test]
fn conversations_whose_folder_is_not_told_are_not_guessed() {
    let world = answered();
    world.home.write_config(r#"{ "workspace_path": "elsewhere", "#);
    let file = world.home.root().join("saved");
    let commands: [&[&str]; 4] = [
        &["backup", text(&file)],
        &["restore", text(&file)],
        &["sessions", "list"],
        &["spool", "salvage"],
    ];
    for command in commands {
        let refused = Command::new(&world.home, command).run();
        let error = &refused.expect_code(78).stderr;
        assert!(
            error.contains("does not tell where the workspace is")
                && error.contains("MINICLAW__WORKSPACE_PATH"),
            "{command:?}: {error}"
        );
    }
    reached(&world, &["spool", "check"], "sound");
    let named = world.home.miniclaw().join("elsewhere");
    let made = Command::new(&world.home, &["backup", text(&file)])
        .env("MINICLAW__WORKSPACE_PATH", text(&named))
        .run();
    assert!(
        made.expect_code(0).stdout.contains("1 sessions"),
        "{}",
        made.stdout
    );
}
