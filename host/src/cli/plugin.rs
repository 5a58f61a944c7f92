//! `miniclaw plugin list` and `plugin info`: what there is, from files alone.

pub(crate) mod manage;
mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::gateway::Standing;
use crate::plugins::catalog::{self, CatalogError, Found, UnknownPlugin};
use crate::plugins::inspect::{self, Refusal};
use crate::plugins::load;

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

/// Lists the built-in plugins and every library in `directories`, those that cannot be loaded with their reason, and how
/// the instances are.
///
/// # Errors
/// A directory that cannot be searched.
pub(crate) fn list(
    directories: &[PathBuf],
    standings: &[Standing],
    as_json: bool,
    out: &mut impl Write,
) -> Result<u8, PluginCommandError> {
    let catalog = catalog::find(directories)?;
    let text = if as_json {
        let entry = |entry| show::entry_json(entry, standings);
        show::pretty(&catalog.entries.iter().map(entry).collect())
    } else {
        format!("{}{}", show::table(&catalog), show::instances(standings))
    };
    write(out, &text)
}

/// Describes one plugin: a file, or a name as the configuration has it, looked up in `directories`.
///
/// # Errors
/// An unknown name, or a file that cannot be loaded; that one is JSON on stdout and exit status 1 with `as_json`.
pub(crate) fn info(
    what: &str,
    directories: &[PathBuf],
    as_json: bool,
    out: &mut impl Write,
) -> Result<u8, PluginCommandError> {
    let path = Path::new(what);
    if !what.contains('/') && path.extension().is_none_or(|extension| extension != "so") {
        let catalog = catalog::find(directories)?;
        return match catalog.lookup(what)? {
            Found::Builtin(builtin) => write(out, &show::info(&builtin.manifest, None, as_json)),
            Found::Library(library) => info_file(&library.path, as_json, out),
        };
    }
    info_file(path, as_json, out)
}

fn info_file(path: &Path, as_json: bool, out: &mut impl Write) -> Result<u8, PluginCommandError> {
    let described = inspect::inspect(path).and_then(|library| {
        let sha256 =
            load::sha256(path).map_err(|reason| Refusal::named(&library.manifest.name, path, reason))?;
        let file = show::FileFacts {
            path,
            size: library.size,
            glibc: library.glibc,
            sha256,
        };
        Ok(show::info(&library.manifest, Some(&file), as_json))
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
