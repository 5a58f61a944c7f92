//! The settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miniclaw_plugin_api::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Settings of the `exec` plugin.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The program, an absolute path or a name that is looked up in `PATH`, and its arguments. There is no shell.
    pub command: Vec<String>,
    /// The folder that the program runs in; `/` by default.
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    /// Environment of the program, beside `PATH`, `HOME`, `LANG`, `LC_ALL` and `TZ` of the gateway. Nothing else is handed on.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Handed to the program as it starts.
    #[serde(default)]
    pub options: Map<String, Value>,
}

impl Settings {
    /// Refuses what no start could make work.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(program) = self.command.first().filter(|program| !program.is_empty()) else {
            return Err(Error::config(
                "settings.command: names no program; give a list such as [\"/usr/bin/python3\", \"/opt/bridge.py\"]",
            ));
        };
        if program.contains('/') && !Path::new(program).is_absolute() {
            return Err(Error::config(format!(
                "settings.command: `{program}` is relative; give an absolute path, or a name that is looked up in PATH"
            )));
        }
        let bad = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if let Some(name) = self.env.keys().find(bad) {
            return Err(Error::config(format!(
                "settings.env: `{name}` is no name of a variable"
            )));
        }
        Ok(())
    }
}
