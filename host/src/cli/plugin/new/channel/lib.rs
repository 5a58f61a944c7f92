//! A channel of miniclaw.

mod platform;
mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use miniclaw_plugin_api::{
    Account, Cause, Channel, Context, Error, InboundMessage, Inbox, Manifest, OutboundMessage,
    Result, Sent, Stop, TextUnit, export_plugin,
};
use serde_json::{Value, json};

use platform::Platform;
use settings::Settings;

/// The only chat of this platform, and the only person in it.
const CHAT: &str = "local";

/// One instance of the channel. The configuration may have several.
pub struct Plugin {
    platform: Platform,
    poll: Duration,
}

impl Channel for Plugin {
    const MANIFEST: Manifest = Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(env!("CARGO_PKG_DESCRIPTION"))
        .schema(include_str!("../settings.schema.json"))
        // With a platform on the network: `.permissions(&[Permission::Network])`.
        .text_limit(4000, TextUnit::Utf16);

    type Config = Settings;

    /// Looks at the settings; connects to nothing yet.
    async fn create(settings: Settings, context: Context) -> Result<Self> {
        let folder = settings.folder.or_else(|| context.data_dir());
        let folder = folder.ok_or_else(|| Error::config("settings.folder: name a folder"))?;
        Ok(Self {
            platform: Platform::new(folder),
            poll: Duration::from_millis(settings.poll_ms.max(10).into()),
        })
    }

    /// Connects, and says who the channel speaks as.
    async fn start(&self) -> Result<Account> {
        self.platform.connect()?;
        Ok(Account::new(CHAT, "Two files").polling(self.poll))
    }

    /// Hands over what people write, until the stop.
    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        // The position that was stored with the last message that the host took.
        let mut position = inbox.cursor().and_then(|at| at.parse().ok()).unwrap_or(0);
        loop {
            for line in self.platform.lines_after(position)? {
                position = line.end;
                let message = InboundMessage::new(CHAT, line.id, CHAT, line.text);
                // After `?` the message is on disk. Where the host has no room, `receive` ends here and is
                // called again later, with the position of before.
                inbox
                    .emit_batch(vec![message], Some(position.to_string()))
                    .await?;
            }
            inbox.progress();
            tokio::select! {
                () = stop.requested() => return Ok(()),
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// Sends one message; longer texts were split by the host before.
    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        if message.chat.id != CHAT {
            let error = Error::permanent(format!("there is no chat `{}`", message.chat.id));
            return Err(error.because(Cause::NotFound));
        }
        let id = self
            .platform
            .post(&message.text(), &message.idempotency_key)?;
        Ok(Sent::one(id))
    }

    /// `check.emit` lets `miniclaw plugin check` and the tests write as a person would.
    async fn invoke(&self, name: String, arguments: Value) -> Result<Value> {
        if name != "check.emit" {
            return Err(Error::unsupported(&name));
        }
        for number in 1..=arguments["count"].as_u64().unwrap_or(1) {
            self.platform
                .write_as_a_person(&format!("check {number}"))?;
        }
        Ok(json!({}))
    }
}

export_plugin!(channel: Plugin);
