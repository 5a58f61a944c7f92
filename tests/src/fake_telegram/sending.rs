//! What a bot puts into a chat, changes there and takes away.

use std::time::Instant;

use super::account::Standing;
use super::fault::Answer;
use super::html::{self, Shown};
use super::ledger::{Edit, Sent};
use super::methods::Parameters;
use super::{State, update};

/// Limits after entities are parsed, in UTF-16 units (core.telegram.org/bots/api#sendmessage, #sendphoto).
const TEXT_LIMIT: usize = 4096;
const CAPTION_LIMIT: usize = 1024;
/// The largest photo and the largest file in bytes (core.telegram.org/bots/api#sending-files).
const PHOTO_LIMIT: usize = 10 * 1024 * 1024;
const FILE_LIMIT: usize = 50 * 1024 * 1024;

impl State {
    pub(super) fn send_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        parameters.chat().ok_or_else(no_chat)?;
        let text = checked_text(parameters)?;
        self.post(token, parameters, text)
    }

    pub(super) fn send_file(
        &mut self,
        token: &str,
        method: &str,
        parameters: &Parameters,
    ) -> Result<String, Answer> {
        parameters.chat().ok_or_else(no_chat)?;
        let field = method.to_ascii_lowercase().replacen("send", "", 1);
        let file = parameters.file.as_ref().filter(|file| file.field == field);
        let file = file.ok_or_else(|| Answer::bad_request(&format!("there is no {field} in the request")))?;
        if file.bytes.is_empty() {
            return Err(Answer::bad_request("file must be non-empty"));
        }
        if file.bytes.len() > FILE_LIMIT {
            return Err(Answer::error(413, "Request Entity Too Large"));
        }
        if field == "photo" && file.bytes.len() > PHOTO_LIMIT {
            return Err(Answer::bad_request(
                "file is too big for a photo; the maximum size is 10485760 bytes",
            ));
        }
        let caption = read(parameters, parameters.caption.as_deref().unwrap_or_default())?;
        if units(&caption.text) > CAPTION_LIMIT {
            return Err(Answer::bad_request("message caption is too long"));
        }
        self.post(token, parameters, caption.text)
    }

    fn post(&mut self, token: &str, parameters: &Parameters, text: String) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let raw = raw(parameters);
        let account = self.accounts.by_token(token);
        let id = account.next_message_id(chat);
        let standing = Standing {
            text: text.clone(),
            raw: raw.clone(),
            is_file: parameters.file.is_some(),
        };
        account.messages.insert((chat, id), standing);
        let result = update::sent(account.bot, chat, id, &text);
        let sent = Sent {
            at: Instant::now(),
            bot: account.bot,
            chat,
            message_id: id,
            thread: parameters.message_thread_id,
            text,
            raw,
            parse_mode: parameters.parse_mode.clone(),
            reply_to: parameters
                .reply_parameters
                .as_ref()
                .map(|reply| reply.message_id)
                .or(parameters.reply_to_message_id),
            silent: parameters.disable_notification,
            file: parameters.file.clone(),
            preview_disabled: parameters
                .link_preview_options
                .as_ref()
                .is_some_and(|options| options.is_disabled),
        };
        if let Some(next) = self.on_sent.as_mut().and_then(|hook| hook(&sent)) {
            let account = self.accounts.by_token(token);
            account.inject(&next);
            account.wake();
        }
        self.ledger.sent.push(sent);
        Ok(result)
    }

    pub(super) fn edit_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let id = parameters.message_id.unwrap_or_default();
        let text = checked_text(parameters)?;
        let account = self.accounts.by_token(token);
        let standing = account
            .messages
            .get_mut(&(chat, id))
            .ok_or_else(|| Answer::bad_request("message to edit not found"))?;
        if standing.is_file {
            return Err(Answer::bad_request("there is no text in the message to edit"));
        }
        let raw = raw(parameters);
        if standing.text == text && standing.raw == raw {
            return Err(Answer::bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as \
                 a current content and reply markup of the message",
            ));
        }
        standing.text.clone_from(&text);
        standing.raw.clone_from(&raw);
        let result = update::sent(account.bot, chat, id, &text);
        self.ledger.edits.push(Edit {
            at: Instant::now(),
            bot: account.bot,
            chat,
            message_id: id,
            text,
            raw,
        });
        Ok(result)
    }

    pub(super) fn delete_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let id = parameters.message_id.unwrap_or_default();
        match self.accounts.by_token(token).messages.remove(&(chat, id)) {
            Some(_) => Ok("true".to_owned()),
            None => Err(Answer::bad_request("message to delete not found")),
        }
    }
}

/// Text or caption as it was sent.
fn raw(parameters: &Parameters) -> String {
    let text = parameters.text.as_ref().or(parameters.caption.as_ref());
    text.cloned().unwrap_or_default()
}

/// What a person would see of the text.
fn checked_text(parameters: &Parameters) -> Result<String, Answer> {
    let shown = read(parameters, parameters.text.as_deref().unwrap_or_default())?;
    if shown.text.trim().is_empty() {
        return Err(Answer::bad_request("message text is empty"));
    }
    if units(&shown.text) > TEXT_LIMIT {
        return Err(Answer::bad_request("message is too long"));
    }
    Ok(shown.text)
}

fn read(parameters: &Parameters, raw: &str) -> Result<Shown, Answer> {
    match parameters.parse_mode.as_deref() {
        Some(mode) if mode.eq_ignore_ascii_case("html") => {
            html::parse(raw).map_err(|reason| Answer::bad_request(&reason))
        }
        _ => Ok(Shown {
            text: raw.to_owned(),
            entities: 0,
        }),
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

pub(super) fn no_chat() -> Answer {
    Answer::bad_request("chat not found")
}
