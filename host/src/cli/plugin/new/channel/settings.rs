//! What the operator can set for an instance.

use std::path::PathBuf;

use serde::Deserialize;

/// Settings of the channel.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of the two files; without it, the instance's own data folder.
    pub folder: Option<PathBuf>,
    /// Milliseconds between two looks at the file.
    #[serde(default = "poll_ms")]
    pub poll_ms: u32,
}

fn poll_ms() -> u32 {
    200
}
