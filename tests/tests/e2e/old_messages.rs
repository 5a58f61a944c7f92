use miniclaw_tests::fake_telegram::Injection;
use serde_json::json;

use crate::setup::{USER, World, answered, line, texts};

const CHATS: std::ops::Range<i64> = 100..150;
const HOURS: u64 = 5 * 3600;

/// What people wrote while Telegram was down, five hours old, all at once: `each` in every chat.
fn backlog(world: &World, each: usize) {
    let messages: Vec<_> = (0..each)
        .flat_map(|index| CHATS.map(move |chat| Injection::text(chat, USER, line(chat, index)).aged(HOURS)))
        .collect();
    world.telegram.inject_all(&messages);
}

#[test]
fn five_thousand_old_messages_get_one_note_in_each_chat_and_fresh_ones_are_answered() {
    let world = World::with(|config| config.with("/gateway/max_message_age", json!("2h")));
    backlog(&world, 100);
    let gateway = world.start();
    world.telegram.inject(100, USER, "and this is fresh");
    let replies = world.telegram.wait_for_replies(CHATS.count() + 1);
    for chat in CHATS {
        let sent = world.telegram.sent_to(chat);
        assert!(sent[0].text.contains("more than 2h ago"), "{}", sent[0].text);
    }
    assert_eq!(world.telegram.sent_to(100)[1].text, "re: and this is fresh [n=1]");
    assert_eq!(replies.len(), 51);
    // Nothing follows: whatever was taken before this is dealt with before this.
    world.say(200, "last", 1);
    assert_eq!(world.telegram.ledger().sent.len(), 52);
    assert_eq!(world.model.asked().len(), 2);
    gateway.stop().expect_code(0);
}

#[test]
fn without_a_limit_all_old_messages_are_answered_in_order() {
    let world = World::new();
    let each = 20;
    backlog(&world, each);
    let gateway = world.start();
    world.telegram.wait_for_replies(CHATS.count() * each);
    for chat in CHATS {
        let sent = world.telegram.sent_to(chat);
        let expected: Vec<_> = (0..each).map(|index| line(chat, index)).collect();
        assert_eq!(sent.iter().map(answered).collect::<Vec<_>>(), expected);
    }
    gateway.stop().expect_code(0);
}

#[test]
fn notes_about_old_messages_are_told_once_over_a_restart_of_the_gateway_too() {
    let world = World::with(|config| config.with("/gateway/max_message_age", json!("2h")));
    let gateway = world.start();
    let old = |text: &str| {
        world
            .telegram
            .inject_all(&[Injection::text(7, USER, text).aged(HOURS)])
    };
    old("one");
    world.telegram.wait_for_replies_to(7, 1);
    old("two");
    world.say(8, "hi", 1);
    assert_eq!(texts(&world.telegram.sent_to(7)).len(), 1);
    gateway.kill();
    world.telegram.clear_ledger();
    // What was not confirmed comes again, and is known.
    let gateway = world.start();
    world.say(8, "hi again", 1);
    assert_eq!(texts(&world.telegram.sent_to(7)), Vec::<&str>::new());
    gateway.stop().expect_code(0);
}
