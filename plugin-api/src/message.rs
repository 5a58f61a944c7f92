//! Messages, as they cross between channel plugins and the host.
//!
//! All of them cross as JSON text. A field that either side does not know is ignored, a field that is missing
//! takes its default: that is how the contract grows without breaking a compiled plugin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Additional data: JSON object.
pub type Meta = serde_json::Map<String, serde_json::Value>;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A conversation's place on the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChatRef {
    /// The platform's stable id of the chat, never empty.
    pub id: String,
    /// The topic or thread inside the chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

impl ChatRef {
    /// A chat without threads.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            thread: None,
        }
    }
}

/// A message's place on the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// The chat it stands in.
    pub chat: ChatRef,
    /// The platform's id of the message.
    pub id: String,
}

/// What kind of chat a message came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChatKind {
    /// One person and the bot.
    #[default]
    Private,
    /// Several people.
    Group,
    /// A broadcast: few write, many read.
    Channel,
    /// A kind that this side does not know.
    #[serde(other)]
    Other,
}

/// Who a message's author is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SenderKind {
    /// A person with an id of their own.
    #[default]
    User,
    /// Another bot.
    Bot,
    /// An administrator who writes in the group's name.
    AnonymousAdmin,
    /// A channel, or a chat that speaks as itself.
    Channel,
    /// A kind that this side does not know.
    #[serde(other)]
    Other,
}

/// The author of a message. The host's allow list compares `id`, never a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The platform's stable id, never a recyclable name. Empty means unknown, and is never allowed.
    pub id: String,
    /// Who they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: SenderKind,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A piece of content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text; in outbound messages Markdown, unless the message says otherwise.
    Text {
        /// The text itself.
        text: String,
    },
    /// A place on earth, in degrees.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// A kind that this side does not know.
    #[serde(other)]
    Other,
}

/// What an attachment is to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachmentKind {
    /// A picture.
    Image,
    /// A recording meant as speech.
    Voice,
    /// Other sound.
    Audio,
    /// A film.
    Video,
    /// Anything else.
    #[default]
    #[serde(other)]
    File,
}

/// A file beside a message. Its bytes are fetched by the host when they are needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// What `fetch` needs to find the bytes.
    pub id: String,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: AttachmentKind,
    /// File name as the sender gave it; never to be used as a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Size in bytes, as the platform claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Length in milliseconds of what plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The bytes in base64, where they travel with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

/// A command that the user wrote, such as `/new`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The name without the slash and without the bot's name.
    pub name: String,
    /// What follows the name, trimmed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub args: String,
}

/// The message that another one answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// Its id on the platform.
    pub id: String,
    /// Its text, or the quoted part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the bot wrote it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_me: bool,
}

/// A message from a person to the agent.
///
/// *Identity*: within a channel instance and account, (`chat.id`, `id`, `revision`) names one event; the host
/// drops a second one with the same identity as a duplicate, for at least 72 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InboundMessage {
    /// The platform's id of the message, unique in its chat.
    pub id: String,
    /// Where it stands.
    pub chat: ChatRef,
    /// What kind of chat that is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chat_kind: ChatKind,
    /// Who wrote it.
    pub sender: Sender,
    /// 0 for the message itself; a number that grows with every edit for its edits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revision: u64,
    /// Content in reading order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Files beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The album that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// Whether it names the bot.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mentions_me: bool,
    /// The command that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// When the platform received it, in milliseconds since 1970; 0 where unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timestamp_ms: i64,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl InboundMessage {
    /// A text message in a private chat. Set further fields afterwards.
    pub fn new(
        chat: impl Into<String>,
        id: impl Into<String>,
        sender: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            chat: ChatRef::new(chat),
            sender: Sender {
                id: sender.into(),
                ..Sender::default()
            },
            parts: vec![Part::Text { text: text.into() }],
            ..Self::default()
        }
    }

    /// All text of it, parts joined by a line break; empty where there is none.
    pub fn text(&self) -> String {
        join_text(&self.parts)
    }
}

/// How the text of an outbound message is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextFormat {
    /// Markdown as models write it; the channel shows it as well as its platform can.
    #[default]
    Markdown,
    /// To be shown letter by letter.
    #[serde(other)]
    Plain,
}

