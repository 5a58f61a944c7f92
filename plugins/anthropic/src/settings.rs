//! What the operator sets.

use std::collections::BTreeMap;

use miniclaw_plugin_api::http::HttpSettings;
use serde::Deserialize;

/// Settings of the `anthropic` plugin.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address of the API, without its version: requests go to `{base_url}/v1/messages`.
    pub base_url: String,
    /// Key, sent as `x-api-key`.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub api_key: Option<String>,
    /// Model where neither the gateway nor a route names one.
    pub model: String,
    /// Whether the answer is asked for piece by piece, as the model writes it.
    pub stream: bool,
    /// Whether the server is asked to keep what it read of the instructions and tools for the next requests, which
    /// makes long ones cheaper.
    pub cache: bool,
    /// Further headers of every request.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub headers: BTreeMap<String, String>,
    /// Randomness where the gateway names none; otherwise the server decides. Some models refuse it.
    pub temperature: Option<f64>,
    /// Most tokens of an answer where the gateway names none, thoughts included.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub max_tokens: u32,
    /// Deadlines and caps.
    pub http: HttpSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://api.anthropic.com".into(),
            api_key: None,
            model: "claude-sonnet-5-5".into(),
            stream: true,
            cache: false,
            headers: BTreeMap::new(),
            temperature: None,
            max_tokens: 8192,
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
            &crate::Anthropic::MANIFEST,
            &schemars::schema_for!(Settings).to_value(),
        );
    }
}
