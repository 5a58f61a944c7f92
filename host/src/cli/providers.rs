//! `miniclaw providers`: what is configured, and whether it answers.

mod advice;
mod check;

use std::fmt::Write as _;
use std::path::PathBuf;

use miniclaw_plugin_api::Error;
use serde_json::{Value, json};

use super::args::{Global, Output, ProvidersCommand};
use super::provider::Entry;
use super::{Failure, Outcome, known_plugins, setup};
use crate::config::{Config, KnownPlugin, Route};
use crate::telemetry;

/// Runs a command of `miniclaw providers`.
///
/// # Errors
/// 78 for a configuration that cannot be used; `check` ends with status 1 where a provider does not answer.
pub(super) fn run(global: &Global, command: &ProvidersCommand) -> Outcome {
    match command {
        ProvidersCommand::List { plugins, output } => list(global, plugins, *output),
        ProvidersCommand::Check(args) => check::run(global, args),
    }
}

/// Asks one provider, for another command; tells how that went.
///
/// # Errors
/// Where its plugin cannot be used at all.
pub(super) async fn trial(
    config: &Config,
    known: &[KnownPlugin],
    telemetry: &telemetry::Handle,
    name: &str,
) -> Result<(Option<Error>, String), Failure> {
    match Entry::of(config, known, name) {
        Some(entry) => check::trial(config, telemetry, &entry).await,
        None => Ok((None, "not configured".into())),
    }
}

fn list(global: &Global, plugins: &[PathBuf], output: Output) -> Outcome {
    let loaded = setup::load(&setup::sources(global, plugins))?;
    let config = &loaded.config;
    let known = known_plugins(config);
    let names = config.providers.keys();
    let entries: Vec<Entry<'_>> = names.filter_map(|name| Entry::of(config, &known, name)).collect();
    if output.json {
        let all: Vec<Value> = entries
            .iter()
            .map(|entry| {
                json!({
                    "name": entry.name,
                    "plugin": entry.plugin,
                    "model": entry.model,
                    "address": entry.address,
                    "used_by": uses(config, entry.name),
                })
            })
            .collect();
        return setup::print(&format!("{:#}\n", json!({ "providers": all })), 0);
    }
    let mut text = String::new();
    for entry in &entries {
        let Entry { name, plugin, .. } = entry;
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let (model, address) = (or_dash(&entry.model), or_dash(&entry.address));
        let uses = uses(config, name);
        let used = if uses.is_empty() {
            "unused".into()
        } else {
            uses.join(", ")
        };
        let _ = writeln!(text, "{name}  {plugin}  {model}  {address}  {used}");
    }
    setup::print(&text, 0)
}

/// Where the configuration names the provider.
fn uses(config: &Config, name: &str) -> Vec<String> {
    let mut uses = Vec::new();
    if config.provider == name {
        uses.push("default".to_owned());
    }
    for (index, route) in config.routes.iter().enumerate() {
        if route.provider.as_deref() == Some(name) {
            uses.push(format!("routes[{index}]{}", reach(route)));
        }
        if route.fallback.iter().any(|fallback| split(fallback).0 == name) {
            uses.push(format!("fallback of routes[{index}]{}", reach(route)));
        }
    }
    uses
}

/// Provider and model of a fallback.
pub(super) fn split(fallback: &str) -> (&str, Option<&str>) {
    match fallback.split_once('/') {
        Some((name, model)) => (name, Some(model)),
        None => (fallback, None),
    }
}

/// What a route is for.
fn reach(route: &Route) -> String {
    let named = |what: &str, name: &Option<String>| name.as_ref().map(|name| format!("{what} {name}"));
    let parts = [
        named("channel", &route.channel),
        named("chat", &route.chat),
        named("command", &route.command),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}
