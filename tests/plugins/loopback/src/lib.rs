//! A channel to the tests' own platform.

use miniclaw_fixture_link::{Link, Settings};
use miniclaw_plugin_api::{
    Account, Channel, Context, Inbox, Manifest, OutboundMessage, Permission, Result, Sent, Stop,
};

/// The channel.
pub struct Loopback(Link);

impl Channel for Loopback {
    const MANIFEST: Manifest = Manifest::new("loopback", env!("CARGO_PKG_VERSION"))
        .description("A channel to the tests' own platform")
        .permissions(&[Permission::Network]);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        Link::open(settings, &context).await.map(Self)
    }

    async fn start(&self) -> Result<Account> {
        self.0.report("start").await?;
        Ok(self.0.account())
    }

    async fn receive(&self, inbox: Inbox, stop: Stop) -> Result<()> {
        self.0.report("receive").await?;
        self.0.receive(&inbox, stop, |_| ()).await
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.0.send(&message).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.0.shutdown().await
    }
}

miniclaw_plugin_api::export_plugin!(channel: Loopback);
