use super::*;

fn read_text(json: &str) -> Update {
    read(&RawValue::from_string(json.to_owned()).unwrap())
}

fn message(json: &str) -> Message {
    match read_text(json) {
        Update::Message(message) => *message,
        Update::Callback(_) | Update::Other => panic!("not read: {json}"),
    }
}

#[test]
fn odd_fields_do_not_lose_the_message() {
    let message = message(
        r#"{"update_id":1,"message":{"message_id":5,"date":"soon","chat":{"id":7,"type":3,"title":[]},
            "from":{"id":"x"},"entities":[{"type":"bold"}],"photo":{"a":1},"quote":1,"text":"hi",
            "is_topic_message":"yes","reply_to_message":false,"voice":[1e999]}}"#,
    );
    assert_eq!(message.text.as_deref(), Some("hi"));
    assert!(message.from.is_none() && message.media.photo.is_empty() && !message.is_topic_message);
}

#[test]
fn lone_surrogates_become_the_replacement_character() {
    let message = message(
        r#"{"update_id":1,"message":{"message_id":5,"chat":{"id":7},
            "text":"a\ud800b \ud83d\ude00 \ude00\uD83D"}}"#,
    );
    assert_eq!(message.text.as_deref(), Some("a\u{fffd}b 😀 \u{fffd}\u{fffd}"));
}

#[test]
fn garbage_still_has_its_id() {
    for json in [
        r#"{"update_id":9,"message":{"message_id":"x","chat":{"id":7}}}"#,
        r#"{"update_id":9,"message":[]}"#,
        r#"{"update_id":9,"poll":{"id":"1"}}"#,
        r#"{"update_id":9}"#,
    ] {
        assert!(matches!(read_text(json), Update::Other), "{json}");
        assert_eq!(id_of(&RawValue::from_string(json.to_owned()).unwrap()), Some(9));
    }
}

#[test]
fn deep_nesting_is_skipped() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let message = message(&format!(
        r#"{{"update_id":1,"message":{{"message_id":5,"chat":{{"id":7}},"photo":{deep},"x":{deep},"text":"hi"}}}}"#
    ));
    assert_eq!(message.text.as_deref(), Some("hi"));
}

#[test]
fn edited_forms_are_marked() {
    for (key, edited) in [
        ("message", false),
        ("channel_post", false),
        ("edited_message", true),
        ("edited_channel_post", true),
    ] {
        let json = format!(r#"{{"update_id":1,"{key}":{{"message_id":5,"chat":{{"id":7}}}}}}"#);
        assert_eq!(message(&json).edited, edited, "{key}");
    }
}
