//! Messages that belong together are answered as one.

use miniclaw_tests::fake_telegram::Injection;
use miniclaw_tests::{Command, until};
use serde_json::json;

use crate::setup::{USER, World, texts};

fn edited(chat: i64, id: i64, text: &str, seconds: i64) -> String {
    json!({
        "message_id": id, "date": 1_700_000_000, "edit_date": 1_700_000_000 + seconds, "text": text,
        "chat": { "id": chat, "type": "private" }, "from": { "id": USER, "is_bot": false, "first_name": "Ann" },
    })
    .to_string()
}

fn photo(chat: i64, id: i64, group: &str, caption: &str) -> String {
    json!({
        "message_id": id, "date": 1_700_000_000, "caption": caption, "media_group_id": group,
        "photo": [{ "file_id": format!("photo{id}"), "file_unique_id": "u", "width": 90, "height": 90 }],
        "chat": { "id": chat, "type": "private" }, "from": { "id": USER, "is_bot": false, "first_name": "Ann" },
    })
    .to_string()
}

/// Waits until the gateway has confirmed all that Telegram holds.
fn taken(world: &World) {
    until("everything to be taken", || world.telegram.unconfirmed() == 0);
}

#[test]
fn an_edit_replaces_its_message_while_that_waits() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.telegram.inject(7, USER, "first");
    world.model.wait_for_in_flight(1);
    let id = world.telegram.inject(7, USER, "secnod");
    world.telegram.inject(7, USER, "third");
    for (text, seconds) in [("second", 5), ("second!", 6)] {
        world
            .telegram
            .inject_raw(&format!("\"edited_message\":{}", edited(7, id, text, seconds)));
    }
    taken(&world);
    world.model.release();
    let replies = world.telegram.wait_for_replies_to(7, 3);
    assert_eq!(
        texts(&replies),
        ["re: first [n=1]", "re: second! [n=3]", "re: third [n=5]"]
    );
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.sent_count(), 3);
}

#[test]
fn an_edit_replaces_its_message_after_a_kill_too() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.telegram.inject(7, USER, "first");
    world.model.wait_for_in_flight(1);
    let id = world.telegram.inject(7, USER, "secnod");
    world
        .telegram
        .inject_raw(&format!("\"edited_message\":{}", edited(7, id, "second", 5)));
    taken(&world);
    gateway.kill();
    world.model.release();
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(texts(&replies), ["re: first [n=1]", "re: second [n=3]"]);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.sent_count(), 2);
}

#[test]
fn the_parts_of_an_album_are_one_message() {
    let world = World::new();
    let gateway = world.start();
    for (id, caption) in [(901, "look at these"), (902, ""), (903, "")] {
        world
            .telegram
            .inject_raw(&format!("\"message\":{}", photo(7, id, "album", caption)));
    }
    world.telegram.wait_for_replies_to(7, 1);
    let asked = world.model.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].last_user().starts_with("look at these"), "{asked:?}");
    assert_eq!(asked[0].last_user().matches("image").count(), 3, "{asked:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn messages_in_quick_succession_are_one_turn_where_that_is_wanted() {
    let world = World::with(|config| config.with("/channels/telegram/debounce_ms", json!(1_500)));
    let gateway = world.start();
    let messages = ["one", "two", "three"].map(|text| Injection::text(7, USER, text));
    world.telegram.inject_all(&messages);
    assert_eq!(
        world.telegram.wait_for_replies_to(7, 1)[0].text,
        "re: one\ntwo\nthree [n=1]"
    );
    // A command is not held up, and ends the wait of what stands before it.
    world
        .telegram
        .inject_all(&["four", "/new"].map(|text| Injection::text(7, USER, text)));
    let replies = world.telegram.wait_for_replies_to(7, 3);
    assert_eq!(
        texts(&replies)[1..],
        ["re: four [n=3]", "This is a new conversation."]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn by_default_quick_messages_are_answered_one_by_one() {
    let world = World::new();
    let gateway = world.start();
    let messages = ["one", "two"].map(|text| Injection::text(7, USER, text));
    world.telegram.inject_all(&messages);
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(texts(&replies), ["re: one [n=1]", "re: two [n=3]"]);
    gateway.stop().expect_code(0);
}

#[test]
fn an_edit_that_does_not_name_the_album_of_its_message_holds_nothing_up() {
    let world = World::new();
    let gateway = world.start();
    world
        .telegram
        .inject_raw(&format!("\"message\":{}", photo(7, 901, "album", "lokk")));
    world
        .telegram
        .inject_raw(&format!("\"edited_message\":{}", edited(7, 901, "look", 5)));
    let replies = world.telegram.wait_for_replies_to(7, 1);
    assert!(replies[0].text.starts_with("re: look"), "{replies:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_message_is_answered_though_the_one_that_joined_it_is_dropped() {
    let world = World::with(|config| config.with("/channels/telegram/debounce_ms", json!(3_000)));
    let gateway = world.start();
    world
        .telegram
        .inject_all(&["one", "two"].map(|text| Injection::text(7, USER, text)));
    taken(&world);
    Command::new(&world.home, &["queue", "drop", "2"])
        .run()
        .expect_code(0);
    assert_eq!(world.telegram.wait_for_replies_to(7, 1)[0].text, "re: one [n=1]");
    gateway.stop().expect_code(0);
}
