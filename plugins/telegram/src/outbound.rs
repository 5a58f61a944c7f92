//! From the host's messages to Telegram's.

use std::time::Duration;

use miniclaw_plugin_api::{
    Cause, Change, ChatRef, Error, MessageRef, OutboundMessage, Result, Sent, Signal, TextFormat,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use teloxide::payloads::{
    DeleteMessage, EditMessageText, SendChatAction, SendMessage, SetMessageReaction,
    SetMessageReactionSetters,
};
use teloxide::types::{
    ChatAction, ChatId, LinkPreviewOptions, MessageId, ParseMode, ReactionType, Recipient, ReplyParameters,
    ThreadId,
};

use crate::api::{Api, CALL_DEADLINE, Failure};
use crate::markdown;
use crate::update::lenient::lenient;

/// A sign of life is worth nothing later: Telegram shows it for 5 s.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(5);

/// What is read of the message that Telegram made.
#[derive(Default, Deserialize)]
struct Posted {
    #[serde(default, deserialize_with = "lenient")]
    message_id: Option<i64>,
}

/// Sends one message. A refusal of the markup brings the same text plain, and a group that became a supergroup
/// brings the message to that.
pub(crate) async fn send(api: &Api, message: &OutboundMessage) -> Result<Sent> {
    let mut payload = payload(message)?;
    let mut migrated = None;
    loop {
        let posted = api
            .call::<Box<RawValue>>("sendMessage", &payload, CALL_DEADLINE)
            .await;
        let refusal = match posted {
            Ok(posted) => {
                let sent = sent(&posted, migrated);
                tracing::debug!(ids = ?sent.ids, "Telegram took a message");
                return Ok(sent);
            }
            Err(Failure::Refused(refusal)) => refusal,
            Err(failure) => return Err(failed(failure, migrated)),
        };
        if payload.parse_mode.is_some() && refusal.is_about_markup() {
            tracing::debug!(
                chat = message.chat.id,
                "Telegram refused the markup, sending plain text"
            );
            tracing::trace!(refusal.description, "Refusal");
            payload.parse_mode = None;
            payload.text = message.text();
        } else if let (Some(to), None) = (refusal.migrate_to, migrated) {
            tracing::debug!(from = message.chat.id, to, "Group became a supergroup");
            payload.chat_id = ChatId(to).into();
            migrated = Some(to);
        } else {
            return Err(failed(Failure::Refused(refusal), migrated));
        }
    }
}

/// Changes a message that was sent.
pub(crate) async fn update(api: &Api, target: &MessageRef, change: Change) -> Result<()> {
    let chat = recipient(&target.chat)?;
    let id = message_id(&target.id).ok_or_else(|| {
        Error::permanent(format!("`{}` is not the id of a telegram message", target.id))
            .because(Cause::NotFound)
    })?;
    match change {
        Change::Edit { message } => edit(api, chat, id, &message).await,
        Change::Delete => {
            let payload = DeleteMessage::new(chat, id);
            act(api, "deleteMessage", &payload, CALL_DEADLINE).await
        }
        Change::React { emoji } => {
            let reaction = (!emoji.is_empty()).then_some(ReactionType::Emoji { emoji });
            let payload = SetMessageReaction::new(chat, id).reaction(reaction);
            act(api, "setMessageReaction", &payload, CALL_DEADLINE).await
        }
        _ => Err(Error::unsupported("update")),
    }
}

/// Shows a sign of life.
pub(crate) async fn signal(api: &Api, chat: &ChatRef, signal: Signal) -> Result<()> {
    let action = match signal {
        Signal::Typing => ChatAction::Typing,
        Signal::Recording => ChatAction::RecordVoice,
        Signal::Uploading => ChatAction::UploadDocument,
        _ => return Err(Error::unsupported("signal")),
    };
    let mut payload = SendChatAction::new(recipient(chat)?, action);
    payload.message_thread_id = thread(chat);
    act(api, "sendChatAction", &payload, SIGNAL_DEADLINE).await
}

async fn edit(api: &Api, chat: Recipient, id: MessageId, message: &OutboundMessage) -> Result<()> {
    let (text, parse_mode) = body(message)?;
    let mut payload = EditMessageText::new(chat, id, text);
    payload.parse_mode = parse_mode;
    payload.link_preview_options = Some(link_preview(message));
    loop {
        match api
            .call::<Box<RawValue>>("editMessageText", &payload, CALL_DEADLINE)
            .await
        {
            Ok(_) => return Ok(()),
            Err(Failure::Refused(refusal)) if refusal.is_not_modified() => return Ok(()),
            Err(Failure::Refused(refusal)) if payload.parse_mode.is_some() && refusal.is_about_markup() => {
                payload.parse_mode = None;
                payload.text = message.text();
            }
            Err(failure) => return Err(failure.into_error("editMessageText")),
        }
    }
}

async fn act(api: &Api, method: &str, payload: &impl serde::Serialize, deadline: Duration) -> Result<()> {
    let done: Result<Box<RawValue>, Failure> = api.call(method, payload, deadline).await;
    done.map(drop).map_err(|failure| failure.into_error(method))
}

fn payload(message: &OutboundMessage) -> Result<SendMessage> {
    let (text, parse_mode) = body(message)?;
    let mut payload = SendMessage::new(recipient(&message.chat)?, text);
    payload.parse_mode = parse_mode;
    payload.message_thread_id = thread(&message.chat);
    payload.link_preview_options = Some(link_preview(message));
    payload.disable_notification = message.silent.then_some(true);
    // An answer to a message that is gone is better than no answer.
    payload.reply_parameters = message
        .reply_to
        .as_deref()
        .and_then(message_id)
        .map(|id| ReplyParameters::new(id).allow_sending_without_reply());
    Ok(payload)
}

fn body(message: &OutboundMessage) -> Result<(String, Option<ParseMode>)> {
    let text = message.text();
    if text.trim().is_empty() {
        return Err(Error::permanent("telegram takes no message without text").because(Cause::Rejected));
    }
    if message.format == TextFormat::Markdown
        && let Some(html) = markdown::to_html(&text, crate::TEXT_LIMIT)
    {
        return Ok((html, Some(ParseMode::Html)));
    }
    Ok((text, None))
}

fn link_preview(message: &OutboundMessage) -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: !message.preview,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn recipient(chat: &ChatRef) -> Result<Recipient> {
    if let Ok(id) = chat.id.parse() {
        return Ok(ChatId(id).into());
    }
    if chat.id.starts_with('@') {
        return Ok(Recipient::ChannelUsername(chat.id.clone()));
    }
    Err(Error::permanent(format!("`{}` is not the id of a telegram chat", chat.id)).because(Cause::NotFound))
}

fn message_id(text: &str) -> Option<MessageId> {
    text.parse().ok().map(MessageId)
}

fn thread(chat: &ChatRef) -> Option<ThreadId> {
    chat.thread.as_deref().and_then(message_id).map(ThreadId)
}

/// That Telegram took the message counts, even where its description of it cannot be read.
fn sent(posted: &RawValue, migrated: Option<i64>) -> Sent {
    let posted: Posted = serde_json::from_str(posted.get()).unwrap_or_default();
    let mut sent = posted
        .message_id
        .map_or_else(Sent::default, |id| Sent::one(id.to_string()));
    if let Some(to) = migrated {
        sent.meta
            .insert("migrate_to_chat".to_owned(), to.to_string().into());
    }
    sent
}

fn failed(failure: Failure, migrated: Option<i64>) -> Error {
    let error = failure.into_error("sendMessage");
    match migrated {
        Some(to) => error.with("migrate_to_chat", to.to_string()),
        None => error,
    }
}
