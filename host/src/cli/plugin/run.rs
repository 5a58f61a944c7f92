//! `miniclaw plugin run`: one library in a throw-away gateway, to try it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miniclaw_plugin_api::Kind;
use serde_json::{Value, json};

use super::super::args::{Global, RunArgs};
use super::super::{Failure, Outcome, setup};
use super::given;
use super::scratch::Scratch;
use crate::config::{self, Environment, Loaded, Sources};
use crate::gateway::{self, Options};
use crate::plugins::catalog::{self, Found};
use crate::plugins::inspect::{self, Inspected, ManifestInfo};

/// What of the environment is meant for every command.
const COMMON: [&str; 5] = ["HOME", "RUST_LOG", "MINICLAW_LOG", "NO_COLOR", "TERM"];

/// Permissions that a configuration must grant.
const GRANTED_ONLY: [&str; 4] = ["listen", "exec", "unix-sockets", "observe"];

/// Runs a gateway with this library alone until SIGTERM or SIGINT; its home is removed afterwards, unless `--home` names it.
///
/// # Errors
/// 1 for a library that cannot be loaded, 2 for settings that are none, 78 for settings that the plugin refuses.
pub(crate) fn run(global: &Global, args: &RunArgs) -> Outcome {
    let settings = Value::Object(given::settings(&args.settings)?);
    let library = inspect::inspect(&args.file).map_err(|refusal| Failure::chain(1, &refusal))?;
    let scratch = Scratch::new("run").map_err(|error| Failure::chain(1, &error))?;
    let manifest = &library.manifest;
    let home = home(global, &scratch)?;
    let config = scratch.path().join("config.json");
    let text = configuration(manifest, &settings, &args.allow).to_string();
    std::fs::write(&config, &text)
        .map_err(|error| Failure::new(1, format!("cannot write {}: {error}", config.display())))?;
    let folder = folder_of(&args.file);
    is_found(&library, &folder)?;
    let flags = setup::sources(global, &[folder]).flags;
    let sources = Sources {
        config: Some(config),
        home: Some(home.clone()),
        env: environment(&text),
        flags,
    };
    // Nobody but who runs this command can reach the plugin's platform, or knows that it is reached.
    let open = args.allow.is_empty();
    let loaded = opened(setup::load(&sources)?, open);
    let telemetry = setup::start_log(global, &loaded, false)?;
    let options = Options {
        pid_file: None,
        ends_with_console: manifest.kind == Kind::Provider,
        watch: true,
        welcome: None,
        reread: Arc::new(move || Ok(opened(config::load(&sources)?, open))),
    };
    tracing::info!(plugin = %manifest.name, file = %args.file.display(), home = %home.display(), "Trying a plugin; stop it with Ctrl-C");
    gateway::run(loaded, &options, &telemetry).map_err(|error| Failure::chain(error.status(), &error))
}

fn opened(mut loaded: Loaded, open: bool) -> Loaded {
    let channels = loaded.config.channels.values_mut();
    channels.for_each(|channel| channel.open = open);
    loaded
}

/// Whether the gateway finds this very file under the plugin's name.
fn is_found(library: &Inspected, folder: &Path) -> Result<(), Failure> {
    let catalog = catalog::find(&[folder.to_owned()]).map_err(|error| Failure::chain(1, &error))?;
    let name = &library.manifest.name;
    let found = catalog.lookup(name).map_err(|error| Failure::chain(1, &error))?;
    let same = |other: &Path| other.canonicalize().ok() == library.path.canonicalize().ok();
    match found {
        Found::Library(other) if !same(&other.path) => {
            let other = other.path.display();
            let text = format!("{other} is called `{name}` too and comes first; move it to another folder");
            Err(Failure::new(1, text))
        }
        // A file whose name does not end as a library's is no plugin to the gateway.
        Found::Builtin(_) => {
            let file = library.path.display();
            Err(Failure::new(
                1,
                format!("{file} is not found in its folder; let its name end with .so"),
            ))
        }
        Found::Library(_) => Ok(()),
    }
}

/// A home that `--home` names is kept. One with a configuration is a gateway's own, and left alone.
fn home(global: &Global, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let Some(home) = &global.home else {
        return Ok(scratch.path().join("home"));
    };
    if home.join("config.json").exists() {
        let home = home.display();
        let text = format!("{home} is the home of a gateway; name another folder, or leave --home out");
        return Err(Failure::new(2, text));
    }
    std::path::absolute(home).map_err(|error| Failure::new(1, format!("{}: {error}", home.display())))
}

/// The plugin, and the echo or the console as its other side.
fn configuration(manifest: &ManifestInfo, settings: &Value, allow: &[String]) -> Value {
    let name = manifest.name.as_str();
    // Whoever tries a plugin gives it what it asks for.
    let mut asks = manifest.permission_names();
    asks.retain(|permission| GRANTED_ONLY.contains(permission));
    let own = json!({ "plugin": name, "settings": settings, "sandbox": { "allow": asks } });
    if manifest.kind == Kind::Provider {
        return json!({
            "channels": { "console": { "plugin": "console", "isolation": "in-process" } },
            "providers": { name: own },
            "provider": name,
        });
    }
    let mut own = own;
    own["allow_from"] = json!(allow);
    json!({ "channels": { name: own }, "provider": "echo" })
}

/// Of the environment, what every command takes and what the settings refer to: a bot's token or an address that is
/// meant for the gateway proper must not bring its channels here.
fn environment(settings: &str) -> Environment {
    let mut names: HashSet<&str> = COMMON.into();
    let references = settings.split("${env:").skip(1);
    names.extend(references.filter_map(|rest| rest.split('}').next()));
    let known = |name: &OsStr| name.to_str().is_some_and(|name| names.contains(name));
    std::env::vars_os().filter(|(name, _)| known(name)).collect()
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
