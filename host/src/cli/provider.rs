//! A provider for one command: started without a gateway, asked, ended.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use miniclaw_plugin_api::abi::Payload;
use miniclaw_plugin_api::{Error, Kind};
use serde_json::Value;

use super::config::BAD_CONFIG;
use super::{Failure, setup};
use crate::config::{Config, Confinement, KnownPlugin, ProviderConfig, Settings, Terms};
use crate::gateway::{Blueprints, NoBlueprint, log_sink, private_folder};
use crate::plugins::catalog;
use crate::plugins::instance::{Hooks, Instance, Method};
use crate::plugins::load::Loader;
use crate::tasks::Tasks;
use crate::telemetry;

/// Shorter texts are no secrets worth the name.
const SHORTEST_SECRET: usize = 6;

/// Why a provider does not run.
pub(super) enum NotStarted {
    /// Its plugin cannot be used at all.
    Setup(Failure),
    /// The plugin says so.
    Plugin(Error),
}

/// What the configuration says of a provider.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) plugin: &'a str,
    /// The model that it is asked for where no route names one; `None` where only the server knows.
    pub(super) model: Option<String>,
    /// Where its server is, without credentials; `None` where the settings do not say.
    pub(super) address: Option<String>,
}

/// Runs the work of a command to its end, whatever a plugin blocks.
///
/// # Errors
/// Status 1 where the system has no runtime to give.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(1, format!("the system refuses what the command needs: {error}")))?;
    let result = runtime.block_on(work);
    // What a plugin blocks must not keep the process.
    runtime.shutdown_background();
    Ok(result)
}

/// Gives a plugin that needs no entry one, here as in the configuration.
///
/// # Errors
/// Status 1 for a name that no provider has.
pub(super) fn admit(config: &mut Config, known: &[KnownPlugin], name: &str) -> Result<(), Failure> {
    let plugins = known.iter().filter(|plugin| plugin.kind == Kind::Provider);
    let plugins = plugins.map(|plugin| plugin.name.as_str());
    let names: BTreeSet<&str> = config
        .providers
        .keys()
        .map(String::as_str)
        .chain(plugins)
        .collect();
    if !names.contains(name) {
        let names = Vec::from_iter(names).join("`, `");
        return Err(Failure::new(
            1,
            format!("no provider is called `{name}`; there are `{names}`"),
        ));
    }
    config
        .providers
        .entry(name.to_owned())
        .or_insert_with(|| ProviderConfig {
            plugin: name.to_owned(),
            terms: Terms::default(),
            confinement: Confinement::default(),
            settings: Settings::default(),
        });
    Ok(())
}

/// Starts a provider.
///
/// # Errors
/// See [`NotStarted`].
pub(super) async fn start(
    config: &Config,
    telemetry: &telemetry::Handle,
    name: &str,
) -> Result<Arc<Instance>, NotStarted> {
    let begun = begin(config, telemetry, Kind::Provider, name).await?;
    Ok(begun.0)
}

/// Starts an instance that is configured; returns what its start answered too.
///
/// # Errors
/// See [`NotStarted`].
pub(super) async fn begin(
    config: &Config,
    telemetry: &telemetry::Handle,
    kind: Kind,
    name: &str,
) -> Result<(Arc<Instance>, Payload), NotStarted> {
    let refused = |failure| NotStarted::Setup(failure);
    let settings = match kind {
        Kind::Provider => config.providers.get(name).map(|provider| &provider.settings),
        _ => config.channels.get(name).map(|channel| &channel.settings),
    };
    let Some(settings) = settings else {
        let what = if kind == Kind::Provider {
            "provider"
        } else {
            "channel"
        };
        return Err(refused(Failure::new(
            BAD_CONFIG,
            format!("no {what} `{name}` is configured"),
        )));
    };
    let catalog = catalog::find(&config.plugin_folders())
        .map_err(|error| refused(Failure::chain(BAD_CONFIG, &error)))?;
    private_folder(&config.state_dir()).map_err(|error| refused(Failure::chain(1, &error)))?;
    let trust = setup::trust(config).map_err(refused)?;
    let loader = Loader::new(config.state_dir().join("cache"), trust);
    let tasks = Tasks::default();
    let blueprints = Blueprints {
        config,
        catalog: &catalog,
        loader: &loader,
        tasks: &tasks,
    };
    let blueprint = blueprints.make(kind, name).map_err(|none| {
        refused(match none {
            NoBlueprint::Config(error) => Failure::chain(error.status(), &error),
            NoBlueprint::Library(reason) => Failure::new(1, reason),
        })
    })?;
    let settings = Value::Object(settings.0.clone()).to_string();
    let hooks = Hooks {
        log: log_sink(name),
        event: Arc::new(|_| {}),
        ask: None,
    };
    let started = async {
        let (instance, _) = Instance::spawn(blueprint, name.into(), &settings, telemetry.max_level(), hooks)?;
        instance.call(Method::CREATE, &()).await?;
        let answer = instance.call(Method::START, &()).await?;
        Ok((instance, answer))
    };
    started.await.map_err(NotStarted::Plugin)
}

