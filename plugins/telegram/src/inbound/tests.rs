use super::*;
use crate::update::{self, Update};
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
        Update::Other => panic!("not read: {update}"),
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
        ("a@my_bot", json!([]), false),
        ("short", entity("mention", 400, 7, 0), false),
    ] {
        let message = inbound(json!({ "text": text, "entities": entities }));
        assert_eq!(message.mentions_me, expected, "{text}");
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
fn service_message_says_nothing() {
    assert!(convert(read(json!({ "new_chat_members": [{ "id": 1 }] })), &me()).is_none());
    assert!(convert(read(json!({ "text": "" })), &me()).is_none());
}
