//! `miniclaw models`: what the servers behind the providers offer.

use std::fmt::Write as _;

use futures_util::future::join_all;
use miniclaw_plugin_api::{Capability, Error, Model};
use serde_json::{Value, json};

use super::args::{Global, ModelsArgs};
use super::provider::{self, Entry, NotStarted};
use super::providers::split;
use super::{Failure, Outcome, known_plugins, setup};
use crate::config::Config;
use crate::plugins::instance::{Instance, Method};
use crate::telemetry;

/// Asks every provider, or the one that is named, and prints what it offers.
///
/// # Errors
/// 78 for a configuration that cannot be used; status 1 where no provider answered.
pub(super) fn run(global: &Global, args: &ModelsArgs) -> Outcome {
    let mut loaded = setup::load(&setup::sources(global, &args.plugins))?;
    let telemetry = setup::start_log(global, &loaded, true)?;
    let known = known_plugins(&loaded.config);
    if let Some(name) = &args.provider {
        provider::admit(&mut loaded.config, &known, name)?;
    }
    let config = &loaded.config;
    let names = config.providers.keys().map(String::as_str);
    let entries: Vec<Entry<'_>> = names
        .filter(|name| args.provider.as_ref().is_none_or(|asked| asked == name))
        .filter_map(|name| Entry::of(config, &known, name))
        .collect();
    let lists = provider::block_on(join_all(
        entries
            .iter()
            .map(|entry| offered(config, &telemetry, entry.name)),
    ))?;
    let found: Vec<(Entry<'_>, Result<Vec<Model>, NotStarted>)> = entries.into_iter().zip(lists).collect();
    if args.provider.is_some()
        && let [(_, Err(NotStarted::Setup(failure)))] = &*found
    {
        return Err(Failure::new(failure.status, &failure.text));
    }
    let status = u8::from(found.iter().all(|(_, models)| models.is_err()));
    let text = if args.output.json {
        let all: Vec<Value> = found
            .iter()
            .map(|(entry, models)| as_json(config, entry, models))
            .collect();
        format!("{:#}\n", json!({ "providers": all }))
    } else {
        found
            .iter()
            .map(|(entry, models)| table(config, entry, models))
            .collect()
    };
    setup::print(&text, status)
}

async fn offered(
    config: &Config,
    telemetry: &telemetry::Handle,
    name: &str,
) -> Result<Vec<Model>, NotStarted> {
    let instance = provider::start(config, telemetry, name).await?;
    let models = list(&instance).await.map_err(NotStarted::Plugin);
    provider::end(&instance).await;
    models
}

/// What a running provider offers.
pub(super) async fn list(instance: &Instance) -> Result<Vec<Model>, Error> {
    if !instance.blueprint.can(Capability::Models) {
        return Err(Error::unsupported("models"));
    }
    instance.call(Method::MODELS, &()).await?.decode()
}

/// The models that the configuration asks this provider for.
fn wanted(config: &Config, entry: &Entry<'_>) -> Vec<String> {
    let of_route = config.routes.iter().flat_map(|route| {
        let provider = route.provider.as_ref().unwrap_or(&config.provider);
        let model = route.model.as_deref().filter(|_| provider == entry.name);
        let fallbacks = route.fallback.iter().map(|fallback| split(fallback));
        let of_fallback = fallbacks.filter_map(|(name, model)| model.filter(|_| name == entry.name));
        model.into_iter().chain(of_fallback).map(str::to_owned)
    });
    let mut wanted: Vec<String> = entry.model.clone().into_iter().chain(of_route).collect();
    wanted.sort();
    wanted.dedup();
    wanted
}

/// Ollama's names have a tag, which may be left out where it is the usual one.
fn is_wanted(wanted: &[String], id: &str) -> bool {
    let short = id.strip_suffix(":latest").unwrap_or(id);
    wanted.iter().any(|name| name == id || name == short)
}

fn as_json(config: &Config, entry: &Entry<'_>, models: &Result<Vec<Model>, NotStarted>) -> Value {
    let wanted = wanted(config, entry);
    let list = models.as_ref().ok().map(|models| {
        let shown = models.iter().map(|model| {
            let mut shown = json!({
                "id": model.id,
                "context_tokens": model.context_tokens,
                "vision": model.vision,
                "tools": model.tools,
                "configured": is_wanted(&wanted, &model.id),
            });
            if !model.meta.is_empty() {
                shown["meta"] = json!(model.meta);
            }
            shown
        });
        shown.collect::<Vec<_>>()
    });
    json!({
        "provider": entry.name,
        "plugin": entry.plugin,
        "configured": wanted,
        "models": list,
        "error": models.as_ref().err().map(|error| provider::told(config, &error.text())),
    })
}

fn table(config: &Config, entry: &Entry<'_>, models: &Result<Vec<Model>, NotStarted>) -> String {
    let Entry { name, plugin, .. } = entry;
    let models = match models {
        Ok(models) => models,
        Err(error) => {
            let reason = provider::told(config, &error.text());
            return format!("{name} ({plugin}): {reason}\n");
        }
    };
    let wanted = wanted(config, entry);
    let many = if models.len() == 1 { "model" } else { "models" };
    let mut text = format!("{name} ({plugin}): {} {many}\n", models.len());
    let width = models
        .iter()
        .map(|model| model.id.chars().count())
        .max()
        .unwrap_or_default()
        .max(5);
    if !models.is_empty() {
        let _ = writeln!(text, "  {:width$}  {:>9}  vision  tools", "model", "context");
    }
    for model in models {
        let mark = if is_wanted(&wanted, &model.id) { '*' } else { ' ' };
        let context = model
            .context_tokens
            .map_or_else(|| "-".into(), |tokens| tokens.to_string());
        let yes = |has: bool| if has { "yes" } else { "-" };
        let (vision, tools) = (yes(model.vision), yes(model.tools));
        let _ = writeln!(
            text,
            "{mark} {:width$}  {context:>9}  {vision:6}  {tools}",
            model.id
        );
    }
    for model in &wanted {
        if !models
            .iter()
            .any(|offered| is_wanted(std::slice::from_ref(model), &offered.id))
        {
            let _ = writeln!(text, "  the configured model `{model}` is not among them");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_tag_may_be_left_out() {
        let wanted = ["llama3.2".to_owned(), "qwen:1b".to_owned()];
        for (id, expected) in [
            ("llama3.2", true),
            ("llama3.2:latest", true),
            ("llama3.2:1b", false),
            ("qwen:1b", true),
            ("qwen", false),
        ] {
            assert_eq!(is_wanted(&wanted, id), expected, "{id}");
        }
    }
}
