//! What a start would refuse, found without one: built-in plugins look at their settings.

use std::sync::Arc;

use miniclaw_plugin_api::{Cause, Kind};
use serde_json::Value;

use super::super::plugin::scratch::Scratch;
use super::super::provider::{block_on, told};
use crate::config::{ConfigError, Isolation, Loaded, Settings};
use crate::gateway::Blueprints;
use crate::plugins::catalog::{self, Catalog, Found};
use crate::plugins::instance::{Hooks, Instance, Method};
use crate::plugins::load::Loader;
use crate::plugins::trust::TrustPolicy;
use crate::tasks::Tasks;

/// Makes an instance of each built-in plugin that is configured, which touches no network, and tells what it refuses.
/// Libraries are not run, and neither is what the schemas already refused.
pub(in crate::cli) fn refusals(loaded: &Loaded) -> Vec<ConfigError> {
    // What is wrong with the folders, and with this machine, is told elsewhere.
    let (Ok(catalog), Ok(scratch)) = (
        catalog::find(&loaded.config.plugin_folders()),
        Scratch::new("validate"),
    ) else {
        return Vec::new();
    };
    let mut config = loaded.config.clone();
    config.home = scratch.path().to_owned();
    for channel in config.channels.values_mut() {
        channel.confinement.isolation = Some(Isolation::InProcess);
    }
    for provider in config.providers.values_mut() {
        provider.confinement.isolation = Some(Isolation::InProcess);
    }
    let trial = Trial {
        loaded,
        catalog: &catalog,
        loader: &Loader::new(scratch.path().join("cache"), TrustPolicy::default()),
        config: &config,
    };
    let channels = config.channels.iter();
    let channels = channels.map(|(name, channel)| (Kind::Channel, name, &*channel.plugin, &channel.settings));
    let providers = config.providers.iter();
    let providers =
        providers.map(|(name, provider)| (Kind::Provider, name, &*provider.plugin, &provider.settings));
    let all = channels.chain(providers);
    let refused = block_on(async {
        let mut refused = Vec::new();
        for (kind, name, plugin, settings) in all {
            refused.extend(trial.refusal(kind, name, plugin, settings).await);
        }
        refused
    });
    refused.unwrap_or_default()
}

struct Trial<'a> {
    loaded: &'a Loaded,
    catalog: &'a Catalog,
    loader: &'a Loader,
    /// In a home of its own.
    config: &'a crate::config::Config,
}

impl Trial<'_> {
    async fn refusal(
        &self,
        kind: Kind,
        name: &str,
        plugin: &str,
        settings: &Settings,
    ) -> Option<ConfigError> {
        let Ok(Found::Builtin(_)) = self.catalog.lookup(plugin) else {
            return None;
        };
        let blueprints = Blueprints {
            config: self.config,
            catalog: self.catalog,
            loader: self.loader,
            tasks: &Tasks::default(),
        };
        let blueprint = blueprints.make(kind, name).ok()?;
        let settings = Value::Object(settings.0.clone()).to_string();
        let hooks = Hooks {
            log: Arc::new(|_| {}),
            event: Arc::new(|_| {}),
            ask: None,
        };
        let created = async {
            let (instance, _) = Instance::spawn(blueprint, name.into(), &settings, 0, hooks)?;
            instance.call(Method::CREATE, &()).await
        };
        let error = created.await.err().filter(|error| error.cause == Cause::Config)?;
        let message = told(self.config, &error.message);
        Some(self.loaded.refused_by_plugin(kind, name, &message))
    }
}
