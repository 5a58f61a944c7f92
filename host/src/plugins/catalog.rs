//! Which plugins there are: those in the binary and those in the plugin directories.

use std::path::{Path, PathBuf};

use super::builtin::{self, Builtin};
use super::inspect::{self, Inspected, ManifestInfo, Reason, Refusal};
use crate::telemetry::printable;

/// Every plugin found, usable or not, in order of precedence.
pub(crate) struct Catalog {
    pub(crate) entries: Vec<Entry>,
    /// Directories that were searched.
    pub(crate) places: Vec<PathBuf>,
}

/// One plugin, or one file that is none.
pub(crate) struct Entry {
    pub(crate) origin: Origin,
    pub(crate) state: State,
}

/// Where a plugin comes from.
pub(crate) enum Origin {
    Builtin(Builtin),
    Library(Inspected),
    /// A file that cannot be loaded.
    Refused(Refusal),
}

/// What an entry is good for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    Available,
    /// A built-in whose place this library takes.
    Replaced {
        by: PathBuf,
    },
    /// A library of the same name comes first.
    Shadowed {
        by: PathBuf,
    },
    Refused,
}

/// What a name stands for.
pub(crate) enum Found<'a> {
    Builtin(&'a Builtin),
    Library(&'a Inspected),
}

/// A plugin directory that cannot be searched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error(
        "plugin directory {} does not exist; create it, or take it out of `plugins.paths`, --plugins or MINICLAW_PLUGINS", .0.display()
    )]
    Missing(PathBuf),
    #[error("plugin directory {} cannot be searched: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("plugin directory {} is not safe: {reason}", path.display())]
    Unsafe { path: PathBuf, reason: Reason },
}

/// A name that no plugin has.
#[derive(Debug, thiserror::Error)]
#[error("no plugin is called `{name}`; {looked}{hint}")]
pub(crate) struct UnknownPlugin {
    name: String,
    looked: String,
    hint: String,
}

/// Finds the built-ins and every `*.so` file directly in `directories`.
///
/// # Errors
/// A directory that is missing, unreadable or writable by others. What is wrong with a file stands in its entry.
pub(crate) fn find(directories: &[PathBuf]) -> Result<Catalog, CatalogError> {
    find_among(builtin::all(), directories)
}

fn find_among(builtins: Vec<Builtin>, directories: &[PathBuf]) -> Result<Catalog, CatalogError> {
    let mut entries: Vec<Entry> = builtins.into_iter().map(Entry::builtin).collect();
    let mut places: Vec<PathBuf> = Vec::new();
    for directory in directories {
        let files = libraries_in(directory)?;
        if places.contains(directory) {
            continue;
        }
        places.push(directory.clone());
        for file in files {
            let entry = Entry::file(&file, &mut entries);
            entries.push(entry);
        }
    }
    Ok(Catalog { entries, places })
}

/// The `*.so` files directly in a directory, by name.
fn libraries_in(directory: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => CatalogError::Missing(directory.to_owned()),
        _ => CatalogError::Unreadable {
            path: directory.to_owned(),
            error,
        },
    };
    let listing = std::fs::read_dir(directory).map_err(unreadable)?;
    inspect::check_folder(directory).map_err(|reason| CatalogError::Unsafe {
        path: directory.to_owned(),
        reason,
    })?;
    let mut files = Vec::new();
    for file in listing {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Entry {
    fn builtin(builtin: Builtin) -> Self {
        Self {
            origin: Origin::Builtin(builtin),
            state: State::Available,
        }
    }

    /// Inspects a file; one that is named like a built-in takes its place.
    fn file(path: &Path, earlier: &mut [Self]) -> Self {
        let inspected = match inspect_trusted(path) {
            Ok(inspected) => inspected,
            Err(refusal) => {
                return Self {
                    origin: Origin::Refused(refusal),
                    state: State::Refused,
                };
            }
        };
        let mut state = State::Available;
        let name = inspected.manifest.name.as_str();
        if let Some(holder) = earlier
            .iter_mut()
            .find(|entry| entry.state == State::Available && entry.name() == Some(name))
        {
            match &holder.origin {
                Origin::Library(first) => {
                    state = State::Shadowed {
                        by: first.path.clone(),
                    }
                }
                _ => holder.state = State::Replaced { by: path.to_owned() },
            }
        }
        Self {
            origin: Origin::Library(inspected),
            state,
        }
    }

    /// The plugin's name; `None` for a file that does not say one.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.origin {
            Origin::Refused(refusal) => refusal.name.as_deref(),
            _ => self.manifest().map(|manifest| manifest.name.as_str()),
        }
    }

    pub(crate) fn manifest(&self) -> Option<&ManifestInfo> {
        match &self.origin {
            Origin::Builtin(builtin) => Some(&builtin.manifest),
            Origin::Library(inspected) => Some(&inspected.manifest),
            Origin::Refused(_) => None,
        }
    }

    /// The file; `None` for a built-in.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Builtin(_) => None,
            Origin::Library(inspected) => Some(&inspected.path),
            Origin::Refused(refusal) => Some(&refusal.path),
        }
    }
}

/// Inspects a file in a directory that was checked, unless others could have written it.
fn inspect_trusted(path: &Path) -> Result<Inspected, Refusal> {
    inspect::check_file(path).map_err(|reason| Refusal::of(path, reason))?;
    inspect::inspect(path)
}

impl Catalog {
    /// The plugin that a configuration means by `name`.
    ///
    /// # Errors
    /// Every place that was searched, why a file of that name was refused, and the nearest name.
    pub(crate) fn lookup(&self, name: &str) -> Result<Found<'_>, UnknownPlugin> {
        let available = || {
            self.entries
                .iter()
                .filter(|entry| entry.state == State::Available)
        };
        match available()
            .find(|entry| entry.name() == Some(name))
            .map(|entry| &entry.origin)
        {
            Some(Origin::Builtin(builtin)) => Ok(Found::Builtin(builtin)),
            Some(Origin::Library(inspected)) => Ok(Found::Library(inspected)),
            _ => Err(self.unknown(name)),
        }
    }

    /// Files that cannot be loaded, each with its line.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.entries.iter().filter_map(|entry| match &entry.origin {
            Origin::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }

    fn unknown(&self, name: &str) -> UnknownPlugin {
        let mut looked = "looked among the built-in plugins".to_owned();
        for place in &self.places {
            looked.push_str(&format!(" and in {}", printable(&place.to_string_lossy(), 4096)));
        }
        UnknownPlugin {
            name: printable(name, 63),
            looked,
            hint: self.hint(name),
        }
    }

    /// A refused file of that name, or else the nearest name.
    fn hint(&self, name: &str) -> String {
        let file_names = [
            format!("{name}.so"),
            format!("lib{name}.so"),
            format!("libminiclaw_plugin_{name}.so"),
        ];
        let refused = self.refusals().find(|refusal| {
            let file = refusal.path.file_name().unwrap_or_default();
            refusal.name.as_deref() == Some(name) || file_names.iter().any(|name| file == name.as_str())
        });
        if let Some(refusal) = refused {
            return format!("; {refusal}");
        }
        let nearest = self
            .entries
            .iter()
            .filter(|entry| entry.state == State::Available)
            .filter_map(Entry::name)
            .min_by_key(|other| strsim::damerau_levenshtein(name, other));
        match nearest {
            Some(other) if strsim::damerau_levenshtein(name, other) <= other.len().div_ceil(3) => {
                format!("; did you mean `{other}`?")
            }
            _ => "; `miniclaw plugin list` shows what there is".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
