//! The instances of a running gateway, and what the operator may do with them: replace, disable, enable.

mod arrivals;
mod departures;
mod left;
mod link;
mod look;
mod takeup;
mod vitals;
mod workshop;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::join_all;
use miniclaw_plugin_api::Kind;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, info};

pub(crate) use link::Link;
pub(crate) use look::{Look, Sights};
pub(crate) use takeup::Taken;
pub(super) use workshop::{Made, Workshop, gate, habits};

use super::blueprints::NoBlueprint;
use super::ground::Ground;
use crate::config::{Config, ConfigErrors, Loaded};
use crate::plugins::instance::Instance;
use crate::plugins::load::Loader;
use crate::supervisor::{Answer, Failure, Order, State, Stops};
use crate::sync::lock;
use crate::tasks::Tasks;

/// Reads the configuration again, as this process was started.
pub(crate) type Reread = Arc<dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync>;

/// The instances that there are, providers before channels, each by name.
pub(super) type Slots = Vec<Arc<Slot>>;

/// All instances, and the configuration that they follow.
pub(crate) struct Roster {
    /// In effect.
    config: watch::Sender<Arc<Config>>,
    /// Its values, with secrets redacted, to tell what a reload does not change.
    values: Mutex<Vec<(String, String)>>,
    pub(super) loader: Arc<Loader>,
    /// Drives the processes of plugins.
    processes: Tasks,
    slots: watch::Sender<Slots>,
    pub(super) ground: Ground,
    reread: Reread,
    /// One change at a time; whoever else wants one waits.
    turn: tokio::sync::Mutex<()>,
    /// When the latest reload of the configuration began, and what became of it.
    latest: Mutex<Option<(Instant, Taken)>>,
}

/// One configured instance.
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) name: Arc<str>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) state: watch::Receiver<State>,
    pub(super) current: watch::Receiver<Option<Arc<Instance>>>,
    pub(super) failure: Arc<Mutex<Option<Failure>>>,
    /// Of what it was made with last.
    pub(super) mark: Arc<Mutex<Option<String>>>,
    /// Ends it.
    pub(super) stops: Stops,
    /// Held by every turn that may ask it; of a provider.
    pub(super) asked: Arc<DropGuard>,
    /// Nobody is left who may.
    pub(super) unasked: CancellationToken,
}

/// Which instances a reload means.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// An instance, or all instances of a plugin.
    Named(String),
    /// Those whose library, settings or bounds are others than they were.
    Changed,
}

/// How an instance is, for the command line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InstanceState {
    pub(crate) instance: String,
    /// `channel` or `provider`.
    pub(crate) kind: String,
    pub(crate) plugin: String,
    /// Of the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    pub(crate) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl InstanceState {
    /// Its place in the configuration.
    pub(crate) fn key(&self) -> String {
        format!("{}s.{}", self.kind, self.instance)
    }
}

/// What became of one instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) instance: String,
    pub(crate) ok: bool,
    /// In words.
    pub(crate) outcome: String,
}

impl Roster {
    /// Without any instance.
    pub(super) fn new(
        config: watch::Sender<Arc<Config>>,
        values: Vec<(String, String)>,
        workshop: Workshop,
        ground: Ground,
        reread: Reread,
    ) -> Self {
        Self {
            config,
            values: Mutex::new(values),
            loader: workshop.loader,
            processes: workshop.processes,
            slots: watch::channel(Slots::new()).0,
            ground,
            reread,
            turn: tokio::sync::Mutex::default(),
            latest: Mutex::default(),
        }
    }

    /// The instances that there are, as they come and go.
    pub(super) fn slots(&self) -> watch::Receiver<Slots> {
        self.slots.subscribe()
    }

