//! Instances that come with a configuration, and what it says of channels that stay.

use std::sync::Arc;

use miniclaw_plugin_api::Kind;

use super::takeup::in_order;
use super::{Changed, Made, Roster, Slot, changed, workshop};
use crate::config::Config;
use crate::gateway::blueprints::NoBlueprint;
use crate::gateway::ground::Arrival;
use crate::spool::{Spool as _, SpoolError};
use crate::supervisor::State;

impl Roster {
    /// Instances that come: replies find their channels from here on.
    pub(super) async fn admit(&self, config: &Config, made: Vec<Made>) -> Result<Vec<Arrival>, SpoolError> {
        let ground = &self.ground;
        let aliases = ground.store.aliases(Vec::new()).await?;
        let arrival = |made: Made| {
            let make = made.make.map_err(NoBlueprint::reason);
            ground.arrival(made.kind, &made.name, make)
        };
        let arrivals: Vec<_> = made.into_iter().map(arrival).collect();
        let channels = || {
            arrivals
                .iter()
                .filter(|arrival| arrival.slot.kind == Kind::Channel)
        };
        channels().for_each(|arrival| ground.open(arrival, config, &aliases));
        let outbox = |arrival: &Arrival| ground.hub.outbox(&arrival.slot.name);
        match ground.store.unfinished().await {
            Ok(unfinished) => {
                let outboxes = channels().filter_map(outbox);
                outboxes.for_each(|outbox| outbox.resume(&unfinished));
                Ok(arrivals)
            }
            Err(error) => {
                channels().for_each(|arrival| ground.hub.channels.remove(&arrival.slot.name));
                Err(error)
            }
        }
    }

    /// Who may write to a channel that stays, by what its instance that runs can, and how its turns go.
    pub(super) fn admit_by(&self, config: &Config, slot: &Slot, made: &Made) {
        let channel = self.ground.hub.channels.get(&slot.name);
        let Some(channel) = channel.filter(|_| slot.kind == Kind::Channel) else {
            return;
        };
        let running = slot.current.borrow().clone();
        let running = running.as_ref().map(|instance| &instance.blueprint);
        let blueprint = running.or(made.make.as_ref().ok().map(|make| &make.blueprint));
        channel.admit(
            &slot.name,
            workshop::gate(config, &slot.name, blueprint),
            workshop::habits(config, &slot.name, blueprint),
        );
    }

    /// Lets an instance live, and waits for its beginning.
    pub(super) async fn come(&self, arrival: Arrival, refusal: Option<String>) -> Changed {
        let slot = arrival.slot.clone();
        self.ground.supervise(arrival);
        let mut state = slot.state.clone();
        let begun = state.wait_for(|state| *state != State::Starting).await;
        let outcome = match begun.map(|state| state.clone()) {
            _ if refusal.is_some() => Err(refusal.unwrap_or_default()),
            Ok(State::Running | State::Paused(_)) => Ok(running(&slot)),
            Ok(State::Disabled) => Ok("it is disabled, and starts when it is enabled".into()),
            Ok(State::Backoff(reason)) => Err(format!("{reason}; it is tried again")),
            Ok(State::Failed(reason) | State::Quarantined(reason)) => Err(reason),
            Ok(State::Starting | State::Stopped) | Err(_) => Err("the gateway is stopping".into()),
        };
        changed(&slot.name, outcome)
    }

    /// A channel gets another plugin: it goes, and comes back with what waits for it.
    pub(super) async fn turn_into(&self, slot: Arc<Slot>, made: Made) -> Changed {
        let name = slot.name.clone();
        self.depart(slot).await;
        let refusal = refusal(&made);
        let arrivals = self.admit(&self.config(), vec![made]).await;
        match arrivals.map(|mut arrivals| arrivals.pop()) {
            Ok(Some(arrival)) => {
                let slot = arrival.slot.clone();
                self.slots.send_modify(|slots| {
                    slots.push(slot);
                    slots.sort_by_key(in_order);
                });
                self.come(arrival, refusal).await
            }
            Ok(None) => changed(&name, Err("it is not configured".into())),
            Err(error) => changed(&name, Err(format!("{error}; reload again"))),
        }
    }
}

/// Why the library of an instance was refused.
pub(super) fn refusal(made: &Made) -> Option<String> {
    match &made.make {
        Err(NoBlueprint::Library(reason)) => Some(reason.clone()),
        _ => None,
    }
}

fn running(slot: &Slot) -> String {
    let instance = slot.current.borrow().clone();
    instance.map_or_else(
        || "running".to_owned(),
        |instance| {
            format!(
                "running {} {}",
                instance.blueprint.plugin, instance.blueprint.version
            )
        },
    )
}
