//! `miniclaw plugin list` and `plugin info`: what there is, from files alone; what changes it, and what its author is given.

pub(crate) mod bounds;
pub(super) mod check;
mod given;
mod install;
pub(crate) mod manage;
pub(super) mod new;
mod remove;
pub(super) mod run;
pub(super) mod scratch;
mod show;
mod sign;
mod verify;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use bounds::Bounds;
pub(crate) use bounds::Configured;

use crate::gateway::InstanceState;
use crate::plugins::catalog::{self, CatalogError, Found, UnknownPlugin};
use crate::plugins::inspect::{self, Refusal};
use crate::plugins::load;
use crate::plugins::trust::TrustPolicy;

pub(super) use install::run as install;
pub(super) use remove::run as remove;
pub(super) use sign::{keygen, sign};
pub(super) use verify::run as verify;

/// Where libraries are looked for, and which of them are trusted.
pub(crate) struct Shelves {
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) trust: TrustPolicy,
    /// The instances of the configuration.
    pub(crate) configured: Vec<Configured>,
}

/// Why a `plugin` command says nothing useful.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginCommandError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Unknown(#[from] UnknownPlugin),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// Lists the built-in plugins and every library on the shelves, those that cannot be loaded with their reason, and how
/// the instances are.
///
/// # Errors
/// A directory that cannot be searched.
pub(crate) fn list(
    shelves: &Shelves,
    states: &[InstanceState],
    as_json: bool,
    out: &mut impl Write,
) -> Result<u8, PluginCommandError> {
    let catalog = catalog::find(&shelves.folders)?;
    let lines: Vec<show::Line<'_>> = catalog
        .entries
        .iter()
        .map(|entry| show::Line::of(entry, &shelves.trust))
        .collect();
    let text = if as_json {
        let plugins = lines.iter().map(|line| line.as_json(states));
        show::pretty(&plugins.chain(show::missing(&lines, states)).collect())
    } else {
        format!("{}{}", show::table(&lines), show::instances(states))
    };
    write(out, &text)
}

/// Describes one plugin: a file, or a name as the configuration has it, looked up on the shelves.
///
/// # Errors
/// An unknown name, or a file that cannot be loaded; that one is JSON on stdout and exit status 1 with `as_json`.
pub(crate) fn info(
    what: &str,
    shelves: &Shelves,
    as_json: bool,
    out: &mut impl Write,
) -> Result<u8, PluginCommandError> {
    let path = Path::new(what);
    if is_name(what) {
        let catalog = catalog::find(&shelves.folders)?;
        return match catalog.lookup(what)? {
            Found::Builtin(builtin) => {
                let bounds = Bounds::of(&shelves.configured, &builtin.manifest, true);
                write(out, &show::info(&builtin.manifest, None, &bounds, as_json))
            }
            Found::Library(library) => info_file(&library.path, shelves, as_json, out),
        };
    }
    info_file(path, shelves, as_json, out)
}

/// Whether this is the name of a plugin, rather than the path of a file.
fn is_name(what: &str) -> bool {
    let extension = Path::new(what).extension();
    !what.contains('/') && extension.is_none_or(|extension| extension != "so")
}

fn info_file(
    path: &Path,
    shelves: &Shelves,
    as_json: bool,
    out: &mut impl Write,
) -> Result<u8, PluginCommandError> {
    let described = inspect::inspect(path).and_then(|library| {
        let sha256 =
            load::sha256(path).map_err(|reason| Refusal::named(&library.manifest.name, path, reason))?;
        let trust = &shelves.trust;
        let standing = trust.standing(&library.manifest.name, path, path, &sha256);
        let refused = trust
            .judge(path, &standing)
            .err()
            .map(|reason| reason.to_string());
        let file = show::FileFacts {
            path,
            size: library.size,
            glibc: library.glibc,
            sha256,
            standing,
            refused,
        };
        let bounds = Bounds::of(&shelves.configured, &library.manifest, false);
        Ok(show::info(&library.manifest, Some(&file), &bounds, as_json))
    });
    match described {
        Ok(text) => write(out, &text),
        Err(refusal) if as_json => {
            let object = json!({
                "name": refusal.name,
                "origin": path.to_string_lossy(),
                "state": "refused",
                "error": refusal.to_string(),
            });
            write(out, &show::pretty(&object))?;
            Ok(1)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A reader that has seen enough is no failure.
fn write(out: &mut impl Write, text: &str) -> Result<u8, PluginCommandError> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests;
