use serde_json::{Value, json};

use crate::script::*;
use crate::setup::USER;

const GROUP: i64 = -1007;
const CHANNEL: i64 = -1009;

/// A message of the user in a private chat, with more members, or others; `null` takes one away.
fn message(id: i64, chat: i64, more: Value) -> Value {
    let mut message = json!({ "message_id": id, "date": 1_790_000_000,
        "from": { "id": USER, "is_bot": false, "first_name": "U" },
        "chat": { "id": chat, "type": if chat < 0 { "supergroup" } else { "private" }, "first_name": "U" } });
    for (key, value) in more.as_object().expect("it is an object") {
        message[key] = value.clone();
    }
    message
}

fn text(id: i64, chat: i64, text: &str) -> Value {
    message(id, chat, json!({ "text": text }))
}

/// The same, written by somebody else.
fn by(from: Value, id: i64, chat: i64, text: &str) -> Value {
    message(id, chat, json!({ "from": from, "text": text }))
}

fn user(id: i64) -> Value {
    json!({ "id": id, "is_bot": false, "first_name": "S" })
}

/// In the name of a chat; `from` is the stand-in that Telegram puts there.
fn in_the_name_of(speaker: i64, stand_in: i64, id: i64) -> Value {
    let more = json!({ "from": { "id": stand_in, "is_bot": true, "first_name": "Group" },
        "sender_chat": { "id": speaker, "type": "supergroup", "title": "G" }, "text": "who am I" });
    message(id, GROUP, more)
}

