//! From Telegram's messages to the host's.

mod text;

use miniclaw_plugin_api::{
    Attachment, AttachmentKind, ChatKind, InboundMessage, Part, ReplyTo, Sender, SenderKind,
};
use serde::Deserialize;

use crate::update::lenient::lenient;
use crate::update::{Chat, Entity, File, Media, Message, User};

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

/// What the host should hear of a message; nothing where it says nothing, as with "Ann joined the group".
pub(crate) fn convert(message: Message, me: &Me) -> Option<InboundMessage> {
    let moment = moment(&message);
    let (text, entities) = match message.text {
        Some(text) => (text, message.entities),
        None => (message.caption.unwrap_or_default(), message.caption_entities),
    };
    let attachments = attachments(message.media);
    if text.is_empty() && attachments.is_empty() && message.location.is_none() {
        return None;
    }
    let sender = sender(message.from.as_ref(), message.sender_chat.as_ref(), &message.chat);
    let mut inbound = InboundMessage::new(
        message.chat.id.to_string(),
        message.message_id.to_string(),
        sender.id.as_str(),
        "",
    );
    inbound.sender = sender;
    inbound.chat_kind = chat_kind(&message.chat);
    // Elsewhere than in a topic the number only says which message a chain of replies hangs on.
    let topic = message.message_thread_id.filter(|_| message.is_topic_message);
    inbound.chat.thread = topic.map(|id| id.to_string());
    (inbound.revision, inbound.timestamp_ms) = moment;
    inbound.group_id = message.media_group_id;
    inbound.attachments = attachments;
    // In a topic every message "answers" the service message that opened the topic.
    let replied = message
        .reply_to_message
        .filter(|replied| topic != Some(replied.message_id));
    inbound.reply_to = replied.map(|replied| ReplyTo {
        id: replied.message_id.to_string(),
        from_me: me.is(replied.from.as_ref()),
        text: message
            .quote
            .map(|quote| quote.text)
            .or(replied.text)
            .or(replied.caption),
    });
    let to_me = inbound.reply_to.as_ref().is_some_and(|reply| reply.from_me);
    inbound.mentions_me = to_me || mentions(&text, &entities, me);
    inbound.command = text::command(&text, me.username.as_deref());
    inbound.parts.clear();
    if !text.is_empty() {
        inbound.parts.push(Part::Text { text });
    }
    inbound.parts.extend(message.location.map(|place| Part::Location {
        latitude: place.latitude,
        longitude: place.longitude,
    }));
    Some(inbound)
}

/// Revision and time in milliseconds: Telegram numbers edits by the second in which they were made.
fn moment(message: &Message) -> (u64, i64) {
    let edited_at = message.edit_date.filter(|_| message.edited);
    let seconds = edited_at.map_or(message.date, |date| i64::try_from(date).unwrap_or(i64::MAX));
    let revision = edited_at.unwrap_or(u64::from(message.edited));
    (revision, seconds.saturating_mul(1000))
}

fn chat_kind(chat: &Chat) -> ChatKind {
    match chat.kind.as_str() {
        "private" => ChatKind::Private,
        "group" | "supergroup" => ChatKind::Group,
        "channel" => ChatKind::Channel,
        _ => ChatKind::Other,
    }
}

/// Where a chat speaks, `from` is a stand-in that Telegram puts there for old clients and says nothing.
fn sender(from: Option<&User>, sender_chat: Option<&Chat>, chat: &Chat) -> Sender {
    if let Some(speaker) = sender_chat {
        let anonymous = speaker.id == chat.id && chat_kind(chat) == ChatKind::Group;
        return Sender {
            id: speaker.id.to_string(),
            kind: if anonymous {
                SenderKind::AnonymousAdmin
            } else {
                SenderKind::Channel
            },
            name: speaker.title.clone(),
        };
    }
    match from {
        Some(user) => Sender {
            id: user.id.to_string(),
            kind: if user.is_bot {
                SenderKind::Bot
            } else {
                SenderKind::User
            },
            name: Some(full_name(user)).filter(|name| !name.is_empty()),
        },
        None if chat_kind(chat) == ChatKind::Channel => Sender {
            id: chat.id.to_string(),
            kind: SenderKind::Channel,
            name: chat.title.clone(),
        },
        None => Sender {
            kind: SenderKind::Other,
            ..Sender::default()
        },
    }
}

fn full_name(user: &User) -> String {
    let last = user.last_name.as_deref().unwrap_or_default();
    let name = format!("{} {last}", user.first_name);
    match (name.trim(), &user.username) {
        ("", Some(username)) => format!("@{username}"),
        (name, _) => name.to_owned(),
    }
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

fn attachments(media: Media) -> Vec<Attachment> {
    let biggest = media
        .photo
        .into_iter()
        .max_by_key(|size| size.width.saturating_mul(size.height));
    let photo = biggest.map(|mut file| {
        file.mime_type = Some("image/jpeg".to_owned());
        file
    });
    let document = media.document.filter(|_| media.animation.is_none());
    [
        (AttachmentKind::Image, photo),
        (AttachmentKind::Voice, media.voice),
        (AttachmentKind::Audio, media.audio),
        (AttachmentKind::Video, media.video),
        (AttachmentKind::Video, media.video_note),
        (AttachmentKind::Video, media.animation),
        (AttachmentKind::File, document),
    ]
    .into_iter()
    .filter_map(|(kind, file)| Some(attachment(kind, file?)))
    .collect()
}

fn attachment(kind: AttachmentKind, file: File) -> Attachment {
    Attachment {
        id: file.file_id,
        kind,
        name: file.file_name,
        media_type: file.mime_type,
        size_bytes: file.file_size,
        duration_ms: file.duration.map(|seconds| seconds.saturating_mul(1000)),
        ..Attachment::default()
    }
}

#[cfg(test)]
mod tests;
