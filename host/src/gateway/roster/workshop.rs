//! From the configuration to what makes its instances.

use std::sync::Arc;

use miniclaw_plugin_api::{Capability, Kind};
use tracing::{info, warn};

use crate::config::{self, ChannelConfig, Config};
use crate::delivery::Pace;
use crate::gateway::blueprints::{Blueprints, NoBlueprint};
use crate::hub::Habits;
use crate::intake::{Gate, Groups, Limits, People};
use crate::plugins::catalog;
use crate::plugins::instance::Blueprint;
use crate::plugins::load::Loader;
use crate::supervisor::Make;
use crate::tasks::Tasks;

/// What makes instances of a configuration; owns all it needs, so that it can leave the thread.
pub(super) struct Workshop {
    pub(super) config: Arc<Config>,
    pub(super) loader: Arc<Loader>,
    pub(super) processes: Tasks,
}

impl Workshop {
    pub(super) fn make_all(&self, names: &[(Kind, Arc<str>)]) -> Result<Vec<Result<Make, String>>, String> {
        let catalog =
            catalog::find(&self.config.plugin_folders()).map_err(|error| crate::cli::chain(&error))?;
        let blueprints = Blueprints {
            config: &self.config,
            catalog: &catalog,
            loader: &self.loader,
            tasks: &self.processes,
        };
        let make = |(kind, name): &(Kind, Arc<str>)| {
            blueprints.make(*kind, name).map_err(|none| match none {
                NoBlueprint::Config(error) => error.to_string(),
                NoBlueprint::Library(reason) => reason,
            })
        };
        let makes = names
            .iter()
            .map(|slot| Ok(self::make(&self.config, slot.0, &slot.1, make(slot)?)));
        Ok(makes.collect())
    }
}

/// What makes an instance, with what its channel lets in.
pub(in crate::gateway) fn make(config: &Config, kind: Kind, name: &str, blueprint: Blueprint) -> Make {
    let settings = match kind {
        Kind::Provider => config.providers.get(name).map(|provider| &provider.settings),
        _ => config.channels.get(name).map(|channel| &channel.settings),
    };
    let settings = settings.map_or_else(
        || "{}".to_owned(),
        |settings| serde_json::Value::Object(settings.0.clone()).to_string(),
    );
    let gate = (kind == Kind::Channel).then(|| gate(config, name, Some(&blueprint)));
    let habits = habits(config, name, Some(&blueprint));
    let channel = config.channels.get(name).filter(|_| kind == Kind::Channel);
    let people = channel.map(|channel| {
        (
            &channel.allow_from,
            &channel.groups,
            channel.pairing,
            &channel.admins,
        )
    });
    let mark = format!("{}\n{settings}\n{people:?}\n{habits:?}", blueprint.mark());
    Make {
        blueprint,
        settings,
        gate,
        habits,
        mark,
    }
}

/// How the turns of a channel go.
pub(in crate::gateway) fn habits(config: &Config, name: &str, blueprint: Option<&Blueprint>) -> Habits {
    let channel = config.channels.get(name);
    let live = blueprint.is_some_and(|blueprint| blueprint.can(Capability::Live));
    let pace = if live { Pace::Live } else { Pace::Counted };
    channel.map_or_else(Habits::default, |channel| Habits {
        debounce: channel.debounce,
        streaming: channel.streaming.unwrap_or(live).then_some(pace),
    })
}

/// Who may write to a channel; nobody where its library was refused.
pub(in crate::gateway) fn gate(config: &Config, name: &str, blueprint: Option<&Blueprint>) -> Arc<Gate> {
    let channel = config.channels.get(name);
    let limits = Limits {
        message_bytes: config.gateway.max_message_bytes,
        pending: config.gateway.max_pending,
        pending_per_conversation: config.gateway.max_pending_per_conversation,
        message_age: config.gateway.max_message_age,
    };
    let authenticates = blueprint.is_some_and(|blueprint| blueprint.can(Capability::Authenticates));
    let people = channel.map(|channel| people(channel, authenticates));
    let gate = Gate::new(people.unwrap_or_default(), limits);
    if gate.is_closed() && gate.pairs() {
        info!(
            channel = name,
            "Allow list is empty: whoever writes gets a code, and `miniclaw pairing approve CODE` lets them in"
        );
    } else if gate.is_closed() {
        let reason = config::nobody_may_write(name);
        warn!(channel = name, "Allow list is empty: {reason}");
    }
    Arc::new(gate)
}

fn people(channel: &ChannelConfig, authenticates: bool) -> People {
    let set = |ids: &[String]| ids.iter().cloned().collect();
    People {
        allow: set(&channel.allow_from),
        open: authenticates || channel.open,
        groups: channel.groups.as_ref().map(|groups| Groups {
            allow: set(&groups.allow),
            require_mention: groups.require_mention,
        }),
        pairing: channel.pairing,
        admins: channel.admins.as_deref().map(set),
    }
}
