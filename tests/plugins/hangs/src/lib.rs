//! A channel that hangs where its settings say.

use std::time::Duration;

use miniclaw_fixture_link::Link;
use miniclaw_plugin_api::{
    Account, Channel, Context, InboundMessage, Inbox, Manifest, OutboundMessage, Permission, Result, Sent,
    Stop,
};
use serde::Deserialize;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    link: miniclaw_fixture_link::Settings,
    at: Place,
    /// Blocks the instance's thread, rather than awaiting what never comes.
    #[serde(default)]
    blocking: bool,
    /// What the channel says of its poll.
    #[serde(default)]
    poll_timeout_ms: Option<u64>,
}

/// Where it hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Create,
    Start,
    /// The platform is heard once, and never again.
    Receive,
    /// `receive` works, but does not hear the stop.
    Stop,
    Send,
    Shutdown,
}

/// The channel.
pub struct Hangs {
    settings: Settings,
    link: Link,
}

impl Settings {
    async fn reach(&self, place: Place) {
        if self.at != place {
            return;
        }
        if self.blocking {
            loop {
                std::thread::park();
            }
        }
        std::future::pending().await
    }
}

impl Channel for Hangs {
    const MANIFEST: Manifest = Manifest::new("hangs", env!("CARGO_PKG_VERSION"))
        .description("A channel that hangs where its settings say")
        .permissions(&[Permission::Network]);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        let link = Link::open(settings.link.clone(), &context).await?;
        settings.reach(Place::Create).await;
        Ok(Self { settings, link })
    }

    async fn start(&self) -> Result<Account> {
        self.link.report("start").await?;
        self.settings.reach(Place::Start).await;
        let account = self.link.account();
        Ok(match self.settings.poll_timeout_ms {
            Some(millis) => account.polling(Duration::from_millis(millis)),
            None => account,
        })
    }

    async fn receive(&self, inbox: Inbox, stop: Stop) -> Result<()> {
        self.link.report("receive").await?;
        inbox.progress();
        self.settings.reach(Place::Receive).await;
        self.link.receive(&inbox, stop, |_| ()).await?;
        // What comes after the stop must not be taken.
        let late = inbox
            .emit(InboundMessage::new("7", "late", "42", "too late"))
            .await;
        let cause = late
            .err()
            .map(|error| format!("{:?}", error.cause))
            .unwrap_or_default();
        self.link.report(&format!("late: {cause}")).await?;
        self.settings.reach(Place::Stop).await;
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.link.report("send").await?;
        self.settings.reach(Place::Send).await;
        self.link.send(&message).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.link.shutdown().await?;
        self.settings.reach(Place::Shutdown).await;
        Ok(())
    }
}

miniclaw_plugin_api::export_plugin!(channel: Hangs);
