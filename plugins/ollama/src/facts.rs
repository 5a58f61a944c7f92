//! What the server tells of a model, `POST /api/show`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{Model, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::failure::advise;
use crate::settings::Settings;
use crate::window;

/// How long the facts of a model count: it may be pulled anew.
const FRESH: Duration = Duration::from_secs(600);
/// Models whose facts are kept; with more all are forgotten, which costs a request each.
const KEPT: usize = 64;
/// Longest wait for the facts of one model; without them it is asked as it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most models of a list that are described, and the time for all of them.
const DESCRIBED: usize = 100;
const DESCRIBED_WITHIN: Duration = Duration::from_secs(15);

/// The facts of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) capabilities: Vec<String>,
    /// What the model was made for.
    pub(crate) context: Option<u64>,
    /// What its Modelfile says.
    pub(crate) num_ctx: Option<u64>,
    /// Somebody else's machine runs it.
    pub(crate) is_remote: bool,
}

/// The facts of the models that were asked for.
#[derive(Default)]
pub(crate) struct Library(Mutex<HashMap<String, (Instant, Facts)>>);

impl Facts {
    /// Servers before 0.6.4 tell no capabilities.
    pub(crate) fn is_blind(&self) -> bool {
        !self.capabilities.is_empty() && !self.can("vision")
    }

    fn can(&self, what: &str) -> bool {
        self.capabilities.iter().any(|capability| capability == what)
    }
}

impl Library {
    /// The facts of a model; `None` where the server does not tell them, which it may do for the next message: once it
    /// has loaded, or the model is pulled.
    ///
    /// # Errors
    /// Where there is no server.
    pub(crate) async fn facts(&self, client: &Client, model: &str) -> Result<Option<Facts>> {
        if let Some((since, facts)) = self.kept().get(model)
            && since.elapsed() < FRESH
        {
            return Ok(Some(facts.clone()));
        }
        let facts = match tokio::time::timeout(PATIENCE, show(client, model)).await {
            Ok(Ok(facts)) => facts,
            Ok(Err(error)) if error.meta.contains_key("connect") => return Err(advise(error)),
            Ok(Err(error)) => {
                tracing::debug!(model, %error, "Server tells nothing of the model");
                return Ok(None);
            }
            Err(_) => return Ok(None),
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(model.to_owned(), (Instant::now(), facts.clone()));
        Ok(Some(facts))
    }

    /// Adds to a list what the server tells of each; what it does not tell costs nothing.
    pub(crate) async fn describe(&self, client: &Client, settings: &Settings, models: &mut [Model]) {
        let all = async {
            for model in models.iter_mut().take(DESCRIBED) {
                let Ok(Some(facts)) = self.facts(client, &model.id).await else {
                    continue;
                };
                model.context_tokens = window::largest(settings, Some(&facts));
                model.vision = facts.can("vision");
                model.tools = facts.can("tools");
                if let Some(context) = facts.context {
                    model.meta.insert("trained_context_tokens".into(), context.into());
                }
            }
        };
        if tokio::time::timeout(DESCRIBED_WITHIN, all).await.is_err() {
            tracing::debug!("Server is slow to tell of its models, some of which go without");
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Facts)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn show(client: &Client, model: &str) -> Result<Facts> {
    let response = client.post("api/show", &json!({ "model": model })).await?;
    Ok(Facts::from(response.json::<Shown>().await?))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Shown {
    capabilities: Option<Vec<String>>,
    model_info: Option<Map<String, Value>>,
    parameters: Option<String>,
    remote_host: Option<String>,
}

impl From<Shown> for Facts {
    fn from(shown: Shown) -> Self {
        let info = shown.model_info.unwrap_or_default();
        let context = info.iter().find(|(key, _)| key.ends_with(".context_length"));
        let parameters = shown.parameters.unwrap_or_default();
        let num_ctx = parameters.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "num_ctx").then(|| words.next()?.parse().ok())?
        });
        Self {
            capabilities: shown.capabilities.unwrap_or_default(),
            context: context.and_then(|(_, value)| value.as_u64()),
            num_ctx,
            is_remote: shown.remote_host.is_some_and(|host| !host.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_what_is_shown() {
        let shown = json!({
            "parameters": "stop \"<|eot|>\"\nnum_ctx                        16384",
            "model_info": { "general.architecture": "llama", "llama.context_length": 131_072 },
            "capabilities": ["completion", "tools"],
            "license": "long",
        });
        let facts = Facts::from(serde_json::from_value::<Shown>(shown).unwrap());
        assert_eq!((facts.context, facts.num_ctx), (Some(131_072), Some(16_384)));
        assert!(facts.is_blind() && facts.can("tools") && !facts.is_remote);
        let old = Facts::from(serde_json::from_value::<Shown>(json!({ "license": "old" })).unwrap());
        assert_eq!(old, Facts::default());
        assert!(!old.is_blind());
    }
}
