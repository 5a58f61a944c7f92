//! A configuration comes into effect, at the start and at each reload alike.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use miniclaw_plugin_api::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{error, info, warn};

use super::arrivals::refusal;
use super::{Changed, Made, Roster, Slot, Slots, Which, blocking, left, lock, plugin_of};
use crate::agent::{Provider, Providers};
use crate::config::{Config, ConfigErrors};
use crate::feed;
use crate::gateway::policy::policy;
use crate::plugins::catalog;
use crate::plugins::trust::TrustPolicy;
use crate::spool::SpoolError;

/// What became of a reload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Instances that came, went, or are others now.
    pub(crate) instances: Vec<Changed>,
    /// Keys that wait for the next start.
    pub(crate) next_start: Vec<String>,
    /// Why nothing was taken up, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Value>,
}

impl Taken {
    /// Whether all of it is in effect that can be before the next start.
    pub(crate) fn is_whole(&self) -> bool {
        self.errors.is_empty() && self.instances.iter().all(|change| change.ok)
    }
}

/// Which instances a configuration means, against those that there are.
#[derive(Default)]
struct Plan {
    stay: Vec<(Arc<Slot>, Made)>,
    come: Vec<Made>,
    /// Channels of another plugin: those that there are go first.
    turn_into: Vec<(Arc<Slot>, Made)>,
    go: Slots,
}

impl Roster {
    /// Reads the configuration again and takes it up. Every reload begins and ends here, whoever asked for it. Those that
    /// are asked for while another one is under way are one: it reads what all of them mean.
    pub(crate) async fn reconfigure(&self) -> Taken {
        let asked = Instant::now();
        let _turn = self.turn.lock().await;
        if let Some((began, taken)) = &*lock(&self.latest)
            && *began >= asked
        {
            return taken.clone();
        }
        let began = Instant::now();
        let taken = self.reconfigure_now().await;
        *lock(&self.latest) = Some((began, taken.clone()));
        taken
    }

    async fn reconfigure_now(&self) -> Taken {
        let _reloading = crate::observe::systemd::reloading();
        let taken = self.reconfigured().await.unwrap_or_else(|errors| Taken {
            errors,
            ..Taken::default()
        });
        if !taken.next_start.is_empty() {
            warn!(
                "These take effect at the next start of the gateway: {}",
                taken.next_start.join(", ")
            );
        }
        let failed = taken.instances.iter().filter(|change| !change.ok).count();
        feed::tell(feed::Kind::Reload, |event| {
            let errors = (!taken.errors.is_empty()).then(|| taken.errors.clone());
            event
                .with("ok", errors.is_none() && failed == 0)
                .with("instances", serde_json::json!(taken.instances))
                .with("next_start", taken.next_start.clone())
                .with("errors", errors)
        });
        if taken.errors.is_empty() {
            info!(
                reloaded = taken.instances.len() - failed,
                failed, "Configuration reloaded"
            );
        }
        taken
    }

    /// Takes up the first configuration; `first` happens when replies find their channels and before any channel receives.
    ///
    /// # Errors
    /// Where the spool cannot be read.
    pub(in crate::gateway) async fn begin(
        &self,
        made: Vec<Made>,
        first: impl Future<Output = Result<(), SpoolError>>,
    ) -> Result<(), SpoolError> {
        let config = self.config();
        let arrivals = self.admit(&config, made).await?;
        self.put_in_effect(
            &config,
            arrivals.iter().map(|arrival| arrival.slot.clone()).collect(),
        );
        let (channels, providers): (Vec<_>, Vec<_>) = arrivals
            .into_iter()
            .partition(|arrival| arrival.slot.kind == Kind::Channel);
        providers
            .into_iter()
            .for_each(|arrival| self.ground.supervise(arrival));
        first.await?;
        channels
            .into_iter()
            .for_each(|arrival| self.ground.supervise(arrival));
        Ok(())
    }

    async fn reconfigured(&self) -> Result<Taken, Vec<Value>> {
        let refused = |text: String| {
            error!("Configuration not reloaded, the one before stays in effect: {text}");
            vec![serde_json::json!({ "message": text })]
        };
        if self.ground.stops.receiving.is_cancelled() {
            return Err(refused("the gateway is stopping".into()));
        }
        let reread = self.reread.clone();
        let loaded = blocking(move || reread()).await.map_err(refused)?;
        let loaded = loaded.map_err(|errors: ConfigErrors| {
            error!("Configuration not reloaded, the one before stays in effect: {errors}");
            errors.iter().map(crate::cli::config_error).collect::<Vec<_>>()
        })?;
        self.ground.telemetry.hide(loaded.config.secrets.clone());
        let trust =
            TrustPolicy::of(&loaded.config.trust).map_err(|error| refused(crate::cli::chain(&error)))?;
        let next_start = left::left(&lock(&self.values), &loaded.comparable());
        let mut config = loaded.config;
        left::keep(&mut config, &self.config());
        let config = Arc::new(config);
        let trusted = self.loader.trust_by(trust);
        let instances = self.make_and_take_up(config).await.map_err(|reason| {
            self.loader.trust_by(trusted);
            refused(reason)
        })?;
        Ok(Taken {
            instances,
            next_start,
            errors: Vec::new(),
        })
    }

