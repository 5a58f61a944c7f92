//! Files, with what is said to them.

use miniclaw_plugin_api::{Attachment, ChatRef, Error, OutboundMessage, Outcome, Result, Sent};
use reqwest::multipart::Form;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::half_sent::HalfSent;
use super::upload::{Upload, Way};
use super::{failed, html, recipient, reply_parameters, sent, text, topic};
use crate::CAPTION_LIMIT;
use crate::api::{Api, Failure};

/// Sends a file. Its text is the caption; a text that is too long for one follows as a message of its own.
///
/// *Guarantee*: a file that Telegram took is not sent again by this instance: where the text after it fails, the
/// error is the text's, and another attempt under the same idempotency key sends the text alone. A message without
/// a key has no other attempt: such a failure is permanent. An upload of unknown end is told as such, like any
/// other message.
pub(super) async fn send(
    api: &Api,
    half_sent: &HalfSent,
    message: &OutboundMessage,
    attachment: &Attachment,
    end: Instant,
) -> Result<Sent> {
    let key = &message.idempotency_key;
    let (sent, rest) = match half_sent.take(key) {
        Some(sent) => (sent, true),
        None => Posting::new(api, message, attachment)?.run(end).await?,
    };
    if !rest {
        return Ok(sent);
    }
    match text::send(api, &remainder(message, &sent), end).await {
        Ok(text) => Ok(joined(sent, text)),
        Err(mut error) => {
            if key.is_empty() {
                error.outcome = Outcome::Permanent;
            } else {
                half_sent.keep(key, sent);
            }
            error.message = format!("the file was sent, the text after it was not: {}", error.message);
            Err(error)
        }
    }
}

/// The text alone. It answers nothing: the file does, right above it.
fn remainder(message: &OutboundMessage, sent: &Sent) -> OutboundMessage {
    let mut rest = message.clone();
    rest.attachments.clear();
    rest.reply_to = None;
    if let Some(chat) = sent.meta.get("migrate_to_chat").and_then(|to| to.as_str()) {
        rest.chat = ChatRef {
            id: chat.to_owned(),
            thread: rest.chat.thread,
        };
    }
    rest
}

fn joined(mut file: Sent, text: Sent) -> Sent {
    file.ids.extend(text.ids);
    file.meta.extend(text.meta);
    file
}

/// What stands beside the file.
enum Caption {
    None,
    Html(String),
    Plain(String),
    /// Nothing: the text is too long and follows.
    Follows,
}

impl Caption {
    fn of(message: &OutboundMessage) -> Self {
        let text = message.text();
        if text.trim().is_empty() {
            return Self::None;
        }
        html(message, &text, CAPTION_LIMIT).map_or_else(|| Self::plain(text), Self::Html)
    }

    fn plain(text: String) -> Self {
        if text.encode_utf16().count() > CAPTION_LIMIT as usize {
            return Self::Follows;
        }
        Self::Plain(text)
    }
}

struct Posting<'a> {
    api: &'a Api,
    message: &'a OutboundMessage,
    attachment: &'a Attachment,
    upload: Upload<'a>,
    caption: Caption,
    chat: String,
    migrated: Option<i64>,
}

impl<'a> Posting<'a> {
    fn new(api: &'a Api, message: &'a OutboundMessage, attachment: &'a Attachment) -> Result<Self> {
        recipient(&message.chat)?;
        Ok(Self {
            api,
            message,
            attachment,
            upload: Upload::new(attachment)?,
            caption: Caption::of(message),
            chat: message.chat.id.clone(),
            migrated: None,
        })
    }

    /// Sends the file; true beside it where its text is still to be sent. A refusal means that nothing is there, so that
    /// another way is tried: a caption without markup, a file that is no photo, the supergroup that the group became.
    async fn run(mut self, end: Instant) -> Result<(Sent, bool)> {
        loop {
            let method = self.upload.way.method();
            let left = end.saturating_duration_since(Instant::now());
            let posted = self.api.upload::<Box<RawValue>>(method, self.form()?, left).await;
            let refusal = match posted {
                Ok(posted) => {
                    let follows = matches!(self.caption, Caption::Follows);
                    return Ok((sent(&posted, self.migrated), follows));
                }
                Err(Failure::Refused(refusal)) => refusal,
                Err(failure) => return Err(failed(method, failure, self.migrated)),
            };
            tracing::trace!(refusal.description, "Refusal");
            if matches!(self.caption, Caption::Html(_)) && refusal.is_about_markup() {
                tracing::debug!("Telegram refused the markup of a caption, sending it plain");
                self.caption = Caption::plain(self.message.text());
            } else if let (Some(to), None) = (refusal.migrate_to, self.migrated) {
                self.chat = to.to_string();
                self.migrated = Some(to);
            } else if self.upload.way != Way::Document && refusal.is_about_media() {
                tracing::debug!(
                    method,
                    "Telegram refused the kind of a file, sending it as a document"
                );
                self.upload.way = Way::Document;
            } else {
                return Err(failed(method, Failure::Refused(refusal), self.migrated));
            }
        }
    }

    fn form(&self) -> Result<Form> {
        let way = self.upload.way;
        let mut form = Form::new().text("chat_id", self.chat.clone());
        if let Some(topic) = topic(&self.message.chat) {
            form = form.text("message_thread_id", topic.to_string());
        }
        if let Some(reply) = reply_parameters(self.message) {
            let reply = serde_json::to_string(&reply)
                .map_err(|error| Error::permanent(format!("no reply parameters: {error}")))?;
            form = form.text("reply_parameters", reply);
        }
        if self.message.silent {
            form = form.text("disable_notification", "true");
        }
        form = match &self.caption {
            Caption::Html(html) => form.text("caption", html.clone()).text("parse_mode", "HTML"),
            Caption::Plain(text) => form.text("caption", text.clone()),
            Caption::None | Caption::Follows => form,
        };
        if let Some(duration) = self.attachment.duration_ms.filter(|_| way.plays()) {
            form = form.text("duration", duration.div_ceil(1000).to_string());
        }
        Ok(form.part(way.field(), self.upload.part()?))
    }
}
