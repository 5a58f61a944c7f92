//! Changes of the text of a message.

use miniclaw_plugin_api::{Cause, Error, OutboundMessage, Result};
use serde_json::value::RawValue;
use teloxide::payloads::EditMessageText;
use teloxide::types::{MessageId, ParseMode, Recipient};

use super::{html, link_preview, visible_text};
use crate::TEXT_LIMIT;
use crate::api::{Api, CALL_DEADLINE, Failure};

const METHOD: &str = "editMessageText";

/// Gives a message another text; plain where Telegram refuses the markup. That it has this text already is success.
///
/// # Errors
/// Permanent: [`Cause::NotFound`] where the message is gone or can no longer be edited, and
/// [`Cause::Unsupported`] where the server has no such method. Others as of a message that is sent.
pub(super) async fn edit(api: &Api, chat: Recipient, id: MessageId, message: &OutboundMessage) -> Result<()> {
    let text = visible_text(message)?;
    let html = html(message, &text, TEXT_LIMIT);
    let parse_mode = html.is_some().then_some(ParseMode::Html);
    let mut payload = EditMessageText::new(chat, id, html.unwrap_or(text));
    payload.parse_mode = parse_mode;
    payload.link_preview_options = Some(link_preview(message));
    loop {
        let edited = api.call::<Box<RawValue>>(METHOD, &payload, CALL_DEADLINE).await;
        match edited {
            Ok(_) => return Ok(()),
            Err(Failure::Refused(refusal)) if refusal.is_not_modified() => return Ok(()),
            Err(Failure::Refused(refusal)) if payload.parse_mode.is_some() && refusal.is_about_markup() => {
                payload.parse_mode = None;
                payload.text = message.text();
            }
            Err(failure) => return Err(failed(failure)),
        }
    }
}

fn failed(failure: Failure) -> Error {
    let (code, migrate_to) = match &failure {
        Failure::Refused(refusal) => (refusal.code, refusal.migrate_to),
        _ => (0, None),
    };
    if code == 404 {
        // The token is good, or there would be no message to edit.
        return Error::permanent(format!("the Bot API server has no method {METHOD}: {failure}"))
            .because(Cause::Unsupported);
    }
    let error = failure.into_error(METHOD);
    match migrate_to {
        // Its messages have other numbers in the supergroup.
        Some(to) => error
            .because(Cause::NotFound)
            .with("migrate_to_chat", to.to_string()),
        None => error,
    }
}
