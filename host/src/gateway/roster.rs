//! The instances of a running gateway, and what the operator may do with them: replace, disable, enable.

mod look;
mod vitals;
mod workshop;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use miniclaw_plugin_api::Kind;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

pub(crate) use look::{Look, Sights};
pub(super) use workshop::{gate, habits, make};

use self::workshop::Workshop;
use crate::config::{Config, ConfigErrors, Loaded};
use crate::plugins::instance::Instance;
use crate::plugins::load::Loader;
use crate::supervisor::{Answer, Failure, Ledger, Make, Order, State};
use crate::tasks::Tasks;
use crate::telemetry;

/// Reads the configuration again, as this process was started.
pub(crate) type Reread = Arc<dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync>;

/// All instances by the order of the configuration, providers after channels.
pub(crate) struct Roster {
    config: Mutex<Arc<Config>>,
    /// The values in effect, with secrets redacted, to tell what a reload does not change.
    values: Mutex<Vec<(String, String)>>,
    pub(super) loader: Arc<Loader>,
    /// Drives the processes of plugins.
    processes: Tasks,
    pub(super) ledger: Arc<Ledger>,
    slots: Vec<Slot>,
    telemetry: telemetry::Handle,
    /// One change at a time; whoever else wants one waits.
    turn: tokio::sync::Mutex<()>,
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
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) instance: String,
    pub(crate) ok: bool,
    /// In words.
    pub(crate) outcome: String,
}