scripts! {
    gaps_in_the_ids_of_updates_lose_nothing:
        says(7, "a"), next_update_id(9_000), says(7, "b"), next_update_id(4_000_000_000), says(7, "c")
        => answered(7, ["a", "b", "c"]), confirmed();

    updates_out_of_order_are_all_answered_and_confirmed:
        next_update_id(6_005), said(7, "a"), next_update_id(6_001), said(8, "b"), next_update_id(6_003), said(9, "c")
        => answered(7, ["a"]), answered(8, ["b"]), answered(9, ["c"]), confirmed();

    a_message_that_comes_twice_in_one_batch_is_answered_once:
        given(|stage| {
            stage.world.telegram.inject_raw(&format!("\"message\":{}", text(900, 7, "once")));
            stage.world.telegram.inject_raw(&format!("\"message\":{}", text(900, 7, "once")));
        })
        => answered(7, ["once"]), asked(["once"]);

    a_message_that_comes_again_after_a_kill_is_answered_once:
        update("message", text(900, 7, "once")), until_sent(7, 1), until_confirmed(), is_killed(),
        update("message", text(900, 7, "once")), until_confirmed()
        => asked(["once"]);

    an_edited_message_is_answered_once_more_and_its_repetition_is_not:
        update("message", text(900, 7, "first")), until_sent(7, 1),
        update("edited_message", message(900, 7, json!({ "text": "second", "edit_date": 1_790_000_100 }))),
        update("edited_message", message(900, 7, json!({ "text": "second", "edit_date": 1_790_000_100 })))
        => answered(7, ["first", "second"]), asked(["first", "second"]);

    a_post_of_a_channel_that_nobody_allowed_is_passed_over:
        update("channel_post", json!({ "message_id": 1, "date": 1, "chat": { "id": CHANNEL, "type": "channel" }, "text": "news" }))
        => silent(CHANNEL), asked([]), confirmed();

    a_post_of_a_channel_that_is_allowed_is_answered:
        allowed(&[USER, CHANNEL]), in_groups(&[CHANNEL]),
        update("channel_post", json!({ "message_id": 1, "date": 1, "chat": { "id": CHANNEL, "type": "channel" }, "text": "news" }))
        => answered(CHANNEL, ["news"]);

    an_anonymous_admin_is_a_stranger:
        in_groups(&[GROUP]), update("message", in_the_name_of(GROUP, 1_087_968_824, 1)) => silent(GROUP), asked([]), confirmed();

    an_anonymous_admin_of_a_group_that_is_allowed_is_answered:
        allowed(&[USER, GROUP]), in_groups(&[GROUP]), update("message", in_the_name_of(GROUP, 1_087_968_824, 1))
        => answered(GROUP, ["G: who am I"]);

    a_channel_that_speaks_in_a_group_is_a_stranger_whoever_stands_in_for_it:
        in_groups(&[GROUP]), update("message", in_the_name_of(CHANNEL, 136_817_688, 1)), update("message", in_the_name_of(CHANNEL, USER, 2))
        => silent(GROUP), asked([]), confirmed();

    what_a_stranger_said_and_the_user_forwards_is_answered:
        update("message", message(1, 7, json!({ "text": "read this", "forward_date": 1,
            "forward_origin": { "type": "user", "date": 1, "sender_user": user(666) } })))
        => answered(7, ["[forwarded from S]\nread this"]);

    what_the_user_said_and_a_stranger_forwards_is_passed_over:
        update("message", message(1, 8, json!({ "text": "obey", "from": user(666), "forward_from": user(USER),
            "forward_origin": { "type": "user", "date": 1, "sender_user": user(USER) } })))
        => silent(8), asked([]), confirmed();

    a_stranger_who_answers_the_user_or_names_the_bot_is_passed_over:
        in_groups(&[GROUP]), update("message", message(1, GROUP, json!({ "text": "@fake_bot hi", "from": user(666),
            "entities": [{ "type": "mention", "offset": 0, "length": 9 }], "reply_to_message": text(0, GROUP, "x") })))
        => silent(GROUP), asked([]), confirmed();

    a_bot_and_a_message_of_nobody_are_strangers:
        in_groups(&[GROUP]), update("message", by(json!({ "id": 777, "is_bot": true, "first_name": "B" }), 1, GROUP, "beep")),
        update("message", by(Value::Null, 2, GROUP, "boo")), update("message", by(json!({}), 3, GROUP, "boo")),
        update("message", by(json!({ "id": "42" }), 4, GROUP, "boo")), stranger_says(8, "let me in")
        => silent(GROUP), silent(8), asked([]), confirmed();

    media_without_a_text_are_named_to_the_model:
        update("message", message(1, 7, json!({ "photo": [{ "file_id": "p", "width": 1, "height": 1 }] })))
        => asked(["[image, which could not be fetched]"]), confirmed();

    stickers_contacts_and_polls_are_named_to_the_model:
        update("message", message(1, 7, json!({ "sticker": { "emoji": "\u{1f600}" } }))), until_sent(7, 1),
        update("message", message(2, 7, json!({ "contact": { "first_name": "Ann", "phone_number": "+49 1" } }))), until_sent(7, 2),
        update("message", message(3, 7, json!({ "poll": { "question": "Tea?" } })))
        => answered(7, ["[sticker \u{1f600}]", "[contact: Ann, +49 1]", "[poll: Tea?]"]), confirmed();

    a_button_that_the_user_presses_is_answered_in_its_chat:
        update("callback_query", json!({ "id": "8", "from": user(USER), "data": "tea", "message": text(1, 7, "choose") })),
        update("callback_query", json!({ "id": "8", "from": user(USER), "data": "tea", "message": text(1, 7, "choose") })),
        update("callback_query", json!({ "id": "9", "from": user(666), "data": "no", "message": text(1, 8, "choose") }))
        => answered(7, ["tea"]), asked(["tea"]), silent(8), confirmed();

    what_says_nothing_is_confirmed_and_passed_over:
        update("message", message(1, 7, json!({ "new_chat_members": [user(1)] }))),
        update("message", message(2, 7, json!({ "pinned_message": { "message_id": 1 } }))),
        update("message", message(3, 7, json!({ "sticker": { "file_size": 5 } }))),
        update("message", message(4, 7, json!({ "text": "" }))), update("message", Value::Null)
        => silent(7), asked([]), confirmed();

    kinds_of_updates_that_nobody_asked_for_are_confirmed_and_passed_over:
        update("callback_query", json!({ "id": "1", "from": user(USER), "data": "x" })),
        update("my_chat_member", json!({ "chat": { "id": 7 }, "from": user(USER), "date": 1 })),
        update("message_reaction", json!([])), update("business_message", text(1, 7, "x")), update("poll", json!("?"))
        => silent(7), asked([]), confirmed();

    fields_of_the_wrong_type_lose_no_message:
        update("message", message(1, 7, json!({ "text": "odd", "date": "soon", "entities": 7, "photo": {}, "voice": [1],
            "reply_to_message": "x", "message_thread_id": 1e300, "is_topic_message": "yes", "quote": [], "sender_chat": 3,
            "forward_origin": null, "unheard_of": { "a": [{}] } })))
        => answered(7, ["odd"]), confirmed();

    ids_that_no_message_can_have_are_confirmed_and_passed_over:
        update("message", message(1, 7, json!({ "message_id": "1", "text": "a" }))),
        update("message", message(1, 7, json!({ "message_id": 1e30, "text": "a" }))),
        update("message", message(1, 7, json!({ "chat": { "id": "7" }, "text": "a" }))),
        update("message", message(1, 7, json!({ "chat": null, "text": "a" })))
        => silent(7), asked([]), confirmed();

    one_bad_update_among_a_hundred_costs_no_other_one:
        flood(100..149, 1), given(|stage| stage.world.telegram.inject_raw("\"message\":{\"chat\":[[[[]]]]}")),
        given(|stage| stage.world.telegram.inject_raw("\"message\":{}")), flood(150..200, 1)
        => flood_answered(100..149, 1), flood_answered(150..200, 1), confirmed();

    lone_surrogates_are_replaced_and_the_message_is_answered:
        raw(r#""message":{"message_id":1,"date":1,"from":{"id":42,"first_name":"\udc00"},"chat":{"id":7,"type":"private","title":"\ud83d"},"text":"a\ud800b \ud83d\ude00"}"#)
        => answered(7, ["a\u{fffd}b \u{1f600}"]), confirmed();

    nesting_that_is_deeper_than_any_parser_likes_is_skipped:
        raw(format!("\"message\":{{\"message_id\":1,\"from\":{{\"id\":42}},\"chat\":{{\"id\":7,\"type\":\"private\"}},\"x\":{}{},\"text\":\"deep\"}}",
            "[".repeat(5_000), "]".repeat(5_000)))
        => answered(7, ["deep"]), confirmed();

    a_message_of_a_hundred_thousand_characters_is_answered_in_full:
        says(7, "long ".repeat(20_000).trim())
        => joined(7, format!("re: {} [n=1]", "long ".repeat(20_000).trim()));

    direction_marks_and_control_characters_change_no_line_of_the_log:
        says(7, "\u{202e}evil\u{2066} \u{7}\u{1b}[31m\r\n2026-01-01 ERROR forged"), says(8, "\u{feff}\u{200b}\u{ad}x")
        => untold("forged"), untold("\u{1b}"), untold("\u{202e}"), confirmed();
}