/// Ends a provider; its own log has told what its shutdown could not do.
pub(super) async fn end(instance: &Instance) {
    let _ = instance.call(Method::SHUTDOWN, &()).await;
}

impl NotStarted {
    /// The reason in one text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Setup(failure) => failure.text.clone(),
            Self::Plugin(error) => error.to_string(),
        }
    }
}

impl<'a> Entry<'a> {
    /// Of a provider that is configured; `known` has the defaults of its settings.
    pub(super) fn of(config: &'a Config, known: &[KnownPlugin], name: &'a str) -> Option<Self> {
        let provider = config.providers.get(name)?;
        let default = config.model.as_ref().filter(|_| name == config.provider);
        let setting = |key: &str| setting(provider, known, key);
        Some(Self {
            name,
            plugin: &provider.plugin,
            model: default.cloned().or_else(|| setting("model")),
            address: setting("base_url").map(|address| without_credentials(&address)),
        })
    }
}

/// A setting as it stands, or else as the plugin's schema has it.
fn setting(provider: &ProviderConfig, known: &[KnownPlugin], key: &str) -> Option<String> {
    let given = provider.settings.0.get(key).and_then(Value::as_str);
    match given {
        Some(given) => Some(given.to_owned()),
        None => default_setting(known, &provider.plugin, key),
    }
}

/// What a provider's plugin takes where nothing is given.
pub(super) fn default_setting(known: &[KnownPlugin], plugin: &str, key: &str) -> Option<String> {
    let mut plugins = known.iter();
    let plugin = plugins.find(|known| known.kind == Kind::Provider && known.name == plugin)?;
    let schema: Value = serde_json::from_str(&plugin.schema).ok()?;
    let default = schema.get("properties")?.get(key)?.get("default")?;
    default.as_str().map(str::to_owned)
}

/// `scheme://host:port/path` alone.
fn without_credentials(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let host_begins = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(host_begins);
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    }
}

/// A plugin's words without the secrets of the configuration, whatever the plugin thinks of them.
pub(super) fn told(config: &Config, text: &str) -> String {
    let mut text = text.to_owned();
    for secret in config
        .secrets
        .iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
    {
        text = text.replace(secret.as_str(), "[redacted]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_none_is_answered_with_those_that_there_are() {
        let home = tempfile::tempdir().unwrap();
        let sources = crate::config::Sources {
            home: Some(home.path().to_owned()),
            ..Default::default()
        };
        let mut config = crate::config::load(&sources).unwrap().config;
        let known = crate::cli::known_plugins(&config);
        let failure = admit(&mut config, &known, "nope").err().unwrap();
        assert_eq!(failure.status, 1);
        assert_eq!(
            failure.text,
            "no provider is called `nope`; there are `anthropic`, `echo`, `gemini`, `ollama`, `openai`"
        );
        assert!(admit(&mut config, &known, "gemini").is_ok());
        assert!(config.providers.contains_key("gemini"));
    }

    #[test]
    fn addresses_are_shown_without_what_opens_them() {
        for (address, shown) in [
            ("https://user:pass@host:1/v1?key=x#y", "https://host:1/v1"),
            ("http://host", "http://host"),
            ("http://host/a@b", "http://host/a@b"),
            ("odd", "odd"),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
    }
}
