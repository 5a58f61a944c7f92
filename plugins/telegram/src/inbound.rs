//! From Telegram's messages to the host's.

mod media;
mod sender;
mod spoken;
mod text;

use miniclaw_plugin_api::{ChatKind, InboundMessage, Part, ReplyTo};
use serde::Deserialize;

use crate::update::lenient::lenient;
use crate::update::{Callback, Entity, Message, Replied, User};
use sender::{chat_kind, sender};

/// The bot, as `getMe` tells of it.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct Me {
    pub(crate) id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) username: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    first_name: String,
}

impl Me {
    /// The name to show.
    pub(crate) fn name(&self) -> String {
        match &self.username {
            Some(username) => format!("@{username}"),
            None => self.first_name.clone(),
        }
    }

    fn is(&self, user: Option<&User>) -> bool {
        user.is_some_and(|user| user.id == self.id)
    }
}

/// What the host should hear of a message; nothing where it says nothing, as with "Ann joined the group", or is a
/// command for another bot of the group.
pub(crate) fn convert(message: Message, me: &Me) -> Option<InboundMessage> {
    let line = spoken::line(&message.extras, &message.media);
    let attachments = media::attachments(message.media);
    let (text, entities) = match message.text {
        Some(text) => (text, message.entities),
        None => (message.caption.unwrap_or_default(), message.caption_entities),
    };
    // A live location is edited every few seconds for hours, and each edit would be a turn.
    let place = message.location.filter(|_| !message.edited);
    if text.is_empty() && line.is_none() && attachments.is_empty() && place.is_none() {
        return None;
    }
    let (revision, timestamp_ms) = moment(message.edited, message.edit_date, message.date);
    let sender = sender(message.from.as_ref(), message.sender_chat.as_ref(), &message.chat);
    let mut inbound = InboundMessage::new(
        message.chat.id.to_string(),
        message.message_id.to_string(),
        sender.id.as_str(),
        "",
    );
    inbound.sender = sender;
    inbound.chat_kind = chat_kind(&message.chat);
    let topic = topic(message.message_thread_id, message.is_topic_message);
    inbound.chat.thread = topic.map(|id| id.to_string());
    (inbound.revision, inbound.timestamp_ms) = (revision, timestamp_ms);
    inbound.group_id = message.media_group_id;
    inbound.attachments = attachments;
    // In a topic every message "answers" the service message that opened the topic.
    let replied = message
        .reply_to_message
        .filter(|replied| topic != Some(replied.message_id));
    let quote = message.quote.map(|quote| quote.text);
    inbound.reply_to = replied.map(|replied| reply_to(replied, quote, me));
    let to_me = inbound.reply_to.as_ref().is_some_and(|reply| reply.from_me);
    inbound.mentions_me = to_me || mentions(&text, &entities, me);
    let forwarded = message.forward_origin.as_ref().map(spoken::forwarded);
    let foreign = inbound.chat_kind != ChatKind::Private
        && forwarded.is_none()
        && !mentions(&text, &entities, me)
        && text::is_for_another_bot(&text, me.username.as_deref());
    // What somebody else said is no order of whoever passes it on.
    if forwarded.is_none() {
        inbound.command = text::command(&text, me.username.as_deref());
        inbound.mentions_me |= inbound.command.is_some() && text::names_a_bot(&text);
    }
    let texts = [forwarded, Some(text).filter(|text| !text.is_empty()), line];
    let texts = texts.into_iter().flatten().map(|text| Part::Text { text });
    let place = place.map(|place| Part::Location {
        latitude: place.latitude,
        longitude: place.longitude,
    });
    inbound.parts = texts.chain(place).collect();
    (!foreign).then_some(inbound)
}

/// What the host should hear of a button that was pressed: as if whoever did it had written what the button stands
/// for. Nothing where the bot does not see the chat, or the button opens a game.
pub(crate) fn pressed(callback: Callback, me: &Me) -> Option<InboundMessage> {
    let (message, data) = (callback.message?, callback.data?);
    let sender = sender(Some(&callback.from), None, &message.chat);
    let id = format!("callback-{}", callback.id);
    let mut inbound = InboundMessage::new(message.chat.id.to_string(), id, sender.id.as_str(), "");
    inbound.sender = sender;
    inbound.chat_kind = chat_kind(&message.chat);
    let topic = topic(message.message_thread_id, message.is_topic_message);
    inbound.chat.thread = topic.map(|id| id.to_string());
    inbound.mentions_me = true;
    inbound.command = text::command(&data, me.username.as_deref());
    inbound.parts = vec![Part::Text { text: data }];
    Some(inbound)
}

/// Elsewhere than in a topic the number only says which message a chain of replies hangs on.
fn topic(thread: Option<i64>, is_topic_message: bool) -> Option<i64> {
    thread.filter(|_| is_topic_message)
}

fn reply_to(replied: Replied, quote: Option<String>, me: &Me) -> ReplyTo {
    let kind = replied.kind().map(str::to_owned);
    ReplyTo {
        id: replied.message_id.to_string(),
        from_me: me.is(replied.from.as_ref()),
        text: quote.or(replied.text).or(replied.caption).or(kind),
    }
}

/// Revision and time in milliseconds: Telegram numbers edits by the second in which they were made.
fn moment(edited: bool, edit_date: Option<u64>, date: i64) -> (u64, i64) {
    let edited_at = edit_date.filter(|_| edited);
    let seconds = edited_at.map_or(date, |date| i64::try_from(date).unwrap_or(i64::MAX));
    let revision = edited_at.unwrap_or(u64::from(edited));
    (revision, seconds.saturating_mul(1000))
}

fn mentions(text: &str, entities: &[Entity], me: &Me) -> bool {
    entities.iter().any(|entity| match entity.kind.as_str() {
        "text_mention" => me.is(entity.user.as_ref()),
        "mention" | "bot_command" => {
            let marked = text::utf16_slice(text, entity.offset, entity.length).unwrap_or_default();
            let name = marked.split_once('@').map(|(_, name)| name);
            matches!((name, &me.username), (Some(name), Some(mine)) if name.eq_ignore_ascii_case(mine))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