/// One message, or one chunk of a longer one, for the channel to send.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutboundMessage {
    /// Where to.
    pub chat: ChatRef,
    /// Content in reading order; text is within the limit that the manifest names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How text parts are meant.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: TextFormat,
    /// Files beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message of this chat that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Whether to deliver without a sound.
    #[serde(default, skip_serializing_if = "is_default")]
    pub silent: bool,
    /// Whether the platform may show link previews; they can leak what the model wrote.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preview: bool,
    /// The same for every attempt to send this message. Give it to the platform where that takes one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub idempotency_key: String,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl OutboundMessage {
    /// A Markdown text.
    pub fn new(chat: ChatRef, text: impl Into<String>) -> Self {
        Self {
            chat,
            parts: vec![Part::Text { text: text.into() }],
            ..Self::default()
        }
    }

    /// All text of it, parts joined by a line break; empty where there is none.
    pub fn text(&self) -> String {
        join_text(&self.parts)
    }
}

/// What the platform said to a message that it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sent {
    /// The platform's ids of what now stands in the chat, in order.
    pub ids: Vec<String>,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl Sent {
    /// One message with this id.
    pub fn one(id: impl Into<String>) -> Self {
        Self {
            ids: vec![id.into()],
            meta: Meta::new(),
        }
    }
}

/// A change to a message that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Replace its content.
    Edit {
        /// The content after the change.
        message: Box<OutboundMessage>,
    },
    /// Remove it.
    Delete,
    /// Set the bot's reaction; an empty text takes it back.
    React {
        /// An emoji.
        emoji: String,
    },
    /// A change that this side does not know.
    #[serde(other)]
    Other,
}

/// A sign of life to a chat that leaves no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// The agent is writing; repeated every few seconds while that is so.
    Typing,
    /// The agent is recording speech.
    Recording,
    /// The agent is sending a file.
    Uploading,
    /// A signal that this side does not know.
    #[serde(other)]
    Other,
}

/// The account that a channel speaks as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The platform's stable id of it. Another id under the same instance name starts de-duplication and
    /// cursor anew.
    pub id: String,
    /// The name to show, for example `@helpful_bot`.
    pub name: String,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl Account {
    /// An account with an id and a name to show.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            meta: Meta::new(),
        }
    }

    /// Says how long the channel waits for its platform before it calls [`progress`](crate::Inbox::progress)
    /// although nothing came: the timeout of its poll, the interval of its heartbeat. A channel that was heard
    /// once and then reports no progress for three times as long is taken for deaf and restarted; one that says
    /// nothing of it here, after 180 s.
    #[must_use]
    pub fn polling(mut self, timeout: Duration) -> Self {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.meta.insert(POLL_TIMEOUT.to_owned(), millis.into());
        self
    }

    /// What [`Account::polling`] was told.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let millis = self.meta.get(POLL_TIMEOUT)?.as_u64()?;
        Some(Duration::from_millis(millis))
    }
}

/// The datum of an account that [`Account::polling`] sets.
const POLL_TIMEOUT: &str = "poll_timeout_ms";

/// What the host did with a message. After any of these the channel may confirm it to its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is on disk and will be answered.
    Accepted,
    /// It was accepted before.
    Duplicate,
    /// It is not for the agent: a stranger's, empty, or refused, as its sender is told. So is one that comes again after
    /// it was refused.
    #[serde(other)]
    Ignored,
}

fn join_text(parts: &[Part]) -> String {
    let mut texts = parts.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let mut joined = texts.next().unwrap_or_default().to_owned();
    for text in texts {
        joined.push('\n');
        joined.push_str(text);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_message_is_short_on_the_wire() {
        let message = InboundMessage::new("7", "1", "42", "hi");
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(
            text,
            r#"{"id":"1","chat":{"id":"7"},"sender":{"id":"42"},"parts":[{"type":"text","text":"hi"}]}"#
        );
        assert_eq!(serde_json::from_str::<InboundMessage>(&text).unwrap(), message);
    }

    #[test]
    fn what_a_later_version_adds_is_read_as_other() {
        let text = r#"{"id":"1","chat":{"id":"7"},"sender":{"id":"42","kind":"ghost"},"chat_kind":"orbit",
            "parts":[{"type":"hologram","x":1},{"type":"text","text":"hi"}],"later":true}"#;
        let message: InboundMessage = serde_json::from_str(text).unwrap();
        assert_eq!(message.text(), "hi");
        assert_eq!(
            (message.chat_kind, message.sender.kind),
            (ChatKind::Other, SenderKind::Other)
        );
        assert_eq!(message.parts[0], Part::Other);
    }
}
