//! A channel that panics where its settings say.

use std::sync::atomic::{AtomicU32, Ordering};

use miniclaw_fixture_link::Link;
use miniclaw_plugin_api::{
    Account, Channel, Context, Inbox, Manifest, OutboundMessage, Permission, Result, Sent, Stop,
};
use serde::Deserialize;

/// Panics so far in this process, all instances together; it outlives a restart of an instance.
static PANICS: AtomicU32 = AtomicU32::new(0);

/// Settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    link: miniclaw_fixture_link::Settings,
    at: Place,
    /// Panics before it behaves; without it there is no end.
    #[serde(default)]
    times: Option<u32>,
    /// With `at: "message"`: which message of a `receive` brings the panic, from 1 on.
    #[serde(default = "first")]
    after: u64,
}

/// Where it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Create,
    Start,
    Receive,
    Message,
    Send,
    Task,
    Shutdown,
}

fn first() -> u64 {
    1
}

/// The channel.
pub struct Panicky {
    settings: Settings,
    context: Context,
    link: Link,
}

impl Settings {
    fn reach(&self, place: Place) {
        if self.at != place {
            return;
        }
        let before = PANICS.fetch_add(1, Ordering::SeqCst);
        assert!(
            self.times.is_some_and(|times| before >= times),
            "a panic at {place:?}, as asked"
        );
    }
}

impl Channel for Panicky {
    const MANIFEST: Manifest = Manifest::new("panicky", env!("CARGO_PKG_VERSION"))
        .description("A channel that panics where its settings say")
        .permissions(&[Permission::Network]);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        let link = Link::open(settings.link.clone(), &context).await?;
        settings.reach(Place::Create);
        Ok(Self {
            settings,
            context,
            link,
        })
    }

    async fn start(&self) -> Result<Account> {
        self.link.report("start").await?;
        self.settings.reach(Place::Start);
        Ok(self.link.account())
    }

    async fn receive(&self, inbox: Inbox, stop: Stop) -> Result<()> {
        self.link.report("receive").await?;
        self.settings.reach(Place::Receive);
        let settings = self.settings.clone();
        self.context.spawn(async move { settings.reach(Place::Task) });
        let before = |count| {
            if count == self.settings.after {
                self.settings.reach(Place::Message);
            }
        };
        self.link.receive(&inbox, stop, before).await
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.link.report("send").await?;
        self.settings.reach(Place::Send);
        self.link.send(&message).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.link.shutdown().await?;
        self.settings.reach(Place::Shutdown);
        Ok(())
    }
}

miniclaw_plugin_api::export_plugin!(channel: Panicky);