impl Roster {
    pub(super) fn new(
        config: Arc<Config>,
        values: Vec<(String, String)>,
        loader: Arc<Loader>,
        processes: Tasks,
        ledger: Arc<Ledger>,
        slots: Vec<Slot>,
        telemetry: telemetry::Handle,
    ) -> Self {
        Self {
            config: Mutex::new(config),
            values: Mutex::new(values),
            loader,
            processes,
            ledger,
            slots,
            telemetry,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Where libraries are looked for.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        lock(&self.config).plugin_folders()
    }

    /// How all instances are.
    pub(crate) fn states(&self) -> Vec<InstanceState> {
        let config = lock(&self.config).clone();
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
        self.slots.iter().map(describe).collect()
    }

    /// Reads the configuration again and takes up what belongs to plugins. Returns a line for each thing that stays as it
    /// was until the next start.
    ///
    /// # Errors
    /// A configuration that cannot be used: everything stays as it was.
    pub(super) async fn reconfigure(&self, reread: Reread) -> Result<(Vec<Changed>, Vec<String>), String> {
        let loaded = blocking(move || reread().map_err(|errors| errors.to_string())).await??;
        let values = loaded.comparable();
        self.telemetry.hide(loaded.config.secrets.clone());
        let config = Arc::new(loaded.config);
        let left = self.left_out(&config, &values);
        let before = {
            let mut current = lock(&self.config);
            std::mem::replace(&mut *current, config)
        };
        match self.reload(Which::Changed).await {
            Ok(changed) => {
                *lock(&self.values) = values;
                Ok((changed, left))
            }
            Err(error) => {
                *lock(&self.config) = before;
                Err(error)
            }
        }
    }

    /// Replaces instances by others that are made anew, each without a gap and only by one that started.
    ///
    /// # Errors
    /// A name that nothing has, or plugin directories that cannot be searched.
    pub(crate) async fn reload(&self, which: Which) -> Result<Vec<Changed>, String> {
        let _turn = self.turn.lock().await;
        let config = lock(&self.config).clone();
        let wanted = self.wanted(&config, &which)?;
        let workshop = Workshop {
            config,
            loader: self.loader.clone(),
            processes: self.processes.clone(),
        };
        let names: Vec<_> = wanted.iter().map(|slot| (slot.kind, slot.name.clone())).collect();
        let makes = blocking(move || workshop.make_all(&names)).await??;
        let changes = wanted
            .into_iter()
            .zip(makes)
            .map(|(slot, make)| self.replace(slot, make, &which));
        Ok(join_all(changes).await.into_iter().flatten().collect())
    }

    async fn replace(&self, slot: &Slot, make: Result<Make, String>, which: &Which) -> Option<Changed> {
        let name = &*slot.name;
        let make = match make {
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
        }
        Some(changed(name, outcome))
    }

    /// Lets instances start that were disabled or quarantined.
    ///
    /// # Errors
    /// A name that nothing has, or a list that cannot be written.
    pub(crate) async fn enable(&self, name: &str) -> Result<Vec<Changed>, String> {
        let _turn = self.turn.lock().await;
        let config = lock(&self.config).clone();
        let wanted = self.wanted(&config, &Which::Named(name.to_owned()))?;
        let keys = wanted.iter().map(|slot| key(slot.kind, &slot.name));
        self.ledger
            .enable(keys)
            .map_err(|error| crate::cli::chain(&error))?;
        let changes = wanted.into_iter().map(|slot| async move {
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
        let config = lock(&self.config).clone();
        let wanted = self.wanted(&config, &Which::Named(name.to_owned()))?;
        let keys = wanted.iter().map(|slot| key(slot.kind, &slot.name));
        self.ledger
            .disable(keys)
            .map_err(|error| crate::cli::chain(&error))?;
        let changes = wanted.into_iter().map(|slot| async move {
            info!(
                instance = &*slot.name,
                "Plugin disabled, until `miniclaw plugin enable`"
            );
            changed(&slot.name, order(slot, Order::Disable).await)
        });
        Ok(join_all(changes).await)
    }

    fn wanted(&self, config: &Config, which: &Which) -> Result<Vec<&Slot>, String> {
        let Which::Named(name) = which else {
            // What is configured no more runs until the next start.
            let configured = |slot: &&Slot| plugin_of(config, slot.kind, &slot.name).is_some();
            return Ok(self.slots.iter().filter(configured).collect());
        };
        let by_instance: Vec<&Slot> = self.slots.iter().filter(|slot| &*slot.name == name).collect();
        if !by_instance.is_empty() {
            return Ok(by_instance);
        }
        let of_plugin = |slot: &&Slot| plugin_of(config, slot.kind, &slot.name) == Some(name);
        let by_plugin: Vec<&Slot> = self.slots.iter().filter(of_plugin).collect();
        if by_plugin.is_empty() {
            let known: Vec<&str> = self.slots.iter().map(|slot| &*slot.name).collect();
            let known = known.join("`, `");
            return Err(format!(
                "no instance and no plugin in use is called `{name}`; the instances are `{known}`"
            ));
        }
        Ok(by_plugin)
    }

    /// What of a new configuration waits for the next start.
    fn left_out(&self, config: &Config, values: &[(String, String)]) -> Vec<String> {
        let has = |kind, name: &str| {
            let mut slots = self.slots.iter();
            slots.any(|slot| slot.kind == kind && &*slot.name == name)
        };
        let mut left = Vec::new();
        let channels = config.channels.keys().filter(|name| !has(Kind::Channel, name));
        left.extend(channels.map(|name| format!("channels.{name}")));
        let providers = config.providers.keys().filter(|name| !has(Kind::Provider, name));
        left.extend(providers.map(|name| format!("providers.{name}")));
        let gone = self
            .slots
            .iter()
            .filter(|slot| plugin_of(config, slot.kind, &slot.name).is_none());
        left.extend(gone.map(|slot| format!("{}s.{}", kind_name(slot.kind), slot.name)));
        let before = lock(&self.values);
        let of_instances =
            |key: &str| key.starts_with("channels.") || (key.starts_with("providers.") && !is_term(key));
        let differs = |(key, value): &&(String, String)| {
            !of_instances(key) && !before.contains(&(key.clone(), value.clone()))
        };
        left.extend(values.iter().filter(differs).map(|(key, _)| key.clone()));
        let dropped = before
            .iter()
            .filter(|(key, _)| !of_instances(key) && !values.iter().any(|(other, _)| other == key));
        left.extend(dropped.map(|(key, _)| key.clone()));
        most_exact(left)
    }
}

/// Whether a key says what the host knows of a provider's server, which its instance is not told.
fn is_term(key: &str) -> bool {
    const TERMS: [&str; 4] = [
        "context_tokens",
        "max_concurrent_requests",
        "prices",
        "requests_per_minute",
    ];
    key.split('.').nth(2).is_some_and(|name| TERMS.contains(&name))
}

/// Without a key that another one is a part of, and without the same twice: an object that was empty has a key of its own.
fn most_exact(keys: Vec<String>) -> Vec<String> {
    let holds = |key: &str, other: &str| {
        let rest = other.strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let mut exact: Vec<String> = Vec::new();
    for key in &keys {
        if !exact.contains(key) && !keys.iter().any(|other| holds(key, other)) {
            exact.push(key.clone());
        }
    }
    exact
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_next_start_is_named_once_and_exactly() {
        let keys = [
            "limits.tokens_per_day",
            "limits",
            "routes[0].model",
            "routes",
            "limits.tokens_per_day",
        ];
        let named = most_exact(keys.map(str::to_owned).to_vec());
        assert_eq!(named, ["limits.tokens_per_day", "routes[0].model"]);
    }

    #[test]
    fn what_the_host_knows_of_a_server_is_no_setting_of_its_instance() {
        assert!(is_term("providers.cloud.prices.*.input") && is_term("providers.cloud.context_tokens"));
        assert!(!is_term("providers.cloud.base_url") && !is_term("providers.cloud"));
    }
}
