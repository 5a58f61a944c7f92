//! The Telegram channel of miniclaw.
//!
//! A bot talks to the Bot API in two directions. [`receive`](Channel::receive) is a long poll of our own, or a
//! listener that a webhook leads to: updates are confirmed to Telegram only after the host has them on disk, and
//! whatever Telegram or the network does wrong is waited out there. [`send`](Channel::send) turns one chunk of Markdown into one message in
//! Telegram's HTML, and sends the same text plain where Telegram refuses the markup.
//!
//! Payloads come from teloxide. Its transport is not used: that sleeps 10 s inside every 5xx, and an error of
//! it prints the URL, which holds the token. Inbound updates are read by structs of our own, because one field
//! of an unexpected type must not lose a message.
//!
//! Beside messages the host hears, through [`Context::event`], of `chat_migrated` (`from`, `to`: a group became a
//! supergroup, which a notice or a refused send says; heard more than once), `outage` (`reason`) and `recovered`.

mod api;
mod commands;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod inbound;
mod markdown;
mod media;
mod outbound;
mod receive;
mod settings;
mod update;
mod webhook;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use miniclaw_plugin_api::{
    Account, Attachment, Capability, Cause, Change, Channel, ChatRef, Context, Error, Inbox, Manifest,
    MessageRef, OutboundMessage, Permission, Result, Sent, Signal, Stop, TextUnit,
};

use crate::api::Api;
use crate::inbound::Me;
use crate::outbound::HalfSent;
use crate::receive::{Offset, Receiver};
use crate::settings::Webhook;
pub use crate::settings::{Mode, Settings, WebhookSettings};

/// Longest text of one message in UTF-16 units, after entities are parsed
/// (<https://core.telegram.org/bots/api#sendmessage>, read 2026-11).
pub(crate) const TEXT_LIMIT: u32 = 4096;
/// The same of the text beside a file (<https://core.telegram.org/bots/api#sendphoto>, read 2026-11).
pub(crate) const CAPTION_LIMIT: u32 = 1024;

/// A bot on Telegram.
pub struct Telegram {
    api: Arc<Api>,
    context: Context,
    poll_timeout: Duration,
    /// `None` where messages come in by polls.
    webhook: Option<Webhook>,
    /// Whether Telegram knows this instance's secret.
    webhook_set: AtomicBool,
    /// Set by `start`.
    me: OnceLock<Me>,
    /// How far Telegram's queue is on disk; outlives a pause of `receive`, but not the instance: a new one
    /// polls without an offset and gets everything that is not confirmed yet.
    offset: Mutex<Offset>,
    /// Whether the commands were registered, or that was tried.
    offers_commands: AtomicBool,
    half_sent: HalfSent,
}

impl Telegram {
    fn me(&self) -> Result<&Me> {
        self.me
            .get()
            .ok_or_else(|| Error::transient("the telegram channel was not started").because(Cause::Protocol))
    }

    /// Tells the host that a group became a supergroup.
    fn migrated(&self, from: &str, to: &str) {
        let data = serde_json::json!({ "from": from, "to": to });
        self.context.event("chat_migrated", data);
    }
}

impl Channel for Telegram {
    const MANIFEST: Manifest = Manifest::new("telegram", env!("CARGO_PKG_VERSION"))
        .description(
            "Telegram bot: long polling or a webhook, Markdown replies, files, typing, edits and reactions.",
        )
        .schema(include_str!("../config.schema.json"))
        .capabilities(&[
            Capability::Edit,
            Capability::Delete,
            Capability::React,
            Capability::Typing,
            Capability::Fetch,
            Capability::SendAttachments,
        ])
        .permissions(&[Permission::Network, Permission::Listen])
        .text_limit(TEXT_LIMIT, TextUnit::Utf16);

    type Config = Settings;

    async fn create(config: Settings, context: Context) -> Result<Self> {
        let settings = config.check()?;
        Ok(Self {
            poll_timeout: settings.poll_timeout,
            webhook: settings.webhook,
            webhook_set: AtomicBool::new(false),
            api: Arc::new(Api::new(settings.api_url, settings.token, settings.route)?),
            context,
            me: OnceLock::new(),
            offset: Mutex::default(),
            offers_commands: AtomicBool::new(false),
            half_sent: HalfSent::default(),
        })
    }

    async fn start(&self) -> Result<Account> {
        let me = receive::identify(&self.api).await?;
        let interval = match self.webhook {
            Some(_) => webhook::PERIOD,
            None => self.poll_timeout,
        };
        let account = Account::new(me.id.to_string(), me.name()).polling(interval);
        tracing::info!(bot = account.name, id = me.id, "Telegram channel connected");
        // A second start of the same token is the same bot.
        let _ = self.me.set(me);
        Ok(account)
    }

    async fn receive(&self, inbox: Inbox, stop: Stop) -> Result<()> {
        // On the instance's one thread the task begins when this method waits first, which is in its first call.
        if !self.offers_commands.swap(true, Ordering::Relaxed) {
            commands::register(&self.context, &self.api);
        }
        if let Some(webhook) = &self.webhook {
            return webhook::receive(self, self.me()?, webhook, inbox, stop).await;
        }
        let offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Receiver::new(self, self.me()?, inbox, stop, offset).run().await
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        let result = outbound::send(&self.api, &self.half_sent, &message).await;
        let meta = match &result {
            Ok(sent) => &sent.meta,
            Err(error) => &error.meta,
        };
        if let Some(to) = meta.get("migrate_to_chat").and_then(|to| to.as_str()) {
            self.migrated(&message.chat.id, to);
        }
        result
    }

    async fn update(&self, target: MessageRef, change: Change) -> Result<()> {
        outbound::update(&self.api, &target, change).await
    }

    async fn signal(&self, chat: ChatRef, signal: Signal) -> Result<()> {
        outbound::signal(&self.api, &chat, signal).await
    }

    async fn fetch(&self, attachment: Attachment) -> Result<Vec<u8>> {
        media::fetch(&self.api, attachment).await
    }
}
