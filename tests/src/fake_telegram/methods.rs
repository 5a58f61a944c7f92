//! All methods but `getUpdates`.

use std::time::Instant;

use serde::Deserialize;

use super::fault::Answer;
use super::ledger::{Call, Sent};
use super::{Shared, State, html, polling, update};
use crate::http::{Reply, Request};

/// Telegram's limit of a message in UTF-16 units (core.telegram.org/bots/api#sendmessage).
const TEXT_LIMIT: usize = 4096;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    chat_id: Option<ChatId>,
    text: Option<String>,
    parse_mode: Option<String>,
    message_id: Option<i64>,
    reply_parameters: Option<ReplyParameters>,
    reply_to_message_id: Option<i64>,
    link_preview_options: Option<PreviewOptions>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChatId {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
struct ReplyParameters {
    message_id: i64,
}

#[derive(Deserialize)]
struct PreviewOptions {
    #[serde(default)]
    is_disabled: bool,
}

impl Parameters {
    fn chat(&self) -> Option<i64> {
        match self.chat_id.as_ref()? {
            ChatId::Number(id) => Some(*id),
            ChatId::Text(text) => text.parse().ok(),
        }
    }
}

impl Shared {
    pub(super) async fn call(&self, token: &str, method: &str, request: &Request) -> Reply {
        let body: &[u8] = if request.body.is_empty() {
            b"{}"
        } else {
            &request.body
        };
        let Ok(parameters) = serde_json::from_slice::<Parameters>(body) else {
            return Answer::bad_request("can't parse parameters").into_reply();
        };
        let (chat, markup) = (parameters.chat(), parameters.parse_mode.is_some());
        let effect = self.state.lock().rules.take(method, chat, markup);
        let forced = match effect {
            None => None,
            Some(effect) => {
                if !effect.delay.is_zero() {
                    self.state.change(|state| state.ledger.delayed += 1);
                    tokio::time::sleep(effect.delay).await;
                }
                effect.reply.map(|reply| (reply, effect.perform))
            }
        };
        if method.eq_ignore_ascii_case("getUpdates") {
            return match forced {
                Some((reply, _)) => {
                    let poll = serde_json::from_slice(body).unwrap_or_default();
                    self.state.change(|state| state.note_poll(token, &poll));
                    reply
                }
                None => match serde_json::from_slice::<polling::Parameters>(body) {
                    Ok(poll) => self.get_updates(token, poll).await,
                    Err(_) => Answer::bad_request("can't parse parameters").into_reply(),
                },
            };
        }
        self.state
            .change(|state| state.answer(token, method, parameters, forced))
    }
}

impl State {
    fn answer(
        &mut self,
        token: &str,
        method: &str,
        parameters: Parameters,
        forced: Option<(Reply, bool)>,
    ) -> Reply {
        let performs = forced.as_ref().is_none_or(|(_, perform)| *perform);
        let own = performs.then(|| self.perform(token, method, &parameters));
        let reply = match (forced, own) {
            (Some((reply, _)), _) | (None, Some(reply)) => reply,
            (None, None) => Reply::Close,
        };
        self.ledger.calls.push(Call {
            at: Instant::now(),
            bot: self.accounts.by_token(token).bot,
            method: method.to_owned(),
            chat: parameters.chat(),
            text: parameters.text,
            parse_mode: parameters.parse_mode,
            status: reply.status(),
        });
        reply
    }

    fn perform(&mut self, token: &str, method: &str, parameters: &Parameters) -> Reply {
        let account = self.accounts.by_token(token);
        if account.revoked {
            return Answer::unauthorized().into_reply();
        }
        let bot = account.bot;
        let result = match method.to_ascii_lowercase().as_str() {
            "getme" => Ok(me(bot)),
            "sendmessage" => self.send_message(token, parameters),
            "editmessagetext" => self.edit_message(token, parameters),
            "deletemessage" => self.delete_message(token, parameters),
            "sendchataction" => parameters.chat().map(|_| "true".to_owned()).ok_or_else(no_chat),
            "deletewebhook" | "setmycommands" | "close" | "logout" => Ok("true".to_owned()),
            _ => Err(Answer::error(404, "Not Found: method not found")),
        };
        match result {
            Ok(result) => Reply::json(200, format!("{{\"ok\":true,\"result\":{result}}}")),
            Err(answer) => answer.into_reply(),
        }
    }

    fn send_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let text = checked_text(parameters)?;
        let account = self.accounts.by_token(token);
        let id = account.next_message_id(chat);
        account.messages.insert((chat, id), text.clone());
        let result = update::sent(account.bot, chat, id, &text);
        let sent = Sent {
            at: Instant::now(),
            bot: account.bot,
            chat,
            message_id: id,
            text,
            raw: parameters.text.clone().unwrap_or_default(),
            parse_mode: parameters.parse_mode.clone(),
            reply_to: parameters
                .reply_parameters
                .as_ref()
                .map(|reply| reply.message_id)
                .or(parameters.reply_to_message_id),
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

    fn edit_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let id = parameters.message_id.unwrap_or_default();
        let text = checked_text(parameters)?;
        let account = self.accounts.by_token(token);
        let standing = account
            .messages
            .get_mut(&(chat, id))
            .ok_or_else(|| Answer::bad_request("message to edit not found"))?;
        if *standing == text {
            return Err(Answer::bad_request("message is not modified"));
        }
        standing.clone_from(&text);
        Ok(update::sent(account.bot, chat, id, &text))
    }

    fn delete_message(&mut self, token: &str, parameters: &Parameters) -> Result<String, Answer> {
        let chat = parameters.chat().ok_or_else(no_chat)?;
        let id = parameters.message_id.unwrap_or_default();
        match self.accounts.by_token(token).messages.remove(&(chat, id)) {
            Some(_) => Ok("true".to_owned()),
            None => Err(Answer::bad_request("message to delete not found")),
        }
    }
}

/// What a person would see of the text.
fn checked_text(parameters: &Parameters) -> Result<String, Answer> {
    let raw = parameters.text.as_deref().unwrap_or_default();
    let text = match parameters.parse_mode.as_deref() {
        Some(mode) if mode.eq_ignore_ascii_case("html") => {
            html::visible(raw).map_err(|reason| Answer::bad_request(&reason))?
        }
        _ => raw.to_owned(),
    };
    if text.trim().is_empty() {
        return Err(Answer::bad_request("message text is empty"));
    }
    if text.encode_utf16().count() > TEXT_LIMIT {
        return Err(Answer::bad_request("message is too long"));
    }
    Ok(text)
}

fn no_chat() -> Answer {
    Answer::bad_request("chat not found")
}

fn me(bot: i64) -> String {
    format!(
        "{{\"id\":{bot},\"is_bot\":true,\"first_name\":\"Fake\",\"username\":\"fake_bot\",\"can_join_groups\":true,\
         \"can_read_all_group_messages\":false,\"supports_inline_queries\":false,\"can_connect_to_business\":false,\
         \"has_main_web_app\":false}}"
    )
}
