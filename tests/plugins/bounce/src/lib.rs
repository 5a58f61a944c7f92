//! A channel without a platform: every message that it is to send it hands over as one that it received.

use std::sync::atomic::{AtomicU64, Ordering};

use miniclaw_plugin_api::{
    Account, Cause, Channel, Context, Error, InboundMessage, Inbox, Manifest, OutboundMessage, Result, Sent,
    Stop,
};
use serde::Deserialize;
use tokio::sync::watch;

/// It has no settings.
#[derive(Deserialize)]
pub struct Settings {}

/// The channel.
pub struct Bounce {
    inbox: watch::Sender<Option<Inbox>>,
    sent: AtomicU64,
}

impl Channel for Bounce {
    const MANIFEST: Manifest = Manifest::new("bounce", env!("CARGO_PKG_VERSION"))
        .description("A channel that hands over every message that it is to send");
    type Config = Settings;

    async fn create(_: Settings, _: Context) -> Result<Self> {
        Ok(Self {
            inbox: watch::channel(None).0,
            sent: AtomicU64::new(0),
        })
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new("1", "@bounce"))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        self.inbox.send_replace(Some(inbox));
        stop.requested().await;
        self.inbox.send_replace(None);
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        let inbox = self.inbox.borrow().clone();
        let inbox =
            inbox.ok_or_else(|| Error::transient("it does not receive").because(Cause::Unavailable))?;
        let number = self.sent.fetch_add(1, Ordering::Relaxed).to_string();
        let back = InboundMessage::new(message.chat.id.as_str(), number.as_str(), "42", message.text());
        inbox.emit(back).await?;
        Ok(Sent::one(number))
    }
}

miniclaw_plugin_api::export_plugin!(channel: Bounce);
