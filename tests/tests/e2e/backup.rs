use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, ConfigFile, Home};
use serde_json::{Value, json};

use crate::setup::{USER, World, first_answers, line, texts};

fn run(home: &Home, arguments: &[&str]) -> Finished {
    Command::new(home, arguments).run()
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap()
}

fn spool(home: &Home) -> std::path::PathBuf {
    home.miniclaw().join("state/spool.db")
}

/// Overwrites the middle third of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let third = bytes.len() / 3;
    bytes[third..2 * third].fill(0xab);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_backup_under_load_is_restored_elsewhere_and_what_was_pending_is_answered() {
    let (chats, each) = (100..120, 5);
    let world = World::with(|config| config.with("/sessions/checkpoint_interval", json!("1s")));
    let gateway = world.start();
    world.say(7, "first", 1);
    world.model.hold();
    world.flood(chats.clone(), each);
    world.model.wait_for_in_flight(20);
    world.telegram.wait("the last confirmation", |ledger| {
        ledger
            .polls
            .last()
            .is_some_and(|poll| poll.offset > 5_100)
            .then_some(())
    });
    let file = world.home.root().join("backup");
    let path = file.to_str().unwrap();
    let made = run(&world.home, &["backup", path, "--json"]);
    made.expect_code(0);
    assert_eq!(json_of(&made)["pending"], 100);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(&world.home, &["backup", path]);
    again.expect_code(1);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    let refused = run(&world.home, &["restore", path]);
    refused.expect_code(1);
    assert!(
        refused.stderr.contains(&gateway.pid().to_string()),
        "{}",
        refused.stderr
    );
    gateway.kill();

    let config = ConfigFile::standard(&world.telegram, &world.model, &[USER]);
    let other = World {
        home: Home::with(&config),
        telegram: world.telegram,
        model: world.model,
    };
    run(&other.home, &["restore", path]).expect_code(0);
    other.model.release();
    let gateway = other.start();
    other.wait_for_flood(chats.clone(), each);
    assert_eq!(other.say(7, "second", 2), "re: second [n=3]");
    gateway.stop().expect_code(0);
    for chat in chats {
        let expected: Vec<String> = (0..each).map(|index| line(chat, index)).collect();
        assert_eq!(first_answers(&other.telegram.sent_to(chat)), expected);
    }
}

#[test]
fn a_damaged_spool_is_refused_with_the_command_that_saves_it() {
    let world = World::new();
    let gateway = world.start();
    for chat in 0..40 {
        world.telegram.inject(chat + 1, USER, "hello");
    }
    world.telegram.wait_for_replies(40);
    gateway.stop().expect_code(0);
    run(&world.home, &["spool", "check"]).expect_code(0);
    damage(&spool(&world.home));

    let refused = Command::new(&world.home, &["gateway"]).run();
    refused.expect_code(1);
    assert!(
        refused.stderr.contains("miniclaw spool salvage"),
        "{}",
        refused.stderr
    );
    let checked = run(&world.home, &["spool", "check", "--json"]);
    checked.expect_code(1);
    assert_eq!(json_of(&checked)["sound"], false);
    let saved = run(&world.home, &["spool", "salvage", "--json"]);
    saved.expect_code(0);
    let aside = json_of(&saved)["moved_aside"][0].as_str().unwrap().to_owned();
    assert!(Path::new(&aside).join("spool.db").exists(), "{aside}");
    run(&world.home, &["spool", "check"]).expect_code(0);

    let gateway = world.start();
    assert_eq!(texts(&world.telegram.sent_to(3)), ["re: hello [n=1]"]);
    assert_eq!(world.say(3, "again", 2), "re: again [n=3]");
    gateway.stop().expect_code(0);
}

#[test]
fn a_restore_over_a_state_needs_force_and_keeps_it() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "one", 1);
    let file = world.home.root().join("backup");
    let path = file.to_str().unwrap();
    run(&world.home, &["backup", path]).expect_code(0);
    world.say(7, "two", 2);
    gateway.stop().expect_code(0);
    let refused = run(&world.home, &["restore", path]);
    refused.expect_code(1);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    let restored = run(&world.home, &["restore", path, "--force"]);
    restored.expect_code(0);
    assert!(restored.stdout.contains("before-restore-"), "{}", restored.stdout);
    let shown = run(&world.home, &["sessions", "show", "telegram_7"]);
    assert!(
        shown.stdout.contains("one") && !shown.stdout.contains("two"),
        "{}",
        shown.stdout
    );
}

#[test]
fn nothing_to_back_up_and_a_file_that_is_no_backup_are_told() {
    let home = Home::empty();
    let made = run(&home, &["backup", "backup"]);
    made.expect_code(1);
    assert!(made.stderr.contains("nothing to do"), "{}", made.stderr);
    let checked = run(&home, &["spool", "check"]);
    checked.expect_code(0);
    let file = home.root().join("text");
    fs::write(&file, "text").unwrap();
    let restored = run(&home, &["restore", file.to_str().unwrap()]);
    restored.expect_code(1);
    assert!(restored.stderr.contains("text"), "{}", restored.stderr);
}

#[test]
fn a_backup_replaces_no_file_of_the_gateway_and_nothing_but_a_backup() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "one", 1);
    let own = [
        world.home.miniclaw().join("state").join("spool.db"),
        world.home.miniclaw().join("state").join("other"),
        world.home.session("telegram", 7),
    ];
    for target in own {
        let refused = Command::new(&world.home, &["backup", "--force"])
            .arg(&target)
            .run();
        assert!(
            refused.expect_code(1).stderr.contains("gateway's own files"),
            "{refused:?}"
        );
    }
    let config = world.home.root().join(".miniclaw/config.json");
    let refused = Command::new(&world.home, &["backup", "--force"])
        .arg(&config)
        .run();
    assert!(
        refused.expect_code(1).stderr.contains("no backup of miniclaw"),
        "{refused:?}"
    );
    world.say(7, "two", 2);
    gateway.stop().expect_code(0);
}
