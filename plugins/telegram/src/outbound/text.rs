//! Messages of text.

use miniclaw_plugin_api::{OutboundMessage, Result, Sent};
use serde_json::value::RawValue;
use teloxide::payloads::SendMessage;
use teloxide::types::{ChatId, ParseMode};
use tokio::time::Instant;

use super::{failed, html, link_preview, recipient, reply_parameters, sent, topic, visible_text};
use crate::TEXT_LIMIT;
use crate::api::{Api, CALL_DEADLINE, Failure};

/// Sends one message. A refusal of the markup brings the same text plain, and a group that became a supergroup
/// brings the message to that.
pub(super) async fn send(api: &Api, message: &OutboundMessage, end: Instant) -> Result<Sent> {
    let mut payload = payload(message)?;
    let mut migrated = None;
    loop {
        let left = end.saturating_duration_since(Instant::now()).min(CALL_DEADLINE);
        let posted = api.call::<Box<RawValue>>("sendMessage", &payload, left).await;
        let refusal = match posted {
            Ok(posted) => return Ok(sent(&posted, migrated)),
            Err(Failure::Refused(refusal)) => refusal,
            Err(failure) => return Err(failed("sendMessage", failure, migrated)),
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
            return Err(failed("sendMessage", Failure::Refused(refusal), migrated));
        }
    }
}

fn payload(message: &OutboundMessage) -> Result<SendMessage> {
    let text = visible_text(message)?;
    let html = html(message, &text, TEXT_LIMIT);
    let parse_mode = html.is_some().then_some(ParseMode::Html);
    let mut payload = SendMessage::new(recipient(&message.chat)?, html.unwrap_or(text));
    payload.parse_mode = parse_mode;
    payload.message_thread_id = topic(&message.chat);
    payload.link_preview_options = Some(link_preview(message));
    payload.disable_notification = message.silent.then_some(true);
    payload.reply_parameters = reply_parameters(message);
    Ok(payload)
}
