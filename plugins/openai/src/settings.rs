//! What the operator sets.

use std::collections::BTreeMap;

use miniclaw_plugin_api::http::HttpSettings;
use serde::Deserialize;

/// Settings of the `openai` plugin.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address of the API, up to and including its version: requests go to `{base_url}/chat/completions`. The whole
    /// address of the latter will do as well, with its query.
    pub base_url: String,
    /// Key. Servers of your own mostly need none.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub api_key: Option<String>,
    /// Header that carries the key. By default `Authorization`, as `Bearer KEY`, and `api-key` for servers of Azure.
    pub api_key_header: Option<String>,
    /// Parameters in the query of every request, for example `api-version`.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub query: BTreeMap<String, String>,
    /// Model where neither the gateway nor a route names one.
    pub model: String,
    /// Whether the answer is asked for piece by piece, as the model writes it.
    pub stream: bool,
    /// Whether to ask for the token counts of a streamed answer. By default every server is asked until it refuses
    /// the field.
    pub stream_usage: Option<bool>,
    /// Further headers of every request.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub headers: BTreeMap<String, String>,
    /// Randomness where the gateway names none; otherwise the server decides.
    pub temperature: Option<f64>,
    /// Most tokens of an answer where the gateway names none; otherwise the server decides.
    pub max_tokens: Option<u32>,
    /// Deadlines and caps.
    pub http: HttpSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".into(),
            api_key: None,
            api_key_header: None,
            query: BTreeMap::new(),
            model: "gpt-4o-mini".into(),
            stream: true,
            stream_usage: None,
            headers: BTreeMap::new(),
            temperature: None,
            max_tokens: None,
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
            &crate::OpenAi::MANIFEST,
            &schemars::schema_for!(Settings).to_value(),
        );
    }
}
