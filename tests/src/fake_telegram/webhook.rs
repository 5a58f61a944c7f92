//! Webhooks: updates are posted to an address until it answers with 2xx, those of one chat one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::Answer;
use super::ledger::Delivery;
use super::{Shared, State};
use crate::http::Reply;

/// What the rules of a test call a delivery: [`FakeTelegram::on`](super::FakeTelegram::on) takes it as a method.
pub(super) const METHOD: &str = "webhook";
/// The wait before an update that was not taken is delivered again. The real server begins with a second.
const AGAIN: Duration = Duration::from_millis(100);
/// Deliveries at a time where the bot names no number (core.telegram.org/bots/api#setwebhook).
const CONNECTIONS: usize = 40;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a bot asked for.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    url: String,
    secret: Option<String>,
    connections: usize,
    allowed: Value,
    /// When a delivery failed last, and how.
    last_error: Option<(u64, String)>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    url: String,
    secret_token: Option<String>,
    max_connections: Option<usize>,
    allowed_updates: Option<Value>,
    drop_pending_updates: bool,
}

impl Shared {
    /// Begins to deliver to the webhook that the bot has, unless that has begun.
    pub(super) fn begin_delivery(&self, token: &str) {
        let generation = {
            let mut state = self.state.lock();
            let account = state.accounts.by_token(token);
            let begun = std::mem::replace(&mut account.delivering, account.webhook_generation);
            (account.webhook.is_some() && begun != account.webhook_generation)
                .then_some(account.webhook_generation)
        };
        if let (Some(generation), Some(shared)) = (generation, self.own.upgrade()) {
            tokio::spawn(shared.deliver(token.to_owned(), generation));
        }
    }

    /// Delivers what waits, for as long as this webhook is the bot's.
    async fn deliver(self: Arc<Self>, token: String, generation: u64) {
        let changed = self.state.lock().accounts.by_token(&token).changed.clone();
        loop {
            let mut woken = std::pin::pin!(changed.notified());
            woken.as_mut().enable();
            let next = {
                let mut state = self.state.lock();
                let account = state.accounts.by_token(&token);
                if account.webhook_generation != generation {
                    return;
                }
                account.next_delivery()
            };
            match next {
                Some((id, chat, update)) => {
                    let posting = self.clone().post(token.clone(), generation, (id, chat), update);
                    tokio::spawn(posting);
                }
                None => woken.await,
            }
        }
    }

    /// Delivers one update once.
    async fn post(self: Arc<Self>, token: String, generation: u64, (id, chat): (i64, i64), update: String) {
        let effect = self.state.lock().rules.take(METHOD, Some(chat), false);
        let (delay, forced) = effect.map_or((Duration::ZERO, None), |effect| {
            (effect.delay, effect.reply.map(|reply| (reply, effect.perform)))
        });
        tokio::time::sleep(delay).await;
        let webhook = self.state.lock().accounts.by_token(&token).webhook.clone();
        let mut status = None;
        if let Some(webhook) = webhook
            && forced.as_ref().is_none_or(|(_, perform)| *perform)
        {
            let posted = tokio::time::timeout(PATIENCE, exchange(&webhook, &update)).await;
            status = posted.ok().and_then(Result::ok);
        }
        if let Some((reply, _)) = forced {
            status = reply.status();
        }
        let taken = status.is_some_and(|status| (200..300).contains(&status));
        self.state
            .change(|state| state.note_delivery(&token, id, &update, status));
        if !taken {
            tokio::time::sleep(AGAIN).await;
        }
        let mut state = self.state.lock();
        let account = state.accounts.by_token(&token);
        if account.webhook_generation == generation {
            account.under_way.remove(&chat);
            account.wake();
        }
    }
}

