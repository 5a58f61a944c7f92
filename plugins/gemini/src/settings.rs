//! What the operator sets.

use std::collections::BTreeMap;

use miniclaw_plugin_api::http::HttpSettings;
use serde::Deserialize;

/// Settings of the `gemini` plugin.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address of the API, without its version: requests go to `{base_url}/v1beta/models/…`.
    pub base_url: String,
    /// Key, sent as `x-goog-api-key`.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub api_key: Option<String>,
    /// Model where neither the gateway nor a route names one.
    pub model: String,
    /// Whether the answer is asked for piece by piece, as the model writes it.
    pub stream: bool,
    /// Further headers of every request.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    pub headers: BTreeMap<String, String>,
    /// Randomness where the gateway names none; otherwise the server decides.
    pub temperature: Option<f64>,
    /// Most tokens of an answer where the gateway names none, thoughts included; otherwise the server decides.
    pub max_tokens: Option<u32>,
    /// Deadlines and caps.
    pub http: HttpSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://generativelanguage.googleapis.com".into(),
            api_key: None,
            model: "gemini-flash-latest".into(),
            stream: true,
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
            &crate::Gemini::MANIFEST,
            &schemars::schema_for!(Settings).to_value(),
        );
    }
}
