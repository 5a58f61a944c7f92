use std::time::Duration;

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::{Answer, Sent};

use crate::setup::{USER, World};

/// A group, and the supergroup that it becomes.
const OLD: i64 = -7;
const NEW: i64 = -1_000_000_000_007;

/// Telegram's notice in the old group.
fn become_a_supergroup(world: &World) {
    world.telegram.inject_raw(&format!(
        r#""message":{{"message_id":900,"date":1,"chat":{{"id":{OLD},"type":"group"}},"migrate_to_chat_id":{NEW}}}"#
    ));
}

/// Telegram's notice in the new supergroup.
fn be_a_supergroup(world: &World) {
    world.telegram.inject_raw(&format!(
        r#""message":{{"message_id":1,"date":1,"chat":{{"id":{NEW},"type":"supergroup"}},"migrate_from_chat_id":{OLD}}}"#
    ));
}

#[test]
fn the_history_of_a_group_goes_on_in_its_supergroup_over_a_kill_too() {
    for notice in [become_a_supergroup, be_a_supergroup] {
        let world = World::in_groups(&[OLD]);
        let gateway = world.start();
        assert_eq!(world.say(OLD, "hi", 1), "re: User 42: hi [n=1]");
        notice(&world);
        assert_eq!(world.say(NEW, "still there", 1), "re: User 42: still there [n=3]");
        gateway.kill();
        let gateway = world.start();
        world.telegram.inject(NEW, USER, "and now");
        // The kill may repeat the send that it interrupted.
        world.telegram.wait("an answer that knows the history", |ledger| {
            let known = |sent: &&Sent| sent.chat == NEW && sent.text == "re: User 42: and now [n=5]";
            ledger.sent.iter().find(known).map(drop)
        });
        gateway.stop().expect_code(0);
        assert!(world.home.session("telegram", OLD).exists());
        assert!(!world.home.session("telegram", NEW).exists());
    }
}

#[test]
fn a_reply_that_waits_for_the_group_arrives_in_its_supergroup_over_a_kill_too() {
    for killed in [false, true] {
        let world = World::in_groups(&[OLD]);
        let gateway = world.start();
        // No answer of Telegram says where the group went: only the notice does.
        world
            .telegram
            .on("sendMessage")
            .chat(OLD)
            .answer(Answer::bad_gateway());
        world.telegram.inject(OLD, USER, "waiting");
        world.telegram.wait_for_calls("sendMessage", 1);
        become_a_supergroup(&world);
        world.say(8, "the notice was taken", 1);
        let gateway = if killed {
            gateway.kill();
            world.start()
        } else {
            gateway
        };
        let replies = world.telegram.wait_for_replies_to(NEW, 1);
        assert_eq!(
            (replies[0].text.as_str(), replies[0].reply_to),
            ("re: User 42: waiting [n=1]", None)
        );
        assert_eq!(world.say(NEW, "go on", 2), "re: User 42: go on [n=3]");
        gateway.stop().expect_code(0);
    }
}

#[test]
fn a_supergroup_that_only_a_refused_send_tells_of_goes_on_with_the_history() {
    let world = World::in_groups(&[OLD]);
    let refusal = format!(
        r#"{{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat",
            "parameters":{{"migrate_to_chat_id":{NEW}}}}}"#
    );
    world
        .telegram
        .on("sendMessage")
        .chat(OLD)
        .answer(Answer::raw(400, &refusal));
    let gateway = world.start();
    world.telegram.inject(OLD, USER, "hi");
    assert_eq!(
        world.telegram.wait_for_replies_to(NEW, 1)[0].text,
        "re: User 42: hi [n=1]"
    );
    assert_eq!(world.say(NEW, "still there", 2), "re: User 42: still there [n=3]");
    gateway.stop().expect_code(0);
}

#[test]
fn what_showed_an_answer_in_the_group_changes_no_message_of_its_supergroup() {
    let world = World::with(|config| {
        let groups = serde_json::json!({ "allow": [OLD], "require_mention": false });
        config
            .with("/channels/telegram/groups", groups)
            .with("/channels/telegram/streaming", serde_json::json!("edit"))
    });
    world
        .model
        .fail_about("slow", Fault::Paced(Duration::from_millis(400)));
    let gateway = world.start();
    world.telegram.inject(OLD, USER, "slow");
    world.telegram.wait_for_replies_to(OLD, 1);
    become_a_supergroup(&world);
    let replies = world.telegram.wait_for_replies_to(NEW, 1);
    assert_eq!(replies[0].text, "re: User 42: slow [n=1]");
    let edits = world.telegram.ledger().calls_of("editMessageText");
    assert!(edits.iter().all(|edit| edit.chat == Some(OLD)), "{edits:?}");
    gateway.stop().expect_code(0);
}
