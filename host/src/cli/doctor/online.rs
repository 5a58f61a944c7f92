//! `--online`: what other machines say.

use std::time::Duration;

use miniclaw_plugin_api::{Cause, Error, Kind};

use super::super::args::Global;
use super::super::plugin::scratch::Scratch;
use super::super::provider::{self, NotStarted, block_on, told};
use super::super::{Failure, known_plugins, providers, setup};
use super::finding::Finding;
use crate::config::{self, Config, Sources};
use crate::telemetry;

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks every provider for a word, and Telegram for the names of its bots. What cannot be used at all was told already.
///
/// # Errors
/// Where there is no room to do so.
pub(super) fn look(global: &Global, sources: &Sources) -> Result<Vec<Finding>, Failure> {
    let Ok(loaded) = config::load(sources) else {
        return Ok(Vec::new());
    };
    let telemetry = setup::start_log(global, &loaded, true)?;
    let scratch = Scratch::new("doctor").map_err(|error| Failure::chain(1, &error))?;
    let mut config = loaded.config.clone();
    let known = known_plugins(&config);
    config.home = scratch.path().to_owned();
    config.agent.turn_timeout = config.agent.turn_timeout.min(PATIENCE);
    let mut findings = Vec::new();
    for name in config.providers.keys() {
        let (error, text) = block_on(providers::trial(&config, &known, &telemetry, name))??;
        let Some(error) = error else { continue };
        let (id, what) = match error.cause {
            Cause::Auth | Cause::Config => ("provider-refused", "api_key"),
            Cause::NotFound => ("provider-model", "model"),
            _ => ("provider-unreachable", "base_url"),
        };
        let fix = format!(
            "see to `providers.{name}.settings.{what}`; `miniclaw providers check {name}` tries again"
        );
        findings.push(Finding::error(
            id,
            format!("providers.{name}"),
            told(&config, &text),
            fix,
        ));
    }
    for (name, channel) in &config.channels {
        if channel.plugin != "telegram" {
            continue;
        }
        let asked = block_on(async {
            let asked = tokio::time::timeout(PATIENCE, account(&config, &telemetry, name));
            asked
                .await
                .unwrap_or_else(|_| Err(Error::transient("there was no answer").because(Cause::Timeout)))
        })?;
        let Err(error) = asked else { continue };
        let refused = matches!(error.cause, Cause::Auth | Cause::Config);
        let id = if refused {
            "channel-refused"
        } else {
            "channel-unreachable"
        };
        let what = if refused { "token" } else { "api_url" };
        let fix = format!("see to `channels.{name}.settings.{what}`, and to network and proxy");
        findings.push(Finding::error(
            id,
            format!("channels.{name}"),
            told(&config, &error.message),
            fix,
        ));
    }
    Ok(findings)
}

async fn account(config: &Config, telemetry: &telemetry::Handle, name: &str) -> Result<(), Error> {
    let begun = provider::begin(config, telemetry, Kind::Channel, name).await;
    let (instance, _) = begun.map_err(|not| match not {
        NotStarted::Setup(failure) => Error::config(failure.text),
        NotStarted::Plugin(error) => error,
    })?;
    provider::end(&instance).await;
    Ok(())
}