impl State {
    /// Sets a webhook, or with an empty address none.
    pub(super) fn set_webhook(&mut self, token: &str, body: &str) -> Result<String, Answer> {
        let parameters: Parameters =
            serde_json::from_str(body).map_err(|_| Answer::bad_request("can't parse parameters"))?;
        if let Some(reason) = check(&parameters) {
            return Err(Answer::bad_request(reason));
        }
        let account = self.accounts.by_token(token);
        if parameters.drop_pending_updates {
            account.confirm(i64::MAX);
        }
        account.webhook_generation += 1;
        account.under_way = HashSet::new();
        account.webhook = (!parameters.url.is_empty()).then(|| Webhook {
            url: parameters.url,
            secret: parameters.secret_token,
            connections: parameters.max_connections.unwrap_or(CONNECTIONS),
            allowed: parameters.allowed_updates.unwrap_or_default(),
            last_error: None,
        });
        // Whoever polls is told of the conflict.
        account.wake();
        Ok("true".to_owned())
    }

    pub(super) fn delete_webhook(&mut self, token: &str, body: &str) -> Result<String, Answer> {
        let mut parameters: Value = serde_json::from_str(body).unwrap_or_default();
        parameters["url"] = "".into();
        self.set_webhook(token, &parameters.to_string())
    }

    fn note_delivery(&mut self, token: &str, id: i64, update: &str, status: Option<u16>) {
        let account = self.accounts.by_token(token);
        if status.is_some_and(|status| (200..300).contains(&status)) {
            account.take(id);
        } else if let Some(webhook) = &mut account.webhook {
            let message = match status {
                Some(status) => format!("Wrong response from the webhook: {status}"),
                None => "Connection refused".to_owned(),
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            webhook.last_error = Some((now.map_or(0, |since| since.as_secs()), message));
        }
        self.ledger.deliveries.push(Delivery {
            at: Instant::now(),
            update_id: id,
            update: update.to_owned(),
            status,
        });
    }

    pub(super) fn webhook_info(&mut self, token: &str) -> String {
        let account = self.accounts.by_token(token);
        let waiting = account.waiting();
        let Some(webhook) = &account.webhook else {
            return json!({ "url": "", "has_custom_certificate": false, "pending_update_count": waiting })
                .to_string();
        };
        let mut info = json!({ "url": webhook.url, "has_custom_certificate": false, "pending_update_count": waiting,
            "max_connections": webhook.connections, "allowed_updates": webhook.allowed });
        if let Some((date, message)) = &webhook.last_error {
            info["last_error_date"] = (*date).into();
            info["last_error_message"] = message.as_str().into();
        }
        info.to_string()
    }
}

impl Webhook {
    pub(super) fn connections(&self) -> usize {
        self.connections
    }
}

/// What Telegram refuses; the fake takes plain HTTP too, as a Bot API server of one's own does.
fn check(parameters: &Parameters) -> Option<&'static str> {
    let secret = parameters.secret_token.as_deref().unwrap_or("x");
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=256).contains(&secret.len()) || !secret.bytes().all(valid) {
        return Some("secret token contains unallowed characters");
    }
    if !parameters.url.is_empty() && !parameters.url.starts_with("http") {
        return Some("bad webhook: invalid url specified");
    }
    let connections = parameters.max_connections.unwrap_or(CONNECTIONS);
    (!(1..=100).contains(&connections)).then_some("bad webhook: max_connections is out of range")
}

/// Posts an update over a connection of its own; the status of the answer.
async fn exchange(webhook: &Webhook, update: &str) -> std::io::Result<u16> {
    let (authority, path) = place(&webhook.url);
    let mut stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let secret = webhook.secret.as_ref();
    let secret = secret.map(|secret| format!("X-Telegram-Bot-Api-Secret-Token: {secret}\r\n"));
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: keep-alive\r\n{}\r\n{update}",
        update.len(),
        secret.unwrap_or_default()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Authority and path of an address.
fn place(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

/// The conflict of a poll beside a webhook.
pub(super) fn conflict() -> Reply {
    let text = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
    Answer::error(409, text).into_reply()
}
