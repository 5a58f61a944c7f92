//! Updates as Telegram writes them, read so that one odd field does not lose a message.
//!
//! Every field but the ids is read by [`lenient`]; what is not needed is not read at all.

pub(crate) mod content;
pub(crate) mod lenient;
mod replied;

use serde::Deserialize;
use serde_json::value::RawValue;

use content::{Extras, Location, Media, Origin};
use lenient::{lenient, repaired};
pub(crate) use replied::{Quote, Replied};

/// One element of `getUpdates`.
pub(crate) enum Update {
    /// Something that people wrote.
    Message(Box<Message>),
    /// A button that somebody pressed.
    Callback(Box<Callback>),
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
    #[serde(borrow)]
    callback_query: Option<&'a RawValue>,
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
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) forward_origin: Option<Origin>,
    #[serde(skip)]
    pub(crate) media: Media,
    #[serde(skip)]
    pub(crate) extras: Extras,
}

/// The press of a button under a message.
#[derive(Deserialize)]
pub(crate) struct Callback {
    pub(crate) id: String,
    pub(crate) from: User,
    /// Missing where the button stands under a message of an inline query, in a chat that the bot does not see.
    pub(crate) message: Option<Message>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) data: Option<String>,
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
    if let Some(raw) = body.callback_query {
        return serde_json::from_str(raw.get()).map_or(Update::Other, Update::Callback);
    }
    let edited = body.edited_message.or(body.edited_channel_post);
    let Some(raw) = body.message.or(body.channel_post).or(edited) else {
        return Update::Other;
    };
    match serde_json::from_str::<Message>(raw.get()) {
        Ok(mut message) => {
            message.edited = edited.is_some();
            message.media = serde_json::from_str(raw.get()).unwrap_or_default();
            message.extras = serde_json::from_str(raw.get()).unwrap_or_default();
            Update::Message(Box::new(message))
        }
        Err(_) => Update::Other,
    }
}

#[cfg(test)]
mod tests;
