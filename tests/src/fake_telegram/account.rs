//! Bots and what waits for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use super::update::{self, Injection};
use super::webhook::Webhook;

/// All bots by token; a token of the right shape is a bot from its first use on.
#[derive(Default)]
pub(super) struct Accounts(HashMap<String, Account>);

impl Accounts {
    pub(super) fn by_token(&mut self, token: &str) -> &mut Account {
        if !self.0.contains_key(token) {
            self.0.insert(token.to_owned(), Account::new(token));
        }
        self.0.get_mut(token).expect("it was put there")
    }

    /// Something where the bot has a webhook.
    pub(super) fn has_webhook(&self, token: &str) -> Option<()> {
        self.0.get(token)?.webhook.as_ref().map(|_| ())
    }
}

pub(super) struct Account {
    pub(super) bot: i64,
    pub(super) revoked: bool,
    pub(super) next_update_id: i64,
    /// Counts polls: only the latest one is served.
    pub(super) generation: u64,
    pub(super) changed: Arc<Notify>,
    pub(super) webhook: Option<Webhook>,
    /// Counts webhooks: only the latest one is delivered to.
    pub(super) webhook_generation: u64,
    /// The one that deliveries began for.
    pub(super) delivering: u64,
    /// Chats of which an update is being delivered.
    pub(super) under_way: HashSet<i64>,
    updates: VecDeque<(i64, String)>,
    /// The last message id of each chat.
    message_ids: HashMap<i64, i64>,
    /// What the bot sent, by chat and message id.
    pub(super) messages: HashMap<(i64, i64), Standing>,
}

/// A message as it stands in its chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// What a person sees.
    pub(super) text: String,
    /// Its markup counts as content: to make a word bold is a change.
    pub(super) raw: String,
    /// Whether it is a file, whose caption cannot be edited as a text.
    pub(super) is_file: bool,
}

impl Account {
    fn new(token: &str) -> Self {
        Self {
            bot: token
                .split(':')
                .next()
                .and_then(|id| id.parse().ok())
                .unwrap_or_default(),
            revoked: false,
            next_update_id: 5_000,
            generation: 0,
            changed: Arc::new(Notify::new()),
            webhook: None,
            webhook_generation: 0,
            delivering: 0,
            under_way: HashSet::new(),
            updates: VecDeque::new(),
            message_ids: HashMap::new(),
            messages: HashMap::new(),
        }
    }

    /// Queues a message; the caller wakes the poll.
    pub(super) fn inject(&mut self, message: &Injection) -> i64 {
        let id = self.next_message_id(message.chat);
        let members = update::members(message, id);
        self.inject_raw(&members);
        id
    }

    /// Queues an update; the caller wakes the poll.
    pub(super) fn inject_raw(&mut self, members: &str) {
        let id = self.next_update_id;
        self.next_update_id += 1;
        self.updates
            .push_back((id, format!("{{\"update_id\":{id},{members}}}")));
    }

    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    pub(super) fn next_message_id(&mut self, chat: i64) -> i64 {
        let id = self.message_ids.entry(chat).or_insert(0);
        *id += 1;
        *id
    }

    /// Forgets every update below `offset`; a negative one keeps that many from the end.
    pub(super) fn confirm(&mut self, offset: i64) {
        if offset < 0 {
            let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            let surplus = self.updates.len().saturating_sub(keep);
            self.updates.drain(..surplus);
        } else {
            self.updates.retain(|(id, _)| *id >= offset);
        }
    }

    /// Forgets one update.
    pub(super) fn take(&mut self, id: i64) {
        self.updates.retain(|(waiting, _)| *waiting != id);
    }

    /// The next update that can be delivered, with its id and chat, whose turn it is then.
    pub(super) fn next_delivery(&mut self) -> Option<(i64, i64, String)> {
        let free = self.webhook.as_ref()?.connections() > self.under_way.len();
        let waiting = self.updates.iter().filter(|_| free);
        let mut waiting = waiting.map(|(id, text)| (*id, update::chat(text).unwrap_or(*id), text));
        let (id, chat, text) = waiting.find(|(_, chat, _)| !self.under_way.contains(chat))?;
        let text = text.clone();
        self.under_way.insert(chat);
        Some((id, chat, text))
    }

    pub(super) fn waiting(&self) -> usize {
        self.updates.len()
    }

    /// A poll's answer with the first `limit` updates, and how many there are in it.
    pub(super) fn batch(&self, limit: usize) -> (String, usize) {
        let count = self.updates.len().min(limit);
        let updates = self.updates.iter().take(count);
        let mut body =
            String::with_capacity(32 + updates.clone().map(|(_, text)| text.len() + 1).sum::<usize>());
        body.push_str("{\"ok\":true,\"result\":[");
        for (index, (_, text)) in updates.enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(text);
        }
        body.push_str("]}");
        (body, count)
    }
}
