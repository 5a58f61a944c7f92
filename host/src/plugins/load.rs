//! Brings an inspected library into this process, for good: libraries are never unloaded.

mod cache;
mod layout;
mod probe;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use miniclaw_plugin_api::abi::PluginModRef;
use miniclaw_plugin_api::manifest::{API_VERSION, MANIFEST_SYMBOL, ROOT_SYMBOL, RawManifest};

use abi_stable::library::{AbiHeaderRef, RootModuleError};

use super::inspect::{self, Inspected, ManifestInfo, Reason, Refusal, api_text};
use cache::Cache;
pub(crate) use cache::sha256;
pub(crate) use probe::Probe;

/// A library in this process.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) manifest: ManifestInfo,
    pub(crate) root: PluginModRef,
    /// Lowercase hexadecimal digest of the library's bytes.
    pub(crate) sha256: String,
}

/// Loads libraries through a private folder of copies.
pub(crate) struct Loader {
    cache: Cache,
    probe: Probe,
    /// By digest: the same content is the same module.
    loaded: Mutex<HashMap<String, Loaded>>,
}

impl Loader {
    /// A loader that keeps its copies in `cache_dir`; the folder is made when it is needed.
    pub(crate) fn new(cache_dir: PathBuf) -> Self {
        Self::with_probe(cache_dir, Probe::own_binary())
    }

    fn with_probe(cache_dir: PathBuf, probe: Probe) -> Self {
        Self {
            cache: Cache::new(cache_dir),
            probe,
            loaded: Mutex::new(HashMap::new()),
        }
    }

    /// Loads a library. Blocks for a few milliseconds, at most for the trial load's deadline.
    ///
    /// # Errors
    /// One readable line.
    pub(crate) fn load(&self, inspected: &Inspected) -> Result<Loaded, Refusal> {
        let refuse = |reason| Refusal::named(&inspected.manifest.name, &inspected.path, reason);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = self.cache.copy(&inspected.path).map_err(refuse)?;
        if let Some(known) = loaded.get(&copy.sha256) {
            return Ok(known.clone());
        }
        let again = inspect::inspect(&copy.path).map_err(|refusal| refuse(refusal.reason))?;
        if again.manifest != inspected.manifest {
            return Err(refuse(Reason::Changed));
        }
        if !self.cache.is_proven(&copy) {
            self.probe.run(&copy.path).map_err(refuse)?;
            self.cache.mark_proven(&copy).map_err(refuse)?;
        }
        let root = open(&copy.path, &inspected.manifest).map_err(refuse)?;
        let module = Loaded {
            manifest: again.manifest,
            root,
            sha256: copy.sha256.clone(),
        };
        loaded.insert(copy.sha256, module.clone());
        Ok(module)
    }

    /// Removes copies of what this process did not load. For the one process that owns the folder, after it
    /// loaded what it runs.
    pub(crate) fn prune(&self) {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        self.cache.prune(|sha256| loaded.contains_key(sha256));
    }
}

/// The trial load: the body of the child process, `miniclaw plugin-probe FILE`. Says on stdout what is wrong.
pub(crate) fn probe(path: &Path) -> u8 {
    probe::without_core_dump();
    let verdict = inspect::inspect(path)
        .map_err(|refusal| refusal.reason)
        .and_then(|inspected| open(path, &inspected.manifest));
    match verdict {
        Ok(_) => 0,
        Err(reason) => {
            println!("{reason}");
            1
        }
    }
}

/// Maps the library, runs its constructors, and takes its root module once its layout is known to fit.
fn open(path: &Path, manifest: &ManifestInfo) -> Result<PluginModRef, Reason> {
    // SAFETY: constructors of a plugin run here, which is what loading it means. The file was inspected and
    // survived a trial load, and lies in a folder that nobody else can write.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(refused)?;
    // What the module points to must stay mapped as long as the process runs.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: a library exports a `RawManifest` under this name; one that lies was found out by its magic and
    // size in the same bytes of the file.
    let raw = unsafe { library.get::<*const RawManifest>(MANIFEST_SYMBOL) }.map_err(refused)?;
    // SAFETY: the inspection found that many bytes of the file at this symbol, so they are mapped.
    let raw = unsafe { raw.read_unaligned() };
    if ManifestInfo::decode(&raw)? != *manifest {
        return Err(Reason::Changed);
    }
    // SAFETY: a library exports the header of its root module under this name; `upgrade` checks its magic. The
    // type is a transparent pointer to that header, which is how a symbol is read.
    let header = unsafe { library.get::<AbiHeaderRef>(ROOT_SYMBOL) }.map_err(refused)?;
    let header = header.upgrade().map_err(|error| Reason::AbiHeader {
        found: error.to_string(),
        host: api_text(API_VERSION),
    })?;
    layout::check(header.layout(), manifest.api)?;
    // SAFETY: the layouts were compared just before, with the older side as the interface.
    unsafe { header.unchecked_layout::<PluginModRef>() }.map_err(|error| {
        Reason::Root(match error {
            RootModuleError::Returned(error) => error.to_string(),
            RootModuleError::Unwound => "its constructor panicked".to_owned(),
        })
    })
}

fn refused(error: libloading::Error) -> Reason {
    use std::error::Error as _;
    let text = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    Reason::Dlopen(text)
}

#[cfg(test)]
mod tests;
