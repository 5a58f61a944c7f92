//! Channel on the terminal that started the gateway: a line in is a message, a reply is printed.
//!
//! Standard input and output belong to the process, so all instances share them: a restarted instance goes on
//! where the one before it stood.

mod terminal;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::time::{SystemTime, UNIX_EPOCH};

use miniclaw_plugin_api::{
    Account, Capability, Channel, Command, Context, InboundMessage, Inbox, Manifest, OutboundMessage, Result,
    Sent, Stop,
};
use serde::Deserialize;
use serde_json::json;

#[doc(hidden)]
pub use crate::terminal::{Stdio, Streams, Terminal};

/// Id of the only chat, of the only sender, and of the account.
const NAME: &str = "console";

/// Settings of the `console` plugin: none.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The channel; `S` is the process's standard input and output, except in tests.
pub struct Console<S = Stdio> {
    context: Context,
    terminal: &'static Terminal,
    streams: PhantomData<S>,
}

impl<S: Streams> Channel for Console<S> {
    const MANIFEST: Manifest = Manifest::new("console", env!("CARGO_PKG_VERSION"))
        .description("Talk to the agent on the terminal that started the gateway.")
        .schema(include_str!("../schema.json"))
        .capabilities(&[Capability::Authenticates]);

    type Config = Settings;

    async fn create(Settings {}: Settings, context: Context) -> Result<Self> {
        Ok(Self {
            context,
            terminal: S::terminal(),
            streams: PhantomData,
        })
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new(NAME, "Console"))
    }

    /// After the end of the input it tells the host `console_closed` and waits for the stop: replies to what was
    /// read are still to be printed.
    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        let mut lines = self.terminal.lines().await;
        // A message that was read and not taken: the host was full, or the future was dropped on the way.
        if let Some(message) = lines.held.clone() {
            inbox.emit(message).await?;
            lines.held = None;
        }
        self.terminal.prompt().await;
        let why = loop {
            let line = tokio::select! {
                biased;
                () = stop.requested() => return Ok(()),
                line = lines.next() => line,
            };
            match line {
                Some(Ok(line)) if line.trim().is_empty() => self.terminal.prompt().await,
                Some(Ok(line)) => {
                    let message = inbound(self.terminal.next_id(), line);
                    lines.held = Some(message.clone());
                    inbox.emit(message).await?;
                    lines.held = None;
                }
                Some(Err(error)) => break json!({ "error": error }),
                None => break json!({}),
            }
        };
        self.context.event("console_closed", why);
        stop.requested().await;
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.terminal.print(message.text()).await?;
        Ok(Sent::one(self.terminal.next_id()))
    }
}

fn inbound(id: String, line: String) -> InboundMessage {
    let command = command(&line);
    let mut message = InboundMessage::new(NAME, id, NAME, line);
    message.command = command;
    message.timestamp_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default();
    message
}

/// The command in `/name arguments`; a path such as `/etc/hosts` is none.
fn command(line: &str) -> Option<Command> {
    let rest = line.trim().strip_prefix('/')?;
    let (name, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let valid = |char: char| char.is_ascii_alphanumeric() || char == '_';
    (!name.is_empty() && name.chars().all(valid)).then(|| Command {
        name: name.to_owned(),
        args: args.trim().to_owned(),
    })
}
