//! From what the configuration says of an instance to what makes it.

use std::path::Path;

use miniclaw_plugin_api::{Kind, Permission};
use tracing::warn;

use super::StartError;
use crate::config::{Config, Confinement, Isolation, SandboxMode};
use crate::plugins::catalog::{Catalog, Found};
use crate::plugins::inspect::{ManifestInfo, Refusal};
use crate::plugins::instance::{Blueprint, Runner};
use crate::plugins::isolate::sandbox::{Sandbox, granted};
use crate::plugins::isolate::{Limits, Process, Source};
use crate::plugins::load::Loader;
use crate::tasks::Tasks;

/// What all blueprints are made with.
pub(crate) struct Blueprints<'a> {
    pub(crate) config: &'a Config,
    pub(crate) catalog: &'a Catalog,
    pub(crate) loader: &'a Loader,
    /// Drives the processes of plugins.
    pub(crate) tasks: &'a Tasks,
}

/// Why there is no blueprint.
#[derive(Debug)]
pub(crate) enum NoBlueprint {
    /// The configuration is at fault.
    Config(StartError),
    /// A library is, which is no reason for the others not to run.
    Library(String),
}

impl NoBlueprint {
    /// In words.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Config(error) => crate::cli::chain(&error),
            Self::Library(reason) => reason,
        }
    }
}

impl Blueprints<'_> {
    /// What makes the instance `name` of that kind, which is configured.
    ///
    /// # Errors
    /// See [`NoBlueprint`].
    pub(crate) fn make(&self, kind: Kind, name: &str) -> Result<Blueprint, NoBlueprint> {
        let (plugin, confinement) = self.configured(kind, name)?;
        let found = match self.catalog.lookup(plugin) {
            // It may be in one of the files that were refused: that is the plugin's fault, and its siblings' not.
            Err(unknown) if self.catalog.refusals().next().is_some() => {
                return Err(NoBlueprint::Library(unknown.to_string()));
            }
            found => found.map_err(|unknown| NoBlueprint::Config(unknown.into()))?,
        };
        let manifest = match &found {
            Found::Builtin(builtin) => &builtin.manifest,
            Found::Library(inspected) => &inspected.manifest,
        };
        if manifest.kind != kind {
            return Err(NoBlueprint::Config(wrong_kind(kind, name, plugin)));
        }
        let builtin = matches!(found, Found::Builtin(_));
        if confinement.mode == SandboxMode::Require && !isolated(confinement, builtin) {
            return Err(NoBlueprint::Library(format!(
                "`{name}` has `sandbox.mode` `require` and runs in the gateway's process, where there is no sandbox; set its \
                 `isolation` to `process`"
            )));
        }
        warn_of_missing(name, confinement);
        let data_dir = self.config.data_dir(kind, name);
        let in_process_of_its_own = |source, asked| {
            Runner::Process(Process {
                source,
                limits: Limits {
                    memory: confinement.memory,
                    open_files: confinement.open_files,
                },
                sandbox: Sandbox::of(confinement, asked, &data_dir),
                data_dir: data_dir.as_path().into(),
                tasks: self.tasks.clone(),
            })
        };
        let runner = match (&found, confinement.isolation) {
            (Found::Builtin(builtin), Some(Isolation::Process)) => in_process_of_its_own(
                Source::Builtin(builtin.manifest.name.clone()),
                manifest.permissions,
            ),
            (Found::Builtin(builtin), _) => Runner::InProcess {
                root: (builtin.root)(),
                source: "built-in".into(),
            },
            (Found::Library(inspected), Some(Isolation::InProcess)) => {
                let loaded = self.loader.load(inspected).map_err(refused)?;
                Runner::InProcess {
                    root: loaded.root,
                    source: loaded.sha256.into(),
                }
            }
            (Found::Library(inspected), _) => {
                let admitted = self.loader.admit(inspected).map_err(refused)?;
                in_process_of_its_own(Source::Library(admitted.path), manifest.permissions)
            }
        };
        let in_process = matches!(runner, Runner::InProcess { .. });
        let granted = if builtin && in_process {
            manifest.permissions
        } else {
            granted(confinement, manifest.permissions)
        };
        Ok(blueprint(manifest, runner, granted, &data_dir))
    }

    fn configured(&self, kind: Kind, name: &str) -> Result<(&str, &Confinement), NoBlueprint> {
        let found = match kind {
            Kind::Provider => {
                let provider = self.config.providers.get(name);
                provider.map(|provider| (&*provider.plugin, &provider.confinement))
            }
            _ => {
                let channel = self.config.channels.get(name);
                channel.map(|channel| (&*channel.plugin, &channel.confinement))
            }
        };
        found.ok_or_else(|| NoBlueprint::Library(format!("`{name}` is not configured")))
    }
}

/// Libraries have a process of their own where nothing else is said, built-in plugins have none.
pub(crate) fn isolated(confinement: &Confinement, builtin: bool) -> bool {
    match confinement.isolation {
        Some(isolation) => isolation == Isolation::Process,
        None => !builtin,
    }
}

/// A path that is not there is granted to nobody.
fn warn_of_missing(name: &str, confinement: &Confinement) {
    let granted = confinement.read.iter().chain(&confinement.write);
    for path in granted.filter(|path| !path.exists()) {
        warn!(plugin = name, path = %path.display(), "The sandbox is to open a path that does not exist");
    }
}

fn refused(refusal: Refusal) -> NoBlueprint {
    NoBlueprint::Library(refusal.to_string())
}

fn blueprint(manifest: &ManifestInfo, runner: Runner, granted: u64, data_dir: &Path) -> Blueprint {
    Blueprint {
        plugin: manifest.name.as_str().into(),
        version: manifest.version.as_str().into(),
        runner,
        capabilities: manifest.capabilities,
        observes: granted & Permission::Observe as u64 != 0,
        text_limit: manifest.text_limit as usize,
        text_unit: manifest.text_unit,
        data_dir: data_dir.into(),
    }
}

fn wrong_kind(kind: Kind, name: &str, plugin: &str) -> StartError {
    let (section, expected) = match kind {
        Kind::Provider => ("providers", "provider"),
        _ => ("channels", "channel"),
    };
    StartError::WrongKind {
        section,
        name: name.into(),
        plugin: plugin.into(),
        expected,
    }
}