    /// The configuration in effect.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// Where libraries are looked for.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        self.config.borrow().plugin_folders()
    }

    /// How all instances are.
    pub(crate) fn states(&self) -> Vec<InstanceState> {
        self.states_of(&self.slots.borrow())
    }

    fn states_of(&self, slots: &[Arc<Slot>]) -> Vec<InstanceState> {
        let config = self.config();
        let describe = |slot: &Slot| {
            let state = slot.state.borrow();
            let (word, reason) = state.describe();
            let version = slot.current.borrow();
            InstanceState {
                instance: slot.name.to_string(),
                kind: kind_name(slot.kind).into(),
                plugin: plugin_of(&config, slot.kind, &slot.name)
                    .unwrap_or_default()
                    .into(),
                version: version
                    .as_ref()
                    .map(|instance| instance.blueprint.version.to_string()),
                state: word.into(),
                reason: reason.map(str::to_owned),
            }
        };
        slots.iter().map(|slot| describe(slot)).collect()
    }

    /// Replaces instances by others that are made anew, each without a gap and only by one that started.
    ///
    /// # Errors
    /// A name that nothing has, or plugin directories that cannot be searched.
    pub(crate) async fn reload(&self, which: Which) -> Result<Vec<Changed>, String> {
        let _turn = self.turn.lock().await;
        let wanted = self.wanted(&which)?;
        let workshop = self.workshop(self.config());
        let names = wanted.iter().map(|slot| (slot.kind, slot.name.clone())).collect();
        let makes = blocking(move || workshop.make_all(names)).await?;
        let makes = makes.map_err(|error| crate::cli::chain(&error))?;
        let changes = wanted
            .iter()
            .zip(makes)
            .map(|(slot, made)| self.replace(slot, made, &which));
        Ok(join_all(changes).await.into_iter().flatten().collect())
    }

    fn workshop(&self, config: Arc<Config>) -> Workshop {
        Workshop {
            config,
            loader: self.loader.clone(),
            processes: self.processes.clone(),
        }
    }

    async fn replace(&self, slot: &Slot, made: Made, which: &Which) -> Option<Changed> {
        let name = &*slot.name;
        let make = match made.make.map_err(NoBlueprint::reason) {
            Ok(make) => make,
            Err(reason) => {
                error!(instance = name, "{reason}");
                return Some(changed(name, Err(reason)));
            }
        };
        if matches!(which, Which::Changed) && lock(&slot.mark).as_ref() == Some(&make.mark) {
            return None;
        }
        let outcome = order(slot, |answer| Order::Replace(Box::new(make), answer)).await;
        if let Ok(text) = &outcome {
            info!(instance = name, "Plugin reloaded: {text}");
            if slot.kind == Kind::Provider {
                self.ground.hub.policy().agent.breakers.forget(name);
            }
        }
        Some(changed(name, outcome))
    }

    /// Lets instances start that were disabled or quarantined.
    ///
    /// # Errors
    /// A name that nothing has, or a list that cannot be written.
    pub(crate) async fn enable(&self, name: &str) -> Result<Vec<Changed>, String> {
        let _turn = self.turn.lock().await;
        let wanted = self.wanted(&Which::Named(name.to_owned()))?;
        let keys = wanted.iter().map(|slot| key(slot.kind, &slot.name));
        self.ground
            .ledger
            .enable(keys)
            .map_err(|error| crate::cli::chain(&error))?;
        let changes = wanted.iter().map(|slot| async move {
            info!(instance = &*slot.name, "Plugin enabled");
            changed(&slot.name, order(slot, Order::Enable).await)
        });
        Ok(join_all(changes).await)
    }

    /// Stops instances, for good until they are enabled.
    ///
    /// # Errors
    /// A name that nothing has, or a list that cannot be written.
    pub(crate) async fn disable(&self, name: &str) -> Result<Vec<Changed>, String> {
        let _turn = self.turn.lock().await;
        let wanted = self.wanted(&Which::Named(name.to_owned()))?;
        let keys = wanted.iter().map(|slot| key(slot.kind, &slot.name));
        self.ground
            .ledger
            .disable(keys)
            .map_err(|error| crate::cli::chain(&error))?;
        let changes = wanted.iter().map(|slot| async move {
            info!(
                instance = &*slot.name,
                "Plugin disabled, until `miniclaw plugin enable`"
            );
            changed(&slot.name, order(slot, Order::Disable).await)
        });
        Ok(join_all(changes).await)
    }

    fn wanted(&self, which: &Which) -> Result<Slots, String> {
        let (slots, config) = (self.slots.borrow().clone(), self.config());
        let Which::Named(name) = which else {
            return Ok(slots);
        };
        let those = |wanted: &dyn Fn(&Slot) -> bool| -> Slots {
            let wanted = slots.iter().filter(|slot| wanted(slot));
            wanted.cloned().collect()
        };
        let mut found = those(&|slot| *slot.name == **name);
        if found.is_empty() {
            found = those(&|slot| plugin_of(&config, slot.kind, &slot.name) == Some(name));
        }
        if found.is_empty() {
            let known: Vec<&str> = slots.iter().map(|slot| &*slot.name).collect();
            let known = known.join("`, `");
            return Err(format!(
                "no instance and no plugin in use is called `{name}`; the instances are `{known}`"
            ));
        }
        Ok(found)
    }
}

fn plugin_of<'a>(config: &'a Config, kind: Kind, name: &str) -> Option<&'a str> {
    match kind {
        Kind::Provider => config.providers.get(name).map(|provider| &*provider.plugin),
        _ => config.channels.get(name).map(|channel| &*channel.plugin),
    }
}

async fn order(slot: &Slot, order: impl FnOnce(Answer) -> Order) -> Result<String, String> {
    let (answer, outcome) = Answer::new();
    let stopping = || "the gateway is stopping".to_owned();
    slot.orders.send(order(answer)).await.map_err(|_| stopping())?;
    outcome.await.unwrap_or_else(|_| Err(stopping()))
}

fn changed(name: &str, outcome: Result<String, String>) -> Changed {
    Changed {
        instance: name.to_owned(),
        ok: outcome.is_ok(),
        outcome: outcome.unwrap_or_else(|reason| reason),
    }
}

/// The place of an instance in the configuration.
pub(super) fn key(kind: Kind, name: &str) -> String {
    format!("{}s.{name}", kind_name(kind))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Provider => "provider",
        _ => "channel",
    }
}

/// Away from the hub's thread, for what waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| "it broke off, the log tells why".to_owned())
}
