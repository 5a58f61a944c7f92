use serde_json::{Value, json};

use crate::setup::{USER, World, texts};

const GROUP: i64 = -100;
/// A group that the configuration does not name.
const OTHER: i64 = -200;
/// Of the fake's token.
const BOT: i64 = 123_456_789;

/// The group is allowed, by the default rules.
fn world() -> World {
    World::with(|config| config.with("/channels/telegram/groups", json!({ "allow": [GROUP] })))
}

/// A message in a group with more members.
fn say(world: &World, chat: i64, user: i64, id: i64, text: &str, more: Value) {
    let mut message = json!({ "message_id": id, "date": 1, "text": text,
        "from": { "id": user, "is_bot": false, "first_name": "U" },
        "chat": { "id": chat, "type": "supergroup", "title": "G", "is_forum": true } });
    for (key, value) in more.as_object().expect("it is an object") {
        message[key] = value.clone();
    }
    world.telegram.inject_raw(&format!("\"message\":{message}"));
}

/// The same to the bot by its name.
fn mention(world: &World, chat: i64, user: i64, id: i64) {
    let entities = json!({ "entities": [{ "type": "mention", "offset": 0, "length": 9 }] });
    say(world, chat, user, id, "@fake_bot hi", entities);
}

#[test]
fn a_group_is_answered_where_both_lists_name_it_and_somebody_names_the_bot() {
    let world = world();
    let gateway = world.start();
    say(&world, GROUP, USER, 1, "not for the bot", json!({}));
    mention(&world, GROUP, 666, 2);
    mention(&world, OTHER, USER, 3);
    mention(&world, OTHER, USER, 4);
    mention(&world, GROUP, USER, 5);
    let replies = world.telegram.wait_for_replies(1);
    assert_eq!((replies[0].chat, replies[0].reply_to), (GROUP, Some(5)));
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let named = gateway.lines_with("not in the list");
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].contains("group=-200") && named[0].contains("channels.telegram.groups.allow"));
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 2);
    assert_eq!(world.model.asked().len(), 2);
    assert!(!world.home.holds("not for the bot"));
    assert!(!world.home.session("telegram", OTHER).exists());
}

#[test]
fn in_a_group_a_command_counts_with_the_name_of_the_bot_alone() {
    let world = world();
    let gateway = world.start();
    let command = |length| json!({ "entities": [{ "type": "bot_command", "offset": 0, "length": length }] });
    say(&world, GROUP, USER, 1, "/new", command(4));
    say(&world, GROUP, USER, 2, "/new@other_bot", command(14));
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    assert!(world.telegram.sent_to(GROUP).is_empty());
    say(&world, GROUP, USER, 3, "/new@fake_bot", command(13));
    assert_eq!(world.telegram.wait_for_replies_to(GROUP, 1).len(), 1);
    gateway.stop().expect_code(0);
    assert_eq!(world.model.asked().len(), 1);
}

#[test]
fn an_answer_to_the_bot_in_a_topic_is_answered_in_that_conversation() {
    let world = world();
    let gateway = world.start();
    let bot = json!({ "id": BOT, "is_bot": true, "first_name": "Fake", "username": "fake_bot" });
    let replied = json!({ "message_id": 8, "date": 1, "from": bot, "text": "re",
        "chat": { "id": GROUP, "type": "supergroup" } });
    let more = json!({ "message_thread_id": 5, "is_topic_message": true, "reply_to_message": replied });
    say(&world, GROUP, USER, 9, "and then?", more);
    let replies = world.telegram.wait_for_replies_to(GROUP, 1);
    assert_eq!(replies[0].reply_to, Some(9));
    gateway.stop().expect_code(0);
    assert!(world.home.sessions().join("telegram_-100_5.json").exists());
}

#[test]
fn groups_follow_the_configuration_while_the_gateway_runs() {
    let world = World::new();
    let gateway = world.start();
    mention(&world, GROUP, USER, 1);
    gateway.wait_for_line("not in the list");
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]);
    let groups = json!({ "allow": [GROUP], "require_mention": false });
    let config = config.with("/channels/telegram/groups", groups);
    world.home.write_config(&config.text());
    gateway.hang_up();
    gateway.wait_for_line("Configuration reloaded");
    say(&world, GROUP, USER, 2, "hi all", json!({}));
    let replies = world.telegram.wait_for_replies_to(GROUP, 1);
    assert_eq!(texts(&replies), ["re: U: hi all [n=1]"]);
    gateway.stop().expect_code(0);
}

#[test]
fn a_mention_in_the_caption_of_an_album_counts_for_all_its_pictures() {
    let world = world();
    let picture = |id: i64| {
        json!({ "text": null, "media_group_id": "album",
            "photo": [{ "file_id": format!("photo{id}"), "file_unique_id": "u", "width": 90, "height": 90 }] })
    };
    // All of them come with the first poll.
    say(&world, GROUP, USER, 1, "", picture(1));
    let mut captioned = picture(2);
    captioned["caption"] = json!("/look@fake_bot at these");
    captioned["caption_entities"] = json!([{ "type": "bot_command", "offset": 0, "length": 14 }]);
    say(&world, GROUP, USER, 2, "", captioned);
    say(&world, GROUP, USER, 3, "", picture(3));
    let gateway = world.start();
    world.telegram.wait_for_replies_to(GROUP, 1);
    let asked = world.model.asked();
    let heard = asked[0].last_user();
    assert_eq!(heard.matches("image").count(), 3, "{heard}");
    // What comes with another poll belongs to it as well.
    say(&world, GROUP, USER, 4, "", picture(4));
    world.telegram.wait_for_replies_to(GROUP, 2);
    gateway.stop().expect_code(0);
    assert_eq!(world.model.asked().len(), 2);
}
