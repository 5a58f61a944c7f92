//! All methods but `getUpdates`.

use std::time::Instant;

use serde::Deserialize;

use super::fault::Answer;
use super::ledger::{Call, Upload};
use super::sending::no_chat;
use super::{Shared, State, menu, multipart, polling};
use crate::http::{Reply, Request};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Parameters {
    chat_id: Option<ChatId>,
    pub(super) text: Option<String>,
    pub(super) caption: Option<String>,
    pub(super) parse_mode: Option<String>,
    pub(super) message_id: Option<i64>,
    pub(super) message_thread_id: Option<i64>,
    pub(super) disable_notification: bool,
    pub(super) reply_parameters: Option<ReplyParameters>,
    pub(super) reply_to_message_id: Option<i64>,
    pub(super) link_preview_options: Option<PreviewOptions>,
    /// What a multipart body brings beside its fields.
    #[serde(skip)]
    pub(super) file: Option<Upload>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChatId {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct ReplyParameters {
    pub(super) message_id: i64,
}

#[derive(Deserialize)]
pub(super) struct PreviewOptions {
    #[serde(default)]
    pub(super) is_disabled: bool,
}

impl Parameters {
    /// Reads a body of JSON or of multipart.
    fn read(request: &Request) -> Option<Self> {
        if let Some(boundary) = multipart::boundary(request) {
            let (fields, file) = multipart::read(&request.body, boundary)?;
            let mut parameters: Self = serde_json::from_value(fields).ok()?;
            parameters.file = file;
            return Some(parameters);
        }
        if request.body.is_empty() {
            return Some(Self::default());
        }
        serde_json::from_slice(&request.body).ok()
    }

    pub(super) fn chat(&self) -> Option<i64> {
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
        let Some(parameters) = Parameters::read(request) else {
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
        // Messages can be large and many, and are in the ledger already.
        let is_message = ["send", "edit"].iter().any(|begin| method.starts_with(begin));
        let body = String::from_utf8_lossy(if is_message { b"" } else { body }).into_owned();
        let reply = self
            .state
            .change(|state| state.answer(token, method, parameters, body, forced));
        self.begin_delivery(token);
        reply
    }
}

impl State {
    fn answer(
        &mut self,
        token: &str,
        method: &str,
        parameters: Parameters,
        body: String,
        forced: Option<(Reply, bool)>,
    ) -> Reply {
        let performs = forced.as_ref().is_none_or(|(_, perform)| *perform);
        let own = performs.then(|| self.perform(token, method, &parameters, &body));
        let reply = match (forced, own) {
            (Some((reply, _)), _) | (None, Some(reply)) => reply,
            (None, None) => Reply::Close,
        };
        self.ledger.calls.push(Call {
            at: Instant::now(),
            bot: self.accounts.by_token(token).bot,
            method: method.to_owned(),
            chat: parameters.chat(),
            text: parameters.text.or(parameters.caption),
            parse_mode: parameters.parse_mode,
            body,
            status: reply.status(),
        });
        reply
    }

    fn perform(&mut self, token: &str, method: &str, parameters: &Parameters, body: &str) -> Reply {
        let account = self.accounts.by_token(token);
        if account.revoked {
            return Answer::unauthorized().into_reply();
        }
        let bot = account.bot;
        let result = match method.to_ascii_lowercase().as_str() {
            "getme" => Ok(me(bot)),
            "sendmessage" => self.send_message(token, parameters),
            "sendphoto" | "senddocument" | "sendvoice" | "sendaudio" | "sendvideo" => {
                self.send_file(token, method, parameters)
            }
            "editmessagetext" => self.edit_message(token, parameters),
            "deletemessage" => self.delete_message(token, parameters),
            "sendchataction" => parameters.chat().map(|_| "true".to_owned()).ok_or_else(no_chat),
            "getfile" => self.get_file(body),
            "setwebhook" => self.set_webhook(token, body),
            "deletewebhook" => self.delete_webhook(token, body),
            "getwebhookinfo" => Ok(self.webhook_info(token)),
            "setmycommands" => menu::commands(body),
            "answercallbackquery" => menu::callback(body),
            "close" | "logout" => Ok("true".to_owned()),
            _ => Err(Answer::error(404, "Not Found: method not found")),
        };
        match result {
            Ok(result) => Reply::json(200, format!("{{\"ok\":true,\"result\":{result}}}")),
            Err(answer) => answer.into_reply(),
        }
    }
}

fn me(bot: i64) -> String {
    format!(
        "{{\"id\":{bot},\"is_bot\":true,\"first_name\":\"Fake\",\"username\":\"fake_bot\",\"can_join_groups\":true,\
         \"can_read_all_group_messages\":false,\"supports_inline_queries\":false,\"can_connect_to_business\":false,\
         \"has_main_web_app\":false}}"
    )
}
