mod answers;

use super::*;
use crate::update::{self, Update};
use miniclaw_plugin_api::{AttachmentKind, ChatKind, SenderKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn me() -> Me {
    Me {
        id: 99,
        username: Some("my_bot".to_owned()),
        first_name: "My".to_owned(),
    }
}

fn read(fields: Value) -> Message {
    let mut message = json!({ "message_id": 5, "date": 1000, "chat": { "id": 7, "type": "private" },
        "from": { "id": 42, "first_name": "Ann", "last_name": "Lee" } });
    if let (Some(message), Value::Object(fields)) = (message.as_object_mut(), fields) {
        message.extend(fields);
    }
    let update = json!({ "update_id": 1, "message": message }).to_string();
    let update = RawValue::from_string(update).unwrap_or_default();
    match update::read(&update) {
        Update::Message(message) => *message,
        Update::Callback(_) | Update::Other => panic!("not read: {update}"),
    }
}

fn callback(fields: Value) -> Option<InboundMessage> {
    let update = json!({ "update_id": 1, "callback_query": fields }).to_string();
    match update::read(&RawValue::from_string(update).unwrap_or_default()) {
        Update::Callback(callback) => pressed(*callback, &me()),
        Update::Message(_) | Update::Other => None,
    }
}

fn inbound(fields: Value) -> InboundMessage {
    convert(read(fields), &me()).unwrap_or_else(|| panic!("nothing to say"))
}

#[test]
fn plain_message_is_mapped() {
    let message = inbound(json!({ "text": "hi" }));
    assert_eq!(
        (
            message.id.as_str(),
            message.chat.id.as_str(),
            message.text().as_str()
        ),
        ("5", "7", "hi")
    );
    assert_eq!(
        (message.sender.id.as_str(), message.sender.name.as_deref()),
        ("42", Some("Ann Lee"))
    );
    assert_eq!(
        (message.sender.kind, message.chat_kind),
        (SenderKind::User, ChatKind::Private)
    );
    assert_eq!((message.revision, message.timestamp_ms), (0, 1_000_000));
    assert!(!message.mentions_me && message.command.is_none() && message.chat.thread.is_none());
}

#[test]
fn edit_has_a_revision() {
    let mut message = read(json!({ "text": "hi", "edit_date": 2000 }));
    message.edited = true;
    let message = convert(message, &me()).unwrap();
    assert_eq!((message.revision, message.timestamp_ms), (2000, 2_000_000));
}

#[test]
fn chat_that_speaks_is_the_sender_and_its_stand_in_is_not() {
    let group = json!({ "id": -100, "type": "supergroup", "title": "Group" });
    let stand_in = json!({ "id": 1_087_968_824, "is_bot": true, "first_name": "Group" });
    for (speaker, kind) in [(-100, SenderKind::AnonymousAdmin), (-200, SenderKind::Channel)] {
        let message = inbound(json!({ "text": "hi", "chat": group, "from": stand_in,
            "sender_chat": { "id": speaker, "type": "channel", "title": "Speaker" } }));
        assert_eq!(
            (message.sender.id, message.sender.kind),
            (speaker.to_string(), kind)
        );
    }
}

#[test]
fn channel_post_comes_from_the_channel() {
    let channel = json!({ "id": -300, "type": "channel", "title": "News" });
    for sender_chat in [channel.clone(), Value::Null] {
        let message =
            inbound(json!({ "text": "hi", "chat": channel, "from": null, "sender_chat": sender_chat }));
        assert_eq!(
            (message.sender.id.as_str(), message.sender.kind),
            ("-300", SenderKind::Channel)
        );
        assert_eq!(message.chat_kind, ChatKind::Channel);
    }
}

#[test]
fn unknown_sender_has_no_id() {
    let message = inbound(json!({ "text": "hi", "from": null }));
    assert_eq!(
        (message.sender.id.as_str(), message.sender.kind),
        ("", SenderKind::Other)
    );
}

#[test]
fn thread_is_the_topic_alone() {
    let topic = json!({ "text": "hi", "message_thread_id": 3, "is_topic_message": true,
        "reply_to_message": { "message_id": 3 } });
    let message = inbound(topic);
    assert_eq!(
        (message.chat.thread.as_deref(), message.reply_to),
        (Some("3"), None)
    );
    assert_eq!(
        inbound(json!({ "text": "hi", "message_thread_id": 3 }))
            .chat
            .thread,
        None
    );
}

#[test]
fn reply_names_what_it_answers() {
    let replied = json!({ "message_id": 4, "from": { "id": 99 }, "text": "long text" });
    let message = inbound(json!({ "text": "hi", "reply_to_message": replied, "quote": { "text": "long" } }));
    let reply = message.reply_to.unwrap();
    assert_eq!(
        (reply.id.as_str(), reply.text.as_deref(), reply.from_me),
        ("4", Some("long"), true)
    );
    assert!(message.mentions_me);
}

#[test]
fn mentions_are_found_by_name_and_by_id() {
    let entity = |kind: &str, offset: usize, length: usize, user: i64| json!([{ "type": kind, "offset": offset, "length": length, "user": { "id": user } }]);
    for (text, entities, expected) in [
        ("😀 @My_Bot hi", entity("mention", 3, 7, 0), true),
        ("😀 @other hi", entity("mention", 3, 6, 0), false),
        ("you there", entity("text_mention", 0, 3, 99), true),
        ("you there", entity("text_mention", 0, 3, 98), false),
        ("/new@my_bot", entity("bot_command", 0, 11, 0), true),
        ("/new@My_Bot now", json!([]), true),
        ("/new", entity("bot_command", 0, 4, 0), false),
        ("/new a@my_bot", entity("bot_command", 0, 4, 0), false),
        ("/new@other_bot", entity("bot_command", 0, 14, 0), false),
        ("a@my_bot", json!([]), false),
        ("short", entity("mention", 400, 7, 0), false),
    ] {
        let message = inbound(json!({ "text": text, "entities": entities }));
        assert_eq!(message.mentions_me, expected, "{text}");
        let message =
            inbound(json!({ "caption": text, "caption_entities": entities, "voice": { "file_id": "v" } }));
        assert_eq!(message.mentions_me, expected, "{text}");
    }
}

#[test]
fn command_for_another_bot_of_a_group_is_no_message() {
    let group = json!({ "id": -7, "type": "supergroup" });
    let is_heard = |mut fields: Value| {
        fields["chat"] = fields.get("chat").unwrap_or(&group).clone();
        convert(read(fields), &me()).is_some()
    };
    let mention = json!([{ "type": "mention", "offset": 15, "length": 7 }]);
    for text in ["/new@other_bot", "/new@Other_bot now"] {
        assert!(!is_heard(json!({ "text": text })), "{text}");
        assert!(!is_heard(json!({ "caption": text, "voice": { "file_id": "v" } })));
        assert!(is_heard(
            json!({ "text": text, "chat": { "id": 7, "type": "private" } })
        ));
        assert!(is_heard(json!({ "text": text, "forward_origin": {} })));
    }
    assert!(is_heard(
        json!({ "text": "/new@other_bot @my_bot", "entities": mention })
    ));
    for text in [
        "/new@my_bot",
        "/new",
        "/new@",
        "/a/b@c",
        "new@other_bot",
        "/new a@other_bot",
    ] {
        assert!(is_heard(json!({ "text": text })), "{text}");
    }
}

#[test]
fn files_are_attached_with_their_caption() {
    let message = inbound(json!({ "caption": "look", "media_group_id": "g1", "photo": [
        { "file_id": "small", "width": 90, "height": 90, "file_size": 10 },
        { "file_id": "big", "width": 900, "height": 900, "file_size": 1000 },
        { "file_id": "middle", "width": 320, "height": 320 } ] }));
    assert_eq!(
        (message.text().as_str(), message.group_id.as_deref()),
        ("look", Some("g1"))
    );
    let file = &message.attachments[0];
    assert_eq!(
        (file.id.as_str(), file.kind, file.size_bytes),
        ("big", AttachmentKind::Image, Some(1000))
    );

    let file = json!({ "file_id": "f", "duration": 3, "mime_type": "a/b", "file_name": "n" });
    for (key, kind) in [
        ("voice", AttachmentKind::Voice),
        ("audio", AttachmentKind::Audio),
        ("video", AttachmentKind::Video),
        ("video_note", AttachmentKind::Video),
        ("document", AttachmentKind::File),
    ] {
        let message = inbound(json!({ key: file }));
        let found = &message.attachments[0];
        assert_eq!(
            (found.kind, found.duration_ms, message.parts.len()),
            (kind, Some(3000), 0),
            "{key}"
        );
    }
    let twice = inbound(json!({ "animation": file, "document": file }));
    assert_eq!(twice.attachments.len(), 1);
}

#[test]
fn place_is_a_part() {
    let message = inbound(json!({ "location": { "latitude": 1.5, "longitude": -2.5 } }));
    assert_eq!(
        message.parts,
        [Part::Location {
            latitude: 1.5,
            longitude: -2.5
        }]
    );
}

#[test]
fn only_the_begin_of_a_live_location_is_a_message() {
    let place = json!({ "latitude": 1.5, "longitude": -2.5, "live_period": 900 });
    let live = || read(json!({ "location": place, "edit_date": 1060 }));
    assert!(convert(live(), &me()).is_some());
    let mut moved = live();
    moved.edited = true;
    assert!(convert(moved, &me()).is_none());
}

#[test]
fn service_message_says_nothing() {
    assert!(convert(read(json!({ "new_chat_members": [{ "id": 1 }] })), &me()).is_none());
    assert!(convert(read(json!({ "text": "" })), &me()).is_none());
}

#[test]
fn photo_is_the_largest_that_can_be_fetched() {
    let size = |id: &str, side: u64, bytes: u64| json!({ "file_id": id, "width": side, "height": side, "file_size": bytes });
    for (sizes, expected) in [
        (
            json!([
                size("a", 90, 10),
                size("b", 900, 20_971_520),
                size("c", 9000, 20_971_521)
            ]),
            "b",
        ),
        (
            json!([size("b", 900, 30_000_000), size("a", 90, 21_000_000)]),
            "a",
        ),
    ] {
        let message = inbound(json!({ "photo": sizes }));
        assert_eq!(
            (message.attachments[0].id.as_str(), message.attachments.len()),
            (expected, 1)
        );
        assert_eq!(message.attachments[0].media_type.as_deref(), Some("image/jpeg"));
    }
}

#[test]
fn sticker_is_an_attachment_that_says_its_emoji() {
    for (flag, kind, media_type) in [
        ("is_none", AttachmentKind::Image, "image/webp"),
        ("is_animated", AttachmentKind::Video, "application/x-tgsticker"),
        ("is_video", AttachmentKind::Video, "video/webm"),
    ] {
        let message =
            inbound(json!({ "sticker": { "file_id": "s", "emoji": "😀", "file_size": 5, flag: true } }));
        let file = &message.attachments[0];
        assert_eq!(
            (file.kind, file.media_type.as_deref(), file.size_bytes),
            (kind, Some(media_type), Some(5))
        );
        assert_eq!(
            (file.name.as_deref(), file.meta["emoji"].as_str()),
            (Some("sticker 😀"), Some("😀"))
        );
        assert!(message.parts.is_empty());
    }
    let message = inbound(json!({ "sticker": { "emoji": "😀" } }));
    assert_eq!(
        (message.text().as_str(), message.attachments.len()),
        ("[sticker 😀]", 0)
    );
}

#[test]
fn types_that_telegram_does_not_name_are_the_usual_ones() {
    for (key, given, expected) in [
        ("video_note", Value::Null, Some("video/mp4")),
        ("voice", Value::Null, Some("audio/ogg")),
        ("voice", json!("audio/x"), Some("audio/x")),
        ("document", Value::Null, None),
    ] {
        let message = inbound(json!({ key: { "file_id": "f", "mime_type": given } }));
        assert_eq!(message.attachments[0].media_type.as_deref(), expected, "{key}");
    }
}

#[test]
fn what_has_no_text_is_said_in_a_line() {
    for (fields, expected) in [
        (
            json!({ "contact": { "first_name": "Ann", "last_name": "Lee", "phone_number": "+49 1" } }),
            "[contact: Ann Lee, +49 1]",
        ),
        (
            json!({ "contact": { "phone_number": "1", "first_name": "A]\n[x" } }),
            "[contact: A) (x, 1]",
        ),
        (
            json!({ "venue": { "title": "Café", "address": "Main St 1" } }),
            "[venue: Café, Main St 1]",
        ),
        (
            json!({ "poll": { "question": "Tea?", "options": [{ "text": "yes" }, { "text": "no" }] } }),
            "[poll: Tea?]\n- yes\n- no",
        ),
        (json!({ "dice": { "emoji": "🎲", "value": 4 } }), "[dice 🎲: 4]"),
        (json!({ "game": { "title": "Chess" } }), "[game: Chess]"),
        (
            json!({ "checklist": { "title": "Buy", "tasks": [{ "text": "milk" }] } }),
            "[checklist: Buy]\n- milk",
        ),
    ] {
        assert_eq!(inbound(fields).text(), expected);
    }
    let place = inbound(
        json!({ "venue": { "title": "T", "address": "A" }, "location": { "latitude": 1.0, "longitude": 2.0 } }),
    );
    assert_eq!(place.parts.len(), 2);
}

#[test]
fn forwarded_message_says_whom_it_is_from_and_is_no_command() {
    for (origin, line) in [
        (
            json!({ "type": "user", "sender_user": { "id": 1, "first_name": "Bob" } }),
            "[forwarded from Bob]",
        ),
        (
            json!({ "type": "hidden_user", "sender_user_name": "Eve]\nok" }),
            "[forwarded from Eve) ok]",
        ),
        (
            json!({ "type": "chat", "sender_chat": { "id": -1, "title": "Team" } }),
            "[forwarded from Team]",
        ),
        (
            json!({ "type": "channel", "chat": { "id": -2, "title": "News" } }),
            "[forwarded from News]",
        ),
        (json!({ "type": "?" }), "[forwarded]"),
    ] {
        let message = inbound(json!({ "text": "/new@my_bot", "forward_origin": origin }));
        assert_eq!(message.text(), format!("{line}\n/new@my_bot"));
        assert!(message.command.is_none() && !message.mentions_me && message.sender.id == "42");
    }
    assert!(convert(read(json!({ "forward_origin": {} })), &me()).is_none());
}

#[test]
fn pressed_button_is_a_message_of_whoever_pressed_it() {
    let group = json!({ "message_id": 5, "chat": { "id": -100, "type": "supergroup" }, "is_topic_message": true,
        "message_thread_id": 3, "from": { "id": 99 }, "text": "Choose" });
    let press = |message: Value| json!({ "id": "77", "from": { "id": 42, "first_name": "Ann" }, "message": message, "data": "tea" });
    let message = callback(press(group)).unwrap();
    assert_eq!(
        (message.id.as_str(), message.text().as_str(), message.mentions_me),
        ("callback-77", "tea", true)
    );
    assert_eq!(
        (message.sender.id.as_str(), message.sender.kind),
        ("42", SenderKind::User)
    );
    assert_eq!(
        (
            message.chat.id.as_str(),
            message.chat.thread.as_deref(),
            message.chat_kind
        ),
        ("-100", Some("3"), ChatKind::Group)
    );
    // A message that is too old for its content to be known still has a chat.
    let old = press(json!({ "message_id": 5, "chat": { "id": 7, "type": "private" }, "date": 0 }));
    assert_eq!(callback(old).unwrap().chat.id, "7");
    assert!(callback(press(Value::Null)).is_none());
    assert!(
        callback(
            json!({ "id": "1", "from": { "id": 42 }, "message": { "message_id": 1, "chat": { "id": 7 } } })
        )
        .is_none()
    );
}
