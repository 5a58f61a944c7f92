//! What the server saw.

use std::time::Instant;

/// Everything that was received, in order.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Every `getUpdates`.
    pub polls: Vec<Poll>,
    /// Polls that are being answered at this moment.
    pub open_polls: usize,
    /// Every other call, failed ones included.
    pub calls: Vec<Call>,
    /// Calls of any kind that a rule delayed, told when they come in.
    pub delayed: usize,
    /// Messages that now stand in a chat, also where the answer to the bot was lost.
    pub sent: Vec<Sent>,
    /// Edits that changed a message, in order.
    pub edits: Vec<Edit>,
    /// Updates that were posted to a webhook, or were to be.
    pub deliveries: Vec<Delivery>,
}

/// An update on its way to a webhook.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// When its answer came.
    pub at: Instant,
    pub update_id: i64,
    /// As JSON text.
    pub update: String,
    /// What was answered; `None` where nothing was.
    pub status: Option<u16>,
}

/// A `getUpdates`.
#[derive(Debug, Clone)]
pub struct Poll {
    pub at: Instant,
    pub bot: i64,
    pub offset: i64,
    pub timeout_seconds: u64,
    /// The `allowed_updates` as JSON text; empty where there were none.
    pub allowed_updates: String,
}

/// Any other call.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub bot: i64,
    pub method: String,
    pub chat: Option<i64>,
    pub text: Option<String>,
    pub parse_mode: Option<String>,
    /// The parameters as JSON text, but for messages.
    pub body: String,
    /// What was answered; `None` where nothing was.
    pub status: Option<u16>,
}

/// A change to a message from the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub at: Instant,
    pub bot: i64,
    pub chat: i64,
    pub message_id: i64,
    /// What the person sees from then on, markup removed.
    pub text: String,
    /// As it was sent.
    pub raw: String,
}

/// A file from the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The parameter that it came as: `photo`, `document`, `voice`, `audio` or `video`.
    pub field: String,
    pub name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// A message from the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub at: Instant,
    pub bot: i64,
    pub chat: i64,
    pub message_id: i64,
    /// The topic, where it was sent to one.
    pub thread: Option<i64>,
    /// What the person sees, markup removed; of a file its caption.
    pub text: String,
    /// As it was sent.
    pub raw: String,
    pub parse_mode: Option<String>,
    pub reply_to: Option<i64>,
    pub silent: bool,
    pub file: Option<Upload>,
    /// Whether link previews were switched off.
    pub preview_disabled: bool,
}

impl Ledger {
    /// Messages to one chat, in order.
    pub fn sent_to(&self, chat: i64) -> Vec<Sent> {
        self.sent
            .iter()
            .filter(|sent| sent.chat == chat)
            .cloned()
            .collect()
    }

    /// Edits of one message, in order.
    pub fn edits_of(&self, chat: i64, message_id: i64) -> Vec<Edit> {
        let edits = self.edits.iter();
        edits
            .filter(|edit| (edit.chat, edit.message_id) == (chat, message_id))
            .cloned()
            .collect()
    }

    /// Calls of one method, in order.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls
            .iter()
            .filter(|call| call.method == method)
            .cloned()
            .collect()
    }

    /// A few lines for a failed test's message.
    pub fn summary(&self) -> String {
        let tail = self.calls.len().saturating_sub(10);
        let calls: Vec<String> = self.calls[tail..]
            .iter()
            .map(|call| format!("{} chat {:?} -> {:?}", call.method, call.chat, call.status))
            .collect();
        format!(
            "Telegram saw {} polls ({} open), {} calls, {} messages; last calls: {calls:?}",
            self.polls.len(),
            self.open_polls,
            self.calls.len(),
            self.sent.len(),
        )
    }
}
