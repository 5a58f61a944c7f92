//! `miniclaw plugin remove`.

use std::path::PathBuf;

use serde_json::json;

use super::show;
use crate::cli::args::{Global, RemoveArgs};
use crate::cli::config::BAD_CONFIG;
use crate::cli::{Failure, Outcome, setup};
use crate::config::Config;
use crate::plugins::catalog::{self, Catalog, Found};
use crate::plugins::install::{self, shown};

/// Removes the library that a name stands for.
///
/// # Errors
/// Status 1 for a built-in plugin, an unknown one, and one that the configuration names.
pub(crate) fn run(global: &Global, args: &RemoveArgs) -> Outcome {
    let loaded = setup::load(&setup::sources(global, &args.plugins))?;
    let folders = loaded.config.plugin_folders();
    let find = || catalog::find(&folders).map_err(|error| Failure::chain(BAD_CONFIG, &error));
    let name = args.plugin.as_str();
    let library = library(&find()?, name)?;
    let keys = keys(&loaded.config, name);
    if !keys.is_empty() && !args.force {
        let line = format!(
            "plugin `{name}` is named by `{}` in {}; take that out first, or use --force",
            keys.join("`, `"),
            shown(&loaded.path)
        );
        return Err(Failure::new(1, line));
    }
    let removed = install::remove(&library).map_err(|error| Failure::chain(1, &error))?;
    let after = find()?;
    let heir = match after.lookup(name) {
        Ok(Found::Builtin(_)) => Some("the built-in one".to_owned()),
        Ok(Found::Library(library)) => Some(shown(&library.path)),
        Err(_) => None,
    };
    let removed: Vec<String> = removed.iter().map(|path| shown(path)).collect();
    if args.output.json {
        let object = json!({ "name": name, "removed": removed, "named_by": keys, "instead": heir });
        return setup::print(&show::pretty(&object), 0);
    }
    let mut text = format!("{name} removed: {}\n", removed.join(", "));
    text.push_str(&match heir {
        Some(heir) => format!(
            "  `{name}` stands for {heir} from here on\n  next: a running gateway takes that up by `miniclaw plugin reload {name}`\n"
        ),
        None => "  next: a running gateway goes on with it until its next start\n".to_owned(),
    });
    if loaded.config.trust.pins.contains_key(name) {
        text.push_str(&format!(
            "  next: `plugins.pins.{name}` still stands in the configuration\n"
        ));
    }
    setup::print(&text, 0)
}

/// The file to remove: the one that would be loaded, or else the first of that name.
fn library(catalog: &Catalog, name: &str) -> Result<PathBuf, Failure> {
    let found = catalog.lookup(name);
    if let Ok(Found::Library(library)) = &found {
        return Ok(library.path.clone());
    }
    let named = catalog.entries.iter().filter(|entry| entry.name() == Some(name));
    if let Some(path) = named.filter_map(|entry| entry.path()).next() {
        return Ok(path.to_owned());
    }
    Err(match found {
        Ok(_) => Failure::new(
            1,
            format!(
                "plugin `{name}` is part of miniclaw and cannot be removed; leave it out of the configuration"
            ),
        ),
        Err(unknown) => Failure::chain(1, &unknown),
    })
}

/// The keys that name a plugin.
fn keys(config: &Config, name: &str) -> Vec<String> {
    let channels = config
        .channels
        .iter()
        .filter(|(_, channel)| channel.plugin == name);
    let providers = config
        .providers
        .iter()
        .filter(|(_, provider)| provider.plugin == name);
    channels
        .map(|(instance, _)| format!("channels.{instance}"))
        .chain(providers.map(|(instance, _)| format!("providers.{instance}")))
        .collect()
}
