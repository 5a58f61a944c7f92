//! What the operator sets.

use miniclaw_plugin_api::Meta;
use miniclaw_plugin_api::http::HttpSettings;
use serde::{Deserialize, Serialize};

/// Settings of the `ollama` plugin.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address of the server, without `/api`.
    pub base_url: String,
    /// Key, sent as `Authorization: Bearer`, for ollama.com or a proxy; a server of your own needs none.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub api_key: Option<String>,
    /// Model where neither the gateway nor a route names one.
    pub model: String,
    /// How long the server keeps the model in memory afterwards: seconds, or a text such as `10m`; negative
    /// means for ever. Otherwise the server decides.
    pub keep_alive: Option<KeepAlive>,
    /// Tokens that the model keeps in sight, fixed; 0 leaves it to the server. By default
    /// as many as the conversation needs: from 8,192 up to 32,768, in steps of twice as many, and no more than the
    /// model was made for; what a Modelfile says counts before this.
    pub num_ctx: Option<u32>,
    /// Whether a model that can think does so: true, false, or for some models `low`, `medium`, `high`. Otherwise the
    /// server decides.
    pub think: Option<Think>,
    /// Options of the model as Ollama calls them, for example `top_k`. The gateway's own sampling options win.
    pub options: Meta,
    /// Deadlines and caps. A large model takes its time to load: `first_byte_seconds` covers that.
    pub http: HttpSettings,
}

/// A duration as Ollama takes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum KeepAlive {
    /// Seconds.
    Seconds(i64),
    /// A number with its unit.
    Text(String),
}

/// How much a model thinks.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Think {
    /// Whether it does.
    Switch(bool),
    /// How much.
    Level(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:11434".into(),
            api_key: None,
            model: "llama3.2".into(),
            keep_alive: None,
            num_ctx: None,
            think: None,
            options: Meta::new(),
            http: HttpSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::Provider;
    use miniclaw_plugin_api::testkit::check_schema;

    use super::*;

    #[test]
    fn schema_file_is_what_the_settings_derive() {
        check_schema(
            &crate::Ollama::MANIFEST,
            &schemars::schema_for!(Settings).to_value(),
        );
    }
}
