//! Which folder is home, and which file is read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::errors::{ConfigError, Origin, Problem};

/// The environment of the process, as the caller saw it.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// Where the configuration is looked for.
pub(super) struct Location {
    pub(super) home: PathBuf,
    /// The user's home, for `~/`.
    pub(super) user_home: Option<PathBuf>,
    pub(super) file: PathBuf,
    /// Who names the file; `None` for the default one, which may be absent.
    pub(super) named_by: Option<&'static str>,
}

/// Decides from flags and environment alone.
///
/// # Errors
/// Where neither names a home folder.
pub(super) fn locate(
    config: Option<PathBuf>,
    home: Option<PathBuf>,
    env: &Environment,
) -> Result<Location, ConfigError> {
    let user_home = variable(env, "HOME").map(PathBuf::from);
    let home = home
        .or_else(|| variable(env, "MINICLAW_HOME").map(PathBuf::from))
        .or_else(|| user_home.as_ref().map(|home| home.join(".miniclaw")))
        .ok_or_else(|| Origin::Default.error("", Problem::NoHome))?;
    let (file, named_by) = match (config, variable(env, "MINICLAW_CONFIG")) {
        (Some(file), _) => (file, Some("--config")),
        (None, Some(file)) => (file.into(), Some("MINICLAW_CONFIG")),
        (None, None) => (home.join("config.json"), None),
    };
    Ok(Location {
        home,
        user_home,
        file,
        named_by,
    })
}

/// A variable's value; an empty one counts as unset.
pub(super) fn variable<'a>(env: &'a Environment, name: &str) -> Option<&'a OsStr> {
    env.get(OsStr::new(name))
        .map(OsString::as_os_str)
        .filter(|value| !value.is_empty())
}
