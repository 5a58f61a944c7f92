//! Brings an inspected library into this process, for good: libraries are never unloaded.

mod cache;
mod layout;
mod probe;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use miniclaw_plugin_api::abi::PluginModRef;
use miniclaw_plugin_api::manifest::{API_VERSION, MANIFEST_SYMBOL, ROOT_SYMBOL, RawManifest};

use abi_stable::library::{AbiHeaderRef, RootModuleError};

use super::inspect::{self, Inspected, ManifestInfo, Reason, Refusal, api_text};
use super::isolate::sandbox::{self, Sandbox};
use super::trust::TrustPolicy;
use crate::sync::lock;
use cache::Cache;
pub(crate) use cache::{Copy, digest, sha256};
pub(crate) use probe::{Probe, kill_group, without_core_dump};

/// A library that was checked, and that may be loaded from its private copy.
#[derive(Clone)]
pub(crate) struct Admitted {
    pub(crate) manifest: ManifestInfo,
    /// The private copy.
    pub(crate) path: PathBuf,
    /// Lowercase hexadecimal digest of the library's bytes.
    pub(crate) sha256: String,
}

/// A library in this process.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) root: PluginModRef,
    /// Lowercase hexadecimal digest of the library's bytes.
    pub(crate) sha256: String,
}

/// Loads libraries through a private folder of copies.
pub(crate) struct Loader {
    cache: Cache,
    probe: Probe,
    trust: Mutex<Arc<TrustPolicy>>,
    /// By digest: the same content is the same module.
    loaded: Mutex<HashMap<String, Loaded>>,
    /// Digests of copies that are in use.
    kept: Mutex<HashSet<String>>,
}

impl Loader {
    /// A loader that keeps its copies in `cache_dir`; the folder is made when it is needed.
    pub(crate) fn new(cache_dir: PathBuf, trust: TrustPolicy) -> Self {
        Self::with_probe(cache_dir, trust, Probe::own_binary())
    }

    fn with_probe(cache_dir: PathBuf, trust: TrustPolicy, probe: Probe) -> Self {
        Self {
            cache: Cache::new(cache_dir),
            probe,
            trust: Mutex::new(Arc::new(trust)),
            loaded: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Checks a library, on trial too, without loading it into this process. Blocks for a few milliseconds, at most
    /// for the trial's deadline.
    ///
    /// # Errors
    /// One readable line.
    pub(crate) fn admit(&self, inspected: &Inspected) -> Result<Admitted, Refusal> {
        let refuse = |reason| Refusal::named(&inspected.manifest.name, &inspected.path, reason);
        let (copy, doubt) = self.trusted_copy(inspected).map_err(refuse)?;
        if let Some(doubt) = doubt {
            let error = refuse(doubt);
            tracing::warn!(plugin = %inspected.manifest.name, %error, "Plugin is loaded without a good signature");
        }
        self.prove(inspected, &copy).map_err(refuse)?;
        lock(&self.kept).insert(copy.sha256.clone());
        Ok(Admitted {
            manifest: inspected.manifest.clone(),
            path: copy.path,
            sha256: copy.sha256,
        })
    }

    /// Loads a library into this process. Blocks as [`admit`](Self::admit) does.
    ///
    /// # Errors
    /// One readable line.
    pub(crate) fn load(&self, inspected: &Inspected) -> Result<Loaded, Refusal> {
        let mut loaded = lock(&self.loaded);
        let admitted = self.admit(inspected)?;
        if let Some(known) = loaded.get(&admitted.sha256) {
            return Ok(known.clone());
        }
        let refuse = |reason| Refusal::named(&inspected.manifest.name, &inspected.path, reason);
        let root = open(&admitted.path, &admitted.manifest).map_err(refuse)?;
        let module = Loaded {
            root,
            sha256: admitted.sha256.clone(),
        };
        loaded.insert(admitted.sha256, module.clone());
        Ok(module)
    }

    /// All checks before a library is mapped, without mapping it: gives the private copy whose bytes passed.
    ///
    /// # Errors
    /// One readable line.
    pub(crate) fn check(&self, inspected: &Inspected) -> Result<Copy, Refusal> {
        let refuse = |reason| Refusal::named(&inspected.manifest.name, &inspected.path, reason);
        let (copy, _) = self.trusted_copy(inspected).map_err(refuse)?;
        self.prove(inspected, &copy).map_err(refuse)?;
        Ok(copy)
    }

    /// A private copy whose digest and signature the policy takes, and what it doubts of it.
    fn trusted_copy(&self, inspected: &Inspected) -> Result<(Copy, Option<Reason>), Reason> {
        let (name, path) = (&inspected.manifest.name, &inspected.path);
        let copy = self.cache.copy(path)?;
        let doubt = self.trust().check(name, path, &copy.path, &copy.sha256)?;
        Ok((copy, doubt))
    }

    /// Inspects the copy, and loads it in a child unless its content survived that before.
    fn prove(&self, inspected: &Inspected, copy: &Copy) -> Result<(), Reason> {
        let again = inspect::inspect(&copy.path).map_err(|refusal| refusal.reason)?;
        if again.manifest != inspected.manifest {
            return Err(Reason::Changed);
        }
        if !self.cache.is_proven(copy) {
            self.probe.run(&copy.path)?;
            self.cache.mark_proven(copy)?;
        }
        Ok(())
    }

    pub(crate) fn trust(&self) -> Arc<TrustPolicy> {
        lock(&self.trust).clone()
    }

    /// From here on another policy decides; gives the one before.
    pub(crate) fn trust_by(&self, trust: impl Into<Arc<TrustPolicy>>) -> Arc<TrustPolicy> {
        std::mem::replace(&mut *lock(&self.trust), trust.into())
    }

    /// Removes copies of what this process did not admit. For the one process that owns the folder, after it took what
    /// it runs.
    pub(crate) fn prune(&self) {
        let kept = lock(&self.kept);
        self.cache.prune(|sha256| kept.contains(sha256));
    }
}

/// The trial load: the body of the child process, `miniclaw plugin-probe FILE`. Says on stdout what is wrong.
pub(crate) fn probe(path: &Path) -> u8 {
    without_core_dump();
    // What the sandbox lacks is told where the plugin runs.
    if let Err(error) = sandbox::enter(&Sandbox::of_trial(), Some(path)) {
        println!("{error}");
        return 1;
    }
    match map(path) {
        Ok(_) => 0,
        Err(reason) => {
            println!("{reason}");
            1
        }
    }
}

/// Loads a library that was admitted into this process, a child.
///
/// # Errors
/// One readable line.
pub(crate) fn map(path: &Path) -> Result<PluginModRef, Reason> {
    let inspected = inspect::inspect(path).map_err(|refusal| refusal.reason)?;
    open(path, &inspected.manifest)
}

/// Maps the library, runs its constructors, and takes its root module once its layout is known to fit.
fn open(path: &Path, manifest: &ManifestInfo) -> Result<PluginModRef, Reason> {
    // A bare name means a library of the system to the dynamic loader.
    let path = std::path::absolute(path).map_err(Reason::Unreadable)?;
    // SAFETY: constructors of a plugin run here, which is what loading it means. The file was inspected and
    // survived a trial load, and lies in a folder that nobody else can write.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(refused)?;
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
