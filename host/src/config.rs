//! The configuration: what the operator wants, checked.
//!
//! Defaults, then the file, then the environment, then flags: each is a [`tree`] whose values know their origin, held
//! against the one table of [`keys`], laid over the one before, brought into the general form, and built into
//! [`Config`].

mod bare;
mod build;
mod check;
mod credentials;
mod doubts;
mod environment;
mod errors;
mod file;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod json;
mod keys;
mod locate;
mod model;
mod names;
mod paths;
mod plugins;
mod schema;
mod secrets;
mod settings;
mod sugar;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use bare::{WORKSPACE_VARIABLE, bare};
pub(crate) use environment::FlagOverride;
pub(crate) use errors::{ConfigError, ConfigErrors, Origin, Problem};
pub(crate) use locate::Environment;
pub(crate) use model::*;
pub(crate) use names::BUILT_IN_PROVIDERS;
pub(crate) use plugins::{KnownPlugin, nobody_may_write};
pub(crate) use schema::schema;
pub(crate) use settings::{fits, is_schema};
pub(crate) use units::{parse_duration, show_duration};
pub(crate) use values::Effective;

use file::Content;
use locate::Location;
use paths::Bases;
use secrets::Resolver;
use tree::Node;

/// Everything that a configuration is made of; nothing else is looked at. Has no `Debug`: the environment holds secrets.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--home`.
    pub(crate) home: Option<PathBuf>,
    /// `std::env::vars_os().collect()` in the process itself.
    pub(crate) env: Environment,
    /// Values that flags give; later ones win.
    pub(crate) flags: Vec<FlagOverride>,
}

/// A configuration that can be used.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// What works and is probably not meant, one line each.
    pub(crate) warnings: Vec<String>,
    /// The file that was read, or would be.
    pub(crate) path: PathBuf,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    effective: Node,
    whole: bool,
    workspace_told: bool,
}

/// Reads, checks and merges.
///
/// # Errors
/// All that is wrong in all sources, as far as it can be told at once.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let location = locate::locate(sources.config.clone(), sources.home.clone(), &sources.env)?;
    let content = file::read(&location).map_err(ConfigErrors::new)?;
    merge(sources, location, content)
}

/// Where a configuration has its place.
pub(crate) struct Place {
    pub(crate) home: PathBuf,
    /// The file that is read, or would be.
    pub(crate) file: PathBuf,
}

/// The place, whether or not anything is there.
///
/// # Errors
/// Where no home folder is known.
pub(crate) fn place(sources: &Sources) -> Result<Place, ConfigErrors> {
    let location = locate::locate(sources.config.clone(), sources.home.clone(), &sources.env)?;
    let Location { home, file, .. } = location;
    Ok(Place { home, file })
}

/// The configuration as it would be with this text in the file.
///
/// # Errors
/// As [`load`].
pub(crate) fn would_be(sources: &Sources, text: &str) -> Result<Loaded, ConfigErrors> {
    let location = locate::locate(sources.config.clone(), sources.home.clone(), &sources.env)?;
    let (text, mode) = (text.to_owned(), 0o600);
    merge(sources, location, Some(Content { text, mode }))
}

/// A path as a word for a shell.
pub(crate) fn for_shell(path: &Path) -> String {
    file::word(path)
}

/// Checks what all sources say and lays it over each other.
fn merge(sources: &Sources, location: Location, content: Option<Content>) -> Result<Loaded, ConfigErrors> {
    let mut errors = Vec::new();
    let root = match &content {
        Some(content) => from_file(content, &location.file, &mut errors)?,
        None => Node::object_of(Origin::Default),
    };
    let file = content.map(|_| location.file.clone());
    merge_with(sources, location, root, errors, file)
}

/// The same over what is known of the `file` that was read.
fn merge_with(
    sources: &Sources,
    location: Location,
    mut root: Node,
    mut errors: Vec<ConfigError>,
    file: Option<PathBuf>,
) -> Result<Loaded, ConfigErrors> {
    for mut layer in [
        environment::from_environment(&sources.env, &mut errors),
        environment::from_flags(&sources.flags, &mut errors),
    ] {
        check::check(&mut layer, &mut errors);
        root.overlay(layer, "", &mut |_, _, _| {});
    }
    let mut warnings = environment::strays(&sources.env);
    warnings.extend(sugar::desugar(&mut root, &mut errors));
    warnings.extend(names::unreachable_routes(&root));
    warnings.extend(names::powerless_admins(&root));
    warnings.extend(doubts::commands_of_routes(&root));
    warnings.extend(doubts::lists_of_channels(&root));
    names::settle(&mut root, &mut errors);
    sugar::fill(&mut root, &location.home);
    let config = resolve(&mut root, &location, &sources.env, errors)?;
    Ok(Loaded {
        config,
        warnings,
        file,
        path: location.file,
        effective: root,
        whole: true,
        workspace_told: true,
    })
}

impl Loaded {
    /// Whether it is what the sources say, and not what is left of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The folder of the sessions; `None` where nothing tells it.
    pub(crate) fn sessions_dir(&self) -> Option<PathBuf> {
        self.workspace_told.then(|| self.config.sessions_dir())
    }

    /// Every value in effect by key, secrets redacted, to be compared with another configuration's.
    pub(crate) fn comparable(&self) -> Vec<(String, String)> {
        let values = self.values().into_iter();
        values.map(|value| (value.key, value.value.to_string())).collect()
    }

    /// Every value in effect with its origin, by key; secrets redacted.
    pub(crate) fn values(&self) -> Vec<Effective> {
        values::flatten(&self.effective)
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Resolves secrets and, where nothing is wrong at all, builds the configuration.
fn resolve(
    root: &mut Node,
    location: &Location,
    env: &Environment,
    mut errors: Vec<ConfigError>,
) -> Result<Config, ConfigErrors> {
    let bases = Bases {
        folder: location.file.parent().map(Path::to_owned).unwrap_or_default(),
        user_home: location.user_home.clone(),
    };
    let mut resolver = Resolver {
        env,
        bases: &bases,
        errors: &mut errors,
        secrets: Vec::new(),
    };
    resolver.settings(root);
    let secrets = resolver.secrets;
    names::shared_tokens(root, &mut errors);
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    Ok(build::build(root, location.home.clone(), &bases, secrets)?)
}

/// # Errors
/// A violation of JSON's grammar; everything else is collected.
fn from_file(content: &Content, path: &Path, errors: &mut Vec<ConfigError>) -> Result<Node, ConfigError> {
    let shared: Arc<Path> = path.into();
    let origin = |at| Origin::File {
        path: shared.clone(),
        at: Some(at),
    };
    let parsed = json::parse(&content.text, &origin)?;
    errors.extend(parsed.duplicates);
    let mut root = parsed.root;
    check::check(&mut root, errors);
    errors.extend(secrets::literal_in_readable(&root, path, content.mode));
    match root.object() {
        Some(_) => Ok(root),
        None => Ok(Node::object_of(root.origin)),
    }
}
