//! What the operator can set for an instance.

use serde::Deserialize;

/// Settings of the provider.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Stands before every answer.
    #[serde(default = "greeting")]
    pub greeting: String,
    /// Milliseconds before every word.
    #[serde(default)]
    pub pause_ms: u32,
}

fn greeting() -> String {
    "You said: ".to_owned()
}
