//! `miniclaw plugin install`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::show;
use crate::cli::args::{Global, InstallArgs};
use crate::cli::{Failure, Outcome, chain, setup};
use crate::config::{Config, Loaded};
use crate::gateway::private_folder;
use crate::plugins::catalog::{self, State};
use crate::plugins::install::{Change, InstallError, Installed, Installer, shown};
use crate::plugins::load::Loader;
use miniclaw_plugin_api::Kind;

/// A file and what became of it.
type Attempt = (PathBuf, Result<Installed, InstallError>);

/// Installs a library, or every library of a folder.
///
/// # Errors
/// Status 1 where one of them was refused; the others are installed.
pub(crate) fn run(global: &Global, args: &InstallArgs) -> Outcome {
    let loaded = setup::load(&setup::sources(global, &[]))?;
    let config = &loaded.config;
    private_folder(&config.state_dir()).map_err(|error| Failure::chain(1, &error))?;
    let loader = Loader::new(config.state_dir().join("cache"), setup::trust(config)?);
    let folder = args.to.clone().unwrap_or_else(|| default_folder(config));
    let installer = Installer {
        folder: &folder,
        loader: &loader,
        force: args.force,
    };
    let results: Vec<Attempt> = sources(&args.source)?
        .into_iter()
        .map(|file| {
            let result = installer.install(&file);
            (file, result)
        })
        .collect();
    let status = u8::from(results.iter().any(|(_, result)| result.is_err()));
    if args.output.json {
        return setup::print(&as_json(&results), status);
    }
    for (_, result) in &results {
        if let Some(warning) = warning(result) {
            eprintln!("{warning}");
        }
    }
    setup::print(&as_text(&results, &loaded, &folder), status)
}

fn default_folder(config: &Config) -> PathBuf {
    let first = config.plugin_paths.first().cloned();
    first.unwrap_or_else(|| config.own_plugins())
}

/// The file, or the `*.so` files directly in the folder.
fn sources(source: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !source.is_dir() {
        return Ok(vec![source.to_owned()]);
    }
    let failed = |error| Failure::new(1, format!("cannot read {}: {error}", shown(source)));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(source).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    if files.is_empty() {
        let line = format!(
            "there is no `*.so` file in {}; name a library, or another folder",
            shown(source)
        );
        return Err(Failure::new(1, line));
    }
    files.sort();
    Ok(files)
}

fn warning(result: &Result<Installed, InstallError>) -> Option<String> {
    match result {
        Err(error) => Some(format!("error: {}", chain(error))),
        Ok(installed) => {
            let doubt = installed.doubt.as_ref()?;
            Some(format!("warning: plugin `{}`: {doubt}", installed.manifest.name))
        }
    }
}

fn as_json(results: &[Attempt]) -> String {
    let entry = |(file, result): &Attempt| match result {
        Ok(installed) => installed_json(file, installed),
        Err(error) => json!({ "source": shown(file), "installed": false, "error": chain(error) }),
    };
    show::pretty(&results.iter().map(entry).collect())
}

fn installed_json(source: &Path, installed: &Installed) -> Value {
    let (change, before) = match &installed.change {
        Change::New => ("new", None),
        Change::Replaced { version } => ("replaced", version.as_deref()),
        Change::Signature => ("signature", None),
        Change::Same => ("same", None),
    };
    json!({
        "source": shown(source),
        "installed": true,
        "name": installed.manifest.name,
        "kind": installed.manifest.kind_name(),
        "version": installed.manifest.version,
        "file": shown(&installed.file),
        "sha256": installed.sha256,
        "change": change,
        "before": before,
        "signature": installed.standing.signature.as_json(),
        "pin": installed.standing.pin.word(),
        "warning": installed.doubt.as_ref().map(ToString::to_string),
    })
}

fn as_text(results: &[Attempt], loaded: &Loaded, folder: &Path) -> String {
    let mut text = String::new();
    for installed in results.iter().filter_map(|(_, result)| result.as_ref().ok()) {
        let (name, version) = (&installed.manifest.name, &installed.manifest.version);
        let file = shown(&installed.file);
        let signature = show::signature(&installed.standing);
        let line = match &installed.change {
            Change::New => format!("{name} {version} installed at {file}, {signature}"),
            Change::Replaced { version: Some(old) } => {
                format!("{name} {old} -> {version} at {file}, {signature}")
            }
            Change::Replaced { version: None } => {
                format!("{name} {version} installed at {file} over what was there, {signature}")
            }
            Change::Signature => {
                format!("{name} {version} is at {file} already; its signature is new, {signature}")
            }
            Change::Same => format!("{name} {version} is at {file} already, {signature}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
        for step in next_steps(installed, loaded, folder) {
            let _ = writeln!(text, "  next: {step}");
        }
    }
    text
}

/// What is left to do until the gateway runs it.
fn next_steps(installed: &Installed, loaded: &Loaded, folder: &Path) -> Vec<String> {
    let (config, name) = (&loaded.config, &installed.manifest.name);
    let mut steps = Vec::new();
    let mut folders = config.plugin_folders();
    if !folders.iter().any(|searched| is_same(searched, folder)) {
        steps.push(format!(
            "add \"{}\" to `plugins.paths` in {}",
            shown(folder),
            shown(&loaded.path)
        ));
        folders.push(folder.to_owned());
    }
    if let Some(by) = shadowed(&folders, &installed.file) {
        steps.push(format!("remove {}, which comes first", shown(&by)));
    }
    let used = config.channels.values().any(|channel| channel.plugin == *name)
        || config.providers.values().any(|provider| provider.plugin == *name);
    if !used {
        let (section, entry) = match installed.manifest.kind {
            Kind::Provider => ("providers", "{}"),
            _ => ("channels", "{ \"allow_from\": [\"ID\"] }"),
        };
        steps.push(format!(
            "add it to `{section}` in {}: \"{name}\": {entry}; `miniclaw plugin info {name}` prints its settings",
            shown(&loaded.path)
        ));
    }
    if installed.change != Change::Same || !used {
        steps.push(format!(
            "a running gateway that has it configured takes it up by `miniclaw plugin reload {name}`, another one when it is started again"
        ));
    }
    steps
}

fn shadowed(folders: &[PathBuf], file: &Path) -> Option<PathBuf> {
    let entries = catalog::find(folders).ok()?.entries;
    let own = entries
        .into_iter()
        .find(|entry| entry.path().is_some_and(|path| is_same(path, file)))?;
    match own.state {
        State::Shadowed { by } => Some(by),
        _ => None,
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}
