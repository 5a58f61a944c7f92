//! The webhook: Telegram delivers updates to a listener of ours, and each is confirmed when the host has it on disk.
//!
//! Updates of one chat come one after the other, because Telegram waits for the answer to one before it delivers the
//! next. Beyond that, what waits at the same time is handed over in the order of its ids.

mod health;
mod request;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use miniclaw_plugin_api::{Error, Inbox, Result, Stop};
use serde::Serialize;
use serde_json::json;
use teloxide::types::AllowedUpdate;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Telegram;
use crate::api::{CALL_DEADLINE, Failure};
use crate::inbound::Me;
use crate::receive::{ALLOWED, Batch, Before, Handover, Outage};
use crate::settings::Webhook;
use crate::update;
use health::{Health, Info};
use request::Rules;
use server::{CONNECTIONS, Waiting};

/// How often Telegram is asked how delivering goes.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);
/// Updates that are handed over at once.
const BATCH: usize = 100;

/// The parameters of `setWebhook`. Updates that wait are kept.
#[derive(Serialize)]
struct Set<'a> {
    url: &'a str,
    secret_token: &'a str,
    allowed_updates: [AllowedUpdate; 5],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_connections: Option<u32>,
}

/// Receives until the stop, or until the host takes no more.
///
/// # Errors
/// The host is busy or stops; nobody can listen there; Telegram does not take the token.
pub(crate) async fn receive(
    channel: &Telegram,
    me: &Me,
    webhook: &Webhook,
    inbox: Inbox,
    stop: Stop,
) -> Result<()> {
    let listener = TcpListener::bind(webhook.listen)
        .await
        .map_err(|error| cannot_listen(webhook.listen, &error))?;
    let rules = Arc::new(Rules {
        path: webhook.path.clone(),
        secret: webhook.secret.clone(),
    });
    // Full means that as many connections wait as there can be.
    let (sender, waiting) = mpsc::channel(CONNECTIONS);
    let taken = AtomicU64::new(0);
    let handover = Handover::new(channel, inbox.clone(), stop.clone());
    let watch = Watch {
        channel,
        webhook,
        inbox,
        outage: Outage::new(channel),
        taken: &taken,
        health: Health::default(),
        sets: 0,
    };
    let serving = server::serve(listener, rules, sender, stop.clone());
    let receiving = async {
        tokio::select! {
            ended = deliver(handover, me, waiting, stop, &taken) => ended,
            ended = watch.run() => ended,
        }
    };
    // Serving ends soon after the other one, which then holds no end of the queue any more.
    tokio::join!(serving, receiving).1
}

/// Hands over what waits. Whoever waits when it ends is told that the update was not taken.
async fn deliver(
    mut handover: Handover<'_>,
    me: &Me,
    mut waiting: mpsc::Receiver<Waiting>,
    mut stop: Stop,
    taken: &AtomicU64,
) -> Result<()> {
    loop {
        let mut some = Vec::new();
        tokio::select! {
            biased;
            () = stop.requested() => return Ok(()),
            count = waiting.recv_many(&mut some, BATCH) => if count == 0 {
                return Ok(());
            },
        }
        some.sort_by_key(|one| update::id_of(&one.update));
        let (updates, answers): (Vec<_>, Vec<_>) =
            some.into_iter().map(|one| (one.update, one.taken)).unzip();
        if !handover.take(Batch::read(&updates, me)).await? {
            return Ok(());
        }
        taken.fetch_add(answers.len() as u64, Ordering::Relaxed);
        for answer in answers {
            // Whoever has gone meanwhile delivers again, which is then a duplicate.
            let _ = answer.send(());
        }
    }
}

/// Keeps the webhook set, and looks how Telegram fares with it.
struct Watch<'a> {
    channel: &'a Telegram,
    webhook: &'a Webhook,
    inbox: Inbox,
    outage: Outage<'a>,
    /// Updates that were delivered.
    taken: &'a AtomicU64,
    health: Health,
    /// How often the webhook was set.
    sets: u32,
}

impl Watch<'_> {
    /// Ends with an error alone.
    async fn run(mut self) -> Result<()> {
        loop {
            let looked = self.look().await;
            let wait = match looked {
                Ok(info) if info.url == self.webhook.url => {
                    self.inbox.progress();
                    if self.health.fails(&info, self.taken.load(Ordering::Relaxed)) {
                        self.outage.undelivered(&info.last_error_message);
                    } else {
                        self.outage.over();
                    }
                    PERIOD
                }
                Ok(_) => match self.set().await {
                    Ok(()) => self.next_look(),
                    Err(failure) => self.after("setWebhook", &failure)?,
                },
                Err(failure) => self.after("getWebhookInfo", &failure)?,
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// How the webhook stands; one that this instance has not set has no known secret, and counts as none.
    async fn look(&self) -> Result<Info, Failure> {
        if !self.channel.webhook_set.load(Ordering::Relaxed) {
            return Ok(Info::default());
        }
        let api = &self.channel.api;
        api.call("getWebhookInfo", &json!({}), CALL_DEADLINE).await
    }

    async fn set(&self) -> Result<(), Failure> {
        if self.channel.webhook_set.swap(false, Ordering::Relaxed) {
            tracing::warn!("Another program changed the webhook of this bot, setting it again");
        }
        let webhook = self.webhook;
        let set = Set {
            url: &webhook.url,
            secret_token: &webhook.secret,
            allowed_updates: ALLOWED,
            max_connections: webhook.max_connections,
        };
        let api = &self.channel.api;
        let _: bool = api.call("setWebhook", &set, CALL_DEADLINE).await?;
        self.channel.webhook_set.store(true, Ordering::Relaxed);
        tracing::info!(listen = %webhook.listen, "Telegram delivers to the webhook");
        Ok(())
    }

    /// At once for the first time; where two programs take the webhook from each other they do it slowly.
    fn next_look(&mut self) -> Duration {
        self.sets = self.sets.saturating_add(1);
        if self.sets == 1 { Duration::ZERO } else { PERIOD }
    }

    fn after(&mut self, method: &str, failure: &Failure) -> Result<Duration> {
        if matches!(failure, Failure::Refused(refusal) if refusal.is_about_address()) {
            return Err(Error::config(format!(
                "settings.webhook.url: telegram does not take this address: {failure}"
            )));
        }
        let refused = matches!(failure, Failure::Refused(refusal) if matches!(refusal.code, 400 | 403));
        match self.outage.after(method, failure)? {
            // A webhook that Telegram does not like stays so for a while.
            Before::Wait(wait) if refused => Ok(wait.max(PERIOD)),
            Before::Wait(wait) => Ok(wait),
            Before::RemoveWebhook => Ok(PERIOD),
        }
    }
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Error {
    let text = format!("settings.webhook.listen: cannot listen at {listen} for the webhook: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::config(format!(
            "{text}; a port below 1024 needs a privilege, and a channel in a sandbox `sandbox.allow: [\"listen\"]`"
        )),
        // Whoever has the port may be about to end, as the gateway from before does.
        io::ErrorKind::AddrInUse => Error::transient(format!("{text}; each bot needs a port of its own")),
        io::ErrorKind::AddrNotAvailable => {
            Error::transient(format!("{text}; give an address of this machine"))
        }
        _ => Error::transient(text),
    }
}
