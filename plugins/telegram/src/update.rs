//! Updates as Telegram writes them, read so that one odd field does not lose a message.
//!
//! Every field but the ids is read by [`lenient`]; what is not needed is not read at all.

pub(crate) mod lenient;

use serde::Deserialize;
use serde_json::value::RawValue;

use lenient::{lenient, repaired};

/// One element of `getUpdates`.
pub(crate) enum Update {
    /// Something that people wrote.
    Message(Box<Message>),
    /// Something that is not asked for, or that cannot be read.
    Other,
}

#[derive(Deserialize)]
struct Head {
    update_id: i64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    edited_message: Option<&'a RawValue>,
    #[serde(borrow)]
    channel_post: Option<&'a RawValue>,
    #[serde(borrow)]
    edited_channel_post: Option<&'a RawValue>,
}

/// A message, a channel post, or the edited form of one.
#[derive(Default, Deserialize)]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    pub(crate) chat: Chat,
    #[serde(skip)]
    pub(crate) edited: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) date: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) edit_date: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) from: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sender_chat: Option<Chat>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) is_topic_message: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) media_group_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) reply_to_message: Option<Replied>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) quote: Option<Quote>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) entities: Vec<Entity>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) caption: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) caption_entities: Vec<Entity>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) location: Option<Location>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) migrate_to_chat_id: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) migrate_from_chat_id: Option<i64>,
    #[serde(skip)]
    pub(crate) media: Media,
}

/// Files of a message; at most one of the fields is set, but for an animation, which comes as a document too.
#[derive(Default, Deserialize)]
pub(crate) struct Media {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) photo: Vec<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) voice: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) audio: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) video: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) video_note: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) animation: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) document: Option<File>,
}

/// A chat, or a chat that speaks.
#[derive(Default, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: Option<String>,
}

/// A person or a bot.
#[derive(Default, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) is_bot: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) first_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) last_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) username: Option<String>,
}

/// The message that another one answers.
#[derive(Default, Deserialize)]
pub(crate) struct Replied {
    pub(crate) message_id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) from: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) caption: Option<String>,
}

/// The part of the answered message that its answer quotes.
#[derive(Default, Deserialize)]
pub(crate) struct Quote {
    pub(crate) text: String,
}

/// A marked part of a text; offset and length are UTF-16 units.
#[derive(Default, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) user: Option<User>,
}

/// A place on earth, in degrees.
#[derive(Default, Deserialize)]
pub(crate) struct Location {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// A file of any kind.
#[derive(Default, Deserialize)]
pub(crate) struct File {
    pub(crate) file_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) mime_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) duration: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) width: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) height: u64,
}

/// The id of an update, which even one has that cannot be read otherwise.
pub(crate) fn id_of(update: &RawValue) -> Option<i64> {
    serde_json::from_str::<Head>(update.get())
        .ok()
        .map(|head| head.update_id)
}

/// Reads an update. Lone surrogates in it become U+FFFD.
pub(crate) fn read(update: &RawValue) -> Update {
    let json = repaired(update.get());
    let Ok(body) = serde_json::from_str::<Body<'_>>(&json) else {
        return Update::Other;
    };
    let edited = body.edited_message.or(body.edited_channel_post);
    let Some(raw) = body.message.or(body.channel_post).or(edited) else {
        return Update::Other;
    };
    match serde_json::from_str::<Message>(raw.get()) {
        Ok(mut message) => {
            message.edited = edited.is_some();
            message.media = serde_json::from_str(raw.get()).unwrap_or_default();
            Update::Message(Box::new(message))
        }
        Err(_) => Update::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(json: &str) -> Update {
        read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    fn message(json: &str) -> Message {
        match read_text(json) {
            Update::Message(message) => *message,
            Update::Other => panic!("not read: {json}"),
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
}
