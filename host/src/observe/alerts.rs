//! The owner is told when something is wrong with the gateway itself, over one of its channels.
//!
//! An alert is a row of that channel's outbox: it survives the process and waits for the platform. While the disk takes
//! nothing it is sent at once where that works, and otherwise when the disk is well again.

mod journal;
mod kept;

use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::Kind;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use self::journal::{Journal, Notice, Topic};
use super::health::Health;
use crate::config::{AlertsConfig, Config};
use crate::desk::Desk;
use crate::feed;
use crate::spool::wall_ms;
use crate::supervisor::State;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// After an alert that could not be sent.
const AGAIN: Duration = Duration::from_secs(30);

/// Tells the owner.
pub(crate) struct Alerts {
    /// Changes with a reload.
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    desk: Desk,
}

impl Alerts {
    pub(crate) fn new(config: watch::Receiver<Arc<Config>>, health: Arc<Health>) -> Self {
        let desk = Desk {
            spool: health.spool.clone(),
            hub: Some(health.hub.clone()),
        };
        Self { config, health, desk }
    }

    /// Looks until the runtime ends; not at all while nobody is to be told.
    pub(crate) async fn watch(mut self) {
        let state_dir = self.config.borrow().state_dir();
        let mut journal = kept::read(state_dir.clone()).await;
        let mut not_before = Instant::now();
        loop {
            // Its other end lives as long as the gateway.
            let wanted = self.config.wait_for(|config| config.alerts.is_some()).await;
            let Some(owner) = wanted.ok().and_then(|config| config.alerts.clone()) else {
                return;
            };
            tokio::time::sleep(LOOK).await;
            self.look(&mut journal, &owner).await;
            let mut told = false;
            if Instant::now() < not_before {
                continue;
            }
            for notice in journal.due(wall_ms()) {
                if self.tell(&notice, &owner).await {
                    journal.told(&notice, wall_ms());
                    told = true;
                } else {
                    // A platform that is told to wait, or is down, is not asked every other second.
                    not_before = Instant::now() + AGAIN;
                }
            }
            if told {
                kept::write(state_dir.clone(), &journal).await;
            }
        }
    }

    async fn look(&self, journal: &mut Journal, owner: &AlertsConfig) {
        for vital in self.health.roster.vitals() {
            let down = match &vital.state {
                State::Failed(reason) => Some(format!("failed: {}", quoted(reason))),
                State::Quarantined(reason) => Some(format!("is quarantined: {}", quoted(reason))),
                State::Running | State::Paused(_) if vital.kind == Kind::Provider => {
                    self.refuses(&vital.name)
                }
                State::Running | State::Paused(_) | State::Disabled => None,
                // Between two lives nothing is known yet.
                State::Starting | State::Backoff(_) | State::Stopped => continue,
            };
            let own = vital.kind == Kind::Channel && *vital.name == *owner.channel;
            journal.observe(Topic::of(vital.kind, &vital.name), down, own);
        }
        let counters = &self.health.hub.counters;
        let dead = counters.dead.get() + counters.buried.get();
        journal.count_dead(dead.saturating_sub(counters.dead_alerts.get()));
        if self.health.spool.trouble().is_some() {
            // Nobody else may have anything to store, and this finds out whether it heals.
            let _ = self.health.spool.probe().await;
        }
        let trouble = self.health.spool.trouble();
        let down = trouble.map(|reason| format!("takes no messages: {}", quoted(&reason)));
        journal.observe(Topic::Disk, down, false);
    }

    /// What a provider that runs answers nobody for.
    fn refuses(&self, name: &str) -> Option<String> {
        let health = self.health.hub.policy().agent.breakers.health(name);
        let (error, _) = health.failure.filter(|_| health.down)?;
        Some(format!("does not answer: {}", quoted(&error)))
    }

    /// Whether the notice is on its way for good.
    async fn tell(&self, notice: &Notice, owner: &AlertsConfig) -> bool {
        let text = format!("**miniclaw:** {}", notice.text);
        let (channel, chat) = (&*owner.channel, &*owner.to);
        let told = if self.health.spool.trouble().is_some() {
            self.desk.alert_at_once(channel, chat, &text).await
        } else {
            self.desk.alert(channel, chat, &text).await
        };
        match told {
            Ok(()) => {
                warn!(alert = notice.text, "The owner is told");
                feed::tell(feed::Kind::Alert, |event| {
                    event
                        .channel(&owner.channel.as_str().into())
                        .with("alert", notice.text.as_str())
                });
            }
            Err(ref error) => debug!(alert = notice.text, error, "The owner cannot be told yet"),
        }
        told.is_ok()
    }
}

/// Of the words of others: what can neither steer Markdown nor fill a screen.
fn quoted(text: &str) -> String {
    const CHARS: usize = 300;
    let scrubbed = crate::telemetry::without_secrets(text.to_owned());
    format!(
        "`{}`",
        crate::telemetry::printable(&scrubbed, CHARS).replace('`', "'")
    )
}