    async fn make_and_take_up(&self, config: Arc<Config>) -> Result<Vec<Changed>, String> {
        let workshop = self.workshop(config.clone());
        let folders = config.plugin_folders();
        let made = blocking(move || workshop.make_configured(&catalog::find(&folders)?)).await?;
        let made = made.map_err(|error| crate::cli::chain(&error))?;
        let instances = self.take_up(config, made).await;
        instances.map_err(|error| crate::cli::chain(&error))
    }

    /// Changes nothing where it fails.
    async fn take_up(&self, config: Arc<Config>, made: Vec<Made>) -> Result<Vec<Changed>, SpoolError> {
        let plan = self.plan(&config, made);
        let refusals: Vec<Option<String>> = plan.come.iter().map(refusal).collect();
        let arrivals = self.admit(&config, plan.come).await?;
        let stay = plan.stay.iter().map(|(slot, _)| slot.clone());
        let come = arrivals.iter().map(|arrival| arrival.slot.clone());
        let slots = stay.chain(come).collect();
        for (slot, made) in &plan.stay {
            self.admit_by(&config, slot, made);
        }
        self.put_in_effect(&config, slots);
        let mut changes: Vec<BoxFuture<'_, Option<Changed>>> = Vec::new();
        for (slot, made) in plan.stay {
            changes.push(async move { self.replace(&slot, made, &Which::Changed).await }.boxed());
        }
        for (arrival, refusal) in arrivals.into_iter().zip(refusals) {
            changes.push(async move { Some(self.come(arrival, refusal).await) }.boxed());
        }
        for slot in plan.go {
            changes.push(async move { Some(self.depart(slot).await) }.boxed());
        }
        for (slot, made) in plan.turn_into {
            changes.push(async move { Some(self.turn_into(slot, made).await) }.boxed());
        }
        Ok(join_all(changes).await.into_iter().flatten().collect())
    }

    fn plan(&self, config: &Config, made: Vec<Made>) -> Plan {
        let (slots, before) = (self.slots.borrow().clone(), self.config());
        let mut plan = Plan::default();
        for made in made {
            let slot = slots
                .iter()
                .find(|slot| slot.kind == made.kind && slot.name == made.name);
            let plugin = |config| plugin_of(config, made.kind, &made.name);
            match slot.cloned() {
                None => plan.come.push(made),
                Some(slot) if slot.kind == Kind::Channel && plugin(&*before) != plugin(config) => {
                    plan.turn_into.push((slot, made));
                }
                Some(slot) => plan.stay.push((slot, made)),
            }
        }
        let configured = |slot: &&Arc<Slot>| plugin_of(config, slot.kind, &slot.name).is_some();
        plan.go = slots.iter().filter(|slot| !configured(slot)).cloned().collect();
        plan
    }

    /// Everything of a configuration but its instances.
    fn put_in_effect(&self, config: &Arc<Config>, mut slots: Slots) {
        slots.sort_by_key(in_order);
        let provider = |slot: &Arc<Slot>| {
            let provider = Provider::new(slot.current.clone(), Some(slot.asked.clone()));
            (slot.name.to_string(), provider)
        };
        let providers = slots.iter().filter(|slot| slot.kind == Kind::Provider);
        let providers: Providers = providers.map(provider).collect();
        let hub = &self.ground.hub;
        let before = hub.policy();
        let policy = policy(config, providers, &before.agent.budget, Some(&before));
        self.config.send_replace(config.clone());
        self.slots.send_replace(slots);
        self.ground
            .sessions
            .set_bounds(config.sessions.history, config.sessions.cache);
        self.log_at(&config.log.level);
        let channels = hub.channels.all();
        channels
            .iter()
            .for_each(|channel| channel.outbox.set_config(&config.delivery));
        hub.follow(policy);
    }

    fn log_at(&self, filter: &str) {
        let telemetry = &self.ground.telemetry;
        let before = telemetry.max_level();
        if let Err(error) = telemetry.set_filter(filter) {
            warn!(%error, "Log filter not taken up");
        }
        let level = telemetry.max_level();
        if level != before {
            let slots = self.slots.borrow();
            let running = slots.iter().filter_map(|slot| slot.current.borrow().clone());
            running.for_each(|instance| instance.set_log_level(level));
        }
    }
}

/// Providers before channels, each by name.
pub(super) fn in_order(slot: &Arc<Slot>) -> (bool, Arc<str>) {
    (slot.kind == Kind::Channel, slot.name.clone())
}
