//! A channel that tries what a plugin must not do. To a message that names an action, or several separated by blanks, it
//! sends a line for each: `NAME: allowed`, `NAME: denied (EACCES)`, `NAME: unavailable (ENOSYS)`. The text `list` is answered
//! with all names.

mod actions;

use std::path::PathBuf;

use miniclaw_fixture_link::Link;
use miniclaw_plugin_api::{
    Account, Channel, Context, Inbox, Manifest, OutboundMessage, Permission, Result, Sent, Stop,
};
use serde::Deserialize;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    link: miniclaw_fixture_link::Settings,
    paths: Paths,
}

/// What it reaches for. All of it exists and belongs to the test, which loses nothing but the content of `victim`.
#[derive(Debug, Clone, Deserialize)]
struct Paths {
    /// The gateway's configuration.
    config: PathBuf,
    /// The gateway's spool.
    spool: PathBuf,
    /// The gateway's control socket.
    control: PathBuf,
    /// The gateway's folder of copies of libraries.
    cache: PathBuf,
    /// A folder that is not the instance's own.
    home: PathBuf,
    /// A file in that folder.
    victim: PathBuf,
    /// A plugin's library.
    library: PathBuf,
}

/// The channel.
pub struct Prober {
    link: Link,
    paths: Paths,
}

impl Channel for Prober {
    const MANIFEST: Manifest = Manifest::new("prober", env!("CARGO_PKG_VERSION"))
        .description("A channel that tries what a plugin must not do")
        .permissions(&[Permission::Network]);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        Ok(Self {
            link: Link::open(settings.link, &context).await?,
            paths: settings.paths,
        })
    }

    async fn start(&self) -> Result<Account> {
        self.link.report("start").await?;
        Ok(self.link.account())
    }

    /// The platform's messages are orders to the channel, and no message to the agent.
    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        self.link.report("receive").await?;
        while let Some(message) = self.link.next(&mut stop).await? {
            inbox.progress();
            let text = message.text();
            let answer = match text.trim() {
                "list" => actions::names().join(" "),
                names => names
                    .split_whitespace()
                    .map(|name| format!("{name}: {}", actions::attempt(name, &self.paths)))
                    .collect::<Vec<_>>()
                    .join("\n"),
            };
            self.link
                .send(&OutboundMessage::new(message.chat, answer))
                .await?;
        }
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.link.send(&message).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.link.shutdown().await
    }
}

miniclaw_plugin_api::export_plugin!(channel: Prober);
