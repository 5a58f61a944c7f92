use std::os::unix::fs::PermissionsExt;

use miniclaw_tests::gateway::write_private;
use miniclaw_tests::until;
use serde_json::json;

use crate::setup::World;

#[test]
fn a_session_is_saved_at_shutdown_and_loaded_after_it() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "my name is Ada", 1), "re: my name is Ada [n=1]");
    gateway.stop().expect_code(0);

    let file = world.home.session("telegram", 7);
    let text = std::fs::read_to_string(&file).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert!(text.contains("my name is Ada"), "{text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let folder = world.home.sessions().metadata().unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);

    let gateway = world.start();
    assert_eq!(world.say(7, "who am I?", 2), "re: who am I? [n=3]");
    let asked = world.model.asked().remove(1);
    let history: Vec<&str> = asked.conversation().map(|turn| turn.content.as_str()).collect();
    assert_eq!(
        history,
        ["my name is Ada", "re: my name is Ada [n=1]", "who am I?"]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_session_is_saved_while_the_gateway_runs() {
    let world = World::with(|config| config.with("/sessions/checkpoint_interval", json!("1s")));
    let gateway = world.start();
    world.say(7, "save me", 1);
    let file = world.home.session("telegram", 7);
    until("a checkpoint", || file.exists());
    gateway.stop().expect_code(0);
}

#[test]
fn a_history_keeps_the_latest_messages_only() {
    let world = World::with(|config| config.with("/sessions/history", json!(4)));
    let gateway = world.start();
    for index in 0..5 {
        world.say(7, &format!("message {index}"), index + 1);
    }
    let asked = world.model.asked().remove(4);
    let history: Vec<&str> = asked.users().collect();
    assert!(asked.conversation().count() <= 5, "{asked:?}");
    assert_eq!(history.last(), Some(&"message 4"));
    assert!(!history.contains(&"message 0"), "{history:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_corrupt_session_file_is_set_aside_and_the_chat_goes_on() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "hi", 1);
    gateway.stop().expect_code(0);
    write_private(&world.home.session("telegram", 7), b"{ this is no session");

    let gateway = world.start();
    assert!(world.say(7, "again", 2).starts_with("re: again"));
    gateway.wait_for_line("telegram_7");
    gateway.stop().expect_code(0);
    let kept = world
        .home
        .sessions()
        .read_dir()
        .unwrap()
        .flatten()
        .any(|entry| std::fs::read(entry.path()).is_ok_and(|bytes| bytes == b"{ this is no session"));
    assert!(kept);
}

#[test]
fn ten_thousand_session_files_and_a_broken_one_do_not_hold_up_the_start() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "hi", 1);
    gateway.stop().expect_code(0);
    let saved = std::fs::read(world.home.session("telegram", 7)).unwrap();
    for chat in 10_000..20_000 {
        write_private(&world.home.session("telegram", chat), &saved);
    }
    write_private(&world.home.session("telegram", 9_999), &[0xff; 100]);

    let gateway = world.start();
    let counted = gateway.wait_for_line("Sessions found");
    assert!(counted.contains("=1000"), "{counted}");
    assert_eq!(world.say(7, "again", 2), "re: again [n=3]");
    assert!(world.say(9_999, "hi", 1).starts_with("re: hi"));
    assert!(world.say(10_005, "hi", 1).starts_with("re: hi"));
    gateway.stop().expect_code(0);
}
