//! Puts libraries into a plugin folder and takes them out: each file whole or not at all.

mod place;
#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::catalog::{self, CatalogError, Entry};
use super::inspect::{self, Inspected, ManifestInfo, Reason, Refusal};
use super::load::{self, Copy, Loader};
use super::trust::{SignatureFile, Standing};
use crate::telemetry::printable;
pub(crate) use place::{Staged, sync_folder};

/// Libraries and signatures may be read by whoever runs a gateway.
pub(crate) const FILE_MODE: u32 = 0o644;

/// Puts libraries into one folder.
pub(crate) struct Installer<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) loader: &'a Loader,
    /// Whether an older version or another plugin's file gives way.
    pub(crate) force: bool,
}

/// A library that is in its folder.
pub(crate) struct Installed {
    pub(crate) manifest: ManifestInfo,
    pub(crate) file: PathBuf,
    pub(crate) sha256: String,
    pub(crate) standing: Standing,
    /// What the policy warns of.
    pub(crate) doubt: Option<Reason>,
    pub(crate) change: Change,
}

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    New,
    /// Something gave way; `None` where it did not say its version.
    Replaced {
        version: Option<String>,
    },
    /// The same library, with another signature.
    Signature,
    Same,
}

/// Why a library is not installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Folder(#[from] CatalogError),
    #[error("cannot make the plugin folder {}; name another one with --to", shown(path))]
    MakeFolder { path: PathBuf, source: io::Error },
    #[error("{} {holds}; take it away, or use --force to replace it", shown(file))]
    Taken { file: PathBuf, holds: String },
    #[error(
        "plugin `{name}` {new} is older than {old} in {}; use --force to go back",
        shown(file)
    )]
    Older {
        name: String,
        new: String,
        old: String,
        file: PathBuf,
    },
    #[error(
        "cannot write {}; what was there stays, make room or name another folder with --to",
        shown(path)
    )]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot remove {}", shown(path))]
    Remove { path: PathBuf, source: io::Error },
}

/// Where a library goes, and the version of what it replaces.
struct Place {
    file: PathBuf,
    replaces: Option<Option<String>>,
}

