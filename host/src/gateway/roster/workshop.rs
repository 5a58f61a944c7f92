//! From the configuration to what makes its instances.

use std::sync::Arc;

use miniclaw_plugin_api::{Capability, Kind};

use crate::config::{ChannelConfig, Config};
use crate::delivery::Pace;
use crate::gateway::StartError;
use crate::gateway::blueprints::{Blueprints, NoBlueprint};
use crate::hub::Habits;
use crate::intake::{Gate, Groups, Limits, People};
use crate::plugins::catalog::{self, Catalog, CatalogError};
use crate::plugins::instance::Blueprint;
use crate::plugins::load::Loader;
use crate::supervisor::Make;
use crate::tasks::Tasks;

/// An instance that is configured, with what makes it; or why its library was refused.
pub(in crate::gateway) struct Made {
    pub(in crate::gateway) kind: Kind,
    pub(in crate::gateway) name: Arc<str>,
    pub(in crate::gateway) make: Result<Make, NoBlueprint>,
}

/// What makes instances of a configuration; owns all it needs, so that it can leave the thread.
pub(in crate::gateway) struct Workshop {
    pub(in crate::gateway) config: Arc<Config>,
    pub(in crate::gateway) loader: Arc<Loader>,
    pub(in crate::gateway) processes: Tasks,
}

impl Workshop {
    /// What makes the instances of those names, which are configured.
    ///
    /// # Errors
    /// Plugin directories that cannot be searched.
    pub(super) fn make_all(&self, names: Vec<(Kind, Arc<str>)>) -> Result<Vec<Made>, CatalogError> {
        let catalog = catalog::find(&self.config.plugin_folders())?;
        Ok(self.make_of(&catalog, names))
    }

    fn make_of(&self, catalog: &Catalog, names: Vec<(Kind, Arc<str>)>) -> Vec<Made> {
        let blueprints = Blueprints {
            config: &self.config,
            catalog,
            loader: &self.loader,
            tasks: &self.processes,
        };
        let make = |(kind, name): (Kind, Arc<str>)| {
            let blueprint = blueprints.make(kind, &name);
            let make = blueprint.map(|blueprint| make(&self.config, kind, &name, blueprint));
            Made { kind, name, make }
        };
        names.into_iter().map(make).collect()
    }

    /// What makes all instances that are configured, of what was found in the plugin directories.
    ///
    /// # Errors
    /// What the configuration is at fault for.
    pub(in crate::gateway) fn make_configured(&self, catalog: &Catalog) -> Result<Vec<Made>, StartError> {
        let of = |kind| move |name: &String| (kind, Arc::from(name.as_str()));
        let providers = self.config.providers.keys().map(of(Kind::Provider));
        let channels = self.config.channels.keys().map(of(Kind::Channel));
        let made = self.make_of(catalog, providers.chain(channels).collect());
        let at_fault = |made: Made| match made.make {
            Err(NoBlueprint::Config(error)) => Err(error),
            make => Ok(Made { make, ..made }),
        };
        made.into_iter().map(at_fault).collect()
    }
}

/// What makes an instance, with what its channel lets in.
fn make(config: &Config, kind: Kind, name: &str, blueprint: Blueprint) -> Make {
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
    let mark = format!("{}\n{settings}", blueprint.mark());
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
    Arc::new(Gate::new(people.unwrap_or_default(), limits))
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
