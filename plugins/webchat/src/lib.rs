//! Channel to a page in the browser, served by the plugin itself.
//!
//! What is said is kept in the instance's own folder, so that a page that was away gets all of it. The host's spool
//! stays what decides: a message is confirmed to the page once that has it.

mod api;
mod app;
mod events;
mod guard;
mod handover;
mod links;
mod pages;
mod random;
mod server;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use miniclaw_plugin_api::{
    Account, Capability, Cause, Change, Channel, ChatRef, Context, Error, Inbox, Manifest, MessageRef,
    OutboundMessage, Permission, Result, Sent, Signal, Stop, TextUnit,
};
use serde_json::{Value, json};

use crate::app::App;
use crate::links::VALID;
use crate::server::Server;
pub use crate::settings::Settings;
use crate::settings::Site;

/// Id of the only sender and of the account.
const OWNER: &str = "owner";
/// Between signs of life to the host.
const BEAT: Duration = Duration::from_secs(15);
/// Longest message in Unicode scalar values: one that is shown while it is written goes over the wire whole each time.
const TEXT_CAP: u32 = 32 * 1024;

/// The channel.
pub struct Webchat {
    context: Context,
    site: Site,
    /// From the start on: an instance that is only made, to see whether its settings hold, touches no file.
    app: OnceLock<Arc<App>>,
    server: Mutex<Option<Server>>,
}

impl Channel for Webchat {
    const MANIFEST: Manifest = Manifest::new("webchat", env!("CARGO_PKG_VERSION"))
        .description("Talk to the agent on a page in the browser, and see how the gateway fares.")
        .schema(include_str!("../schema.json"))
        .capabilities(&[
            Capability::Authenticates,
            Capability::Edit,
            Capability::Delete,
            Capability::Typing,
            Capability::Live,
        ])
        .permissions(&[Permission::Listen, Permission::Observe])
        .text_limit(TEXT_CAP, TextUnit::Chars);

    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        Ok(Self {
            context,
            site: settings.check()?,
            app: OnceLock::new(),
            server: Mutex::new(None),
        })
    }

    async fn start(&self) -> Result<Account> {
        let app = Arc::new(App::new(self.context.clone(), &self.site)?);
        self.app.get_or_init(|| app).store.claim()?;
        if !self.site.listen.ip().is_loopback() {
            tracing::warn!(
                listen = %self.site.listen,
                "The web chat can be reached from other machines; let nothing but a reverse proxy with TLS reach it"
            );
        }
        // Where the instance that this one replaces has the port, it is taken over in `receive`.
        self.serve()?;
        Ok(Account::new("webchat", "Web chat").polling(BEAT))
    }

    async fn receive(&self, inbox: Inbox, stop: Stop) -> Result<()> {
        let app = self.app()?;
        app.store.claim()?;
        self.take_over_port().await?;
        let ended = handover::receive(app, &inbox, stop).await;
        if app.store.is_succeeded()? {
            self.close().await;
        }
        ended
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        let chat = known_chat(&message.chat)?;
        let seq = self.app()?.store.say(chat, &message)?;
        Ok(Sent::one(format!("m-{seq}")))
    }

    async fn update(&self, target: MessageRef, change: Change) -> Result<()> {
        let gone = || Error::permanent("this message is gone").because(Cause::NotFound);
        let chat = known_chat(&target.chat)?;
        let seq = target.id.strip_prefix("m-").and_then(|seq| seq.parse().ok());
        let seq: i64 = seq.ok_or_else(gone)?;
        let found = match change {
            Change::Edit { message } => self.app()?.store.edit(chat, seq, &message)?,
            Change::Delete => self.app()?.store.remove(chat, seq)?,
            _ => return Err(Error::unsupported("update")),
        };
        found.then_some(()).ok_or_else(gone)
    }

    async fn signal(&self, chat: ChatRef, signal: Signal) -> Result<()> {
        if signal == Signal::Typing {
            // An error means that no page is open.
            let _ = self.app()?.typing.send(chat.id.into());
        }
        Ok(())
    }

    async fn invoke(&self, name: String, _arguments: Value) -> Result<Value> {
        if name != "link" {
            return Err(Error::unsupported(&name));
        }
        let base = lock(&self.server)
            .as_ref()
            .map(|server| server.rules.base.clone());
        let base = base.ok_or_else(|| Error::transient("the web chat does not listen yet"))?;
        let token = self.app()?.links.issue()?;
        Ok(json!({ "url": format!("{base}/login?token={token}"), "valid_s": VALID.as_secs() }))
    }

    async fn shutdown(&self) -> Result<()> {
        self.close().await;
        match self.app.get() {
            Some(app) => app.store.close(),
            None => Ok(()),
        }
    }
}

impl Webchat {
    fn app(&self) -> Result<&Arc<App>> {
        self.app
            .get()
            .ok_or_else(|| Error::transient("the web chat has not started"))
    }
}

fn known_chat(chat: &ChatRef) -> Result<&str> {
    if chat.thread.is_none() && store::is_id(&chat.id) {
        return Ok(&chat.id);
    }
    Err(
        Error::permanent("there is no such chat: its id is made of 1 to 64 letters, digits and `-`")
            .because(Cause::NotFound),
    )
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