impl Installer<'_> {
    /// Checks a library as the gateway would, trial load included, and puts it into the folder with its signature.
    ///
    /// # Errors
    /// One line; nothing is changed then.
    pub(crate) fn install(&self, source: &Path) -> Result<Installed, InstallError> {
        let inspected = inspect::inspect(source)?;
        let name = &inspected.manifest.name;
        let signature = SignatureFile::beside(source);
        let copy = self.loader.check(&inspected)?;
        let trust = self.loader.trust();
        // Once more, over the very text that is written beside the library.
        let standing = Standing {
            signature: trust.signature(&signature, &copy.path),
            pin: trust.pin(name, &copy.sha256),
        };
        let doubt = trust
            .judge(source, &standing)
            .map_err(|reason| Refusal::named(name, source, reason))?;
        let place = self.place(&inspected)?;
        let change = self.put(&copy, &signature, &place)?;
        Ok(Installed {
            file: place.file,
            sha256: copy.sha256,
            manifest: inspected.manifest,
            standing,
            doubt,
            change,
        })
    }

    /// Over the same plugin where it is there, else under the file name of the source where that is free.
    fn place(&self, inspected: &Inspected) -> Result<Place, InstallError> {
        let make_folder = |source| InstallError::MakeFolder {
            path: self.folder.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(self.folder)
            .map_err(make_folder)?;
        let entries = catalog::find(&[self.folder.to_owned()])?.entries;
        let name = inspected.manifest.name.as_str();
        let files = || entries.iter().filter(|entry| entry.path().is_some());
        if let Some(same) = files().find(|entry| entry.name() == Some(name)) {
            return self.over(&inspected.manifest, same);
        }
        let own_name = PathBuf::from(format!("lib{}.so", name.replace('-', "_")));
        let given = inspected.path.file_name().map(PathBuf::from).unwrap_or_default();
        let given = match given.extension() {
            Some(extension) if extension == "so" => self.folder.join(given),
            _ => self.folder.join(&own_name),
        };
        let holder = |file: &Path| files().find(|entry| entry.path() == Some(file));
        let file = match holder(&given).and_then(Entry::name) {
            Some(_) => self.folder.join(own_name),
            None => given,
        };
        if std::fs::symlink_metadata(&file).is_err() {
            return Ok(Place { file, replaces: None });
        }
        if !self.force {
            let holds = match holder(&file).and_then(Entry::name) {
                Some(other) => format!("holds the plugin `{other}`"),
                None => "is there already and is no plugin that can be read".to_owned(),
            };
            return Err(InstallError::Taken { file, holds });
        }
        let replaces = Some(None);
        Ok(Place { file, replaces })
    }

    fn over(&self, manifest: &ManifestInfo, same: &Entry) -> Result<Place, InstallError> {
        let file = same.path().map(Path::to_owned).unwrap_or_default();
        let old = same.manifest().map(|manifest| manifest.version.clone());
        match &old {
            Some(old) if is_older(&manifest.version, old) && !self.force => Err(InstallError::Older {
                name: manifest.name.clone(),
                new: manifest.version.clone(),
                old: old.clone(),
                file,
            }),
            _ => Ok(Place {
                file,
                replaces: Some(old),
            }),
        }
    }

    /// The signature comes first, so that whoever sees the library finds it signed.
    fn put(&self, copy: &Copy, signature: &SignatureFile, place: &Place) -> Result<Change, InstallError> {
        let text = signature.text.as_ref().ok().and_then(Option::as_deref);
        let beside = SignatureFile::path_for(&place.file);
        let there = SignatureFile::beside(&place.file).text;
        let same_signature =
            text.is_none_or(|text| there.as_ref().is_ok_and(|there| there.as_deref() == Some(text)));
        let same_library = load::sha256(&place.file).is_ok_and(|sha256| sha256 == copy.sha256);
        if same_library && same_signature {
            return Ok(Change::Same);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| InstallError::Write { path, source }
        };
        let library = match same_library {
            true => None,
            false => Some(stage_copy(copy, &place.file).map_err(failed(&place.file))?),
        };
        let stage_text = |text: &str| Staged::of(&beside, text.as_bytes(), FILE_MODE);
        let signature = text.map(stage_text).transpose().map_err(failed(&beside))?;
        let unsigned = signature.is_none();
        if let Some(signature) = signature {
            signature.commit().map_err(failed(&beside))?;
        }
        let Some(library) = library else {
            sync_folder(self.folder);
            return Ok(Change::Signature);
        };
        library.commit().map_err(failed(&place.file))?;
        if unsigned {
            remove_file(&beside)?;
        }
        sync_folder(self.folder);
        Ok(match &place.replaces {
            None => Change::New,
            Some(version) => Change::Replaced {
                version: version.clone(),
            },
        })
    }
}

/// Takes a library and its signature out of their folder; where it is a link, the link alone.
///
/// # Errors
/// Where one of them cannot be removed.
pub(crate) fn remove(library: &Path) -> Result<Vec<PathBuf>, InstallError> {
    let mut removed = Vec::new();
    for path in [library.to_owned(), SignatureFile::path_for(library)] {
        if remove_file(&path)? {
            removed.push(path);
        }
    }
    sync_folder(library.parent().unwrap_or(Path::new(".")));
    Ok(removed)
}

fn remove_file(path: &Path) -> Result<bool, InstallError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(InstallError::Remove {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The copy that was checked, as a file that waits to take its place.
fn stage_copy(copy: &Copy, file: &Path) -> io::Result<Staged> {
    let mut staged = Staged::new(file)?;
    let mut from = inspect::open(&copy.path).map_err(|reason| io::Error::other(reason.to_string()))?;
    if load::digest(&mut from, staged.file())? != copy.sha256 {
        return Err(io::Error::other("it changed while it was copied"));
    }
    staged.finish(FILE_MODE)?;
    Ok(staged)
}

/// Whether both are numbers with dots, and `new` is the smaller one; of anything else nothing is said.
fn is_older(new: &str, old: &str) -> bool {
    let numbers =
        |text: &str| -> Option<Vec<u64>> { text.split('.').map(|part| part.parse().ok()).collect() };
    match (numbers(new), numbers(old)) {
        (Some(new), Some(old)) => new < old,
        _ => false,
    }
}

/// A path for one line of a terminal.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4096)
}
