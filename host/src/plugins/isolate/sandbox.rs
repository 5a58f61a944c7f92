//! What a child cannot do: Landlock keeps it from files, seccomp from the system calls that reach other processes,
//! other programs and the machine.

mod calls;
mod files;

use std::path::{Path, PathBuf};

use miniclaw_plugin_api::Permission;
use serde::{Deserialize, Serialize};

use crate::config::{Confinement, SandboxMode};

/// The bounds of one child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sandbox {
    /// Whether the plugin rather does not run than with less.
    pub(crate) required: bool,
    /// Bits of [`Permission`] that it has.
    pub(crate) permissions: u64,
    /// What it may read beside what every child may.
    pub(crate) read: Vec<PathBuf>,
    /// What it may write.
    pub(crate) write: Vec<PathBuf>,
}

/// Permissions that a plugin has for the asking, since there is hardly one without.
const FREE: u64 = Permission::Network as u64;

impl Sandbox {
    /// The bounds of an instance; `None` where it is to have none. `asked` is what its manifest asks for, `data` its
    /// own folder.
    pub(crate) fn of(confinement: &Confinement, asked: u64, data: &Path) -> Option<Self> {
        let mut write = confinement.write.clone();
        write.push(data.to_owned());
        (confinement.mode != SandboxMode::Off).then(|| Self {
            required: confinement.mode == SandboxMode::Require,
            permissions: granted(confinement, asked),
            read: confinement.read.clone(),
            write,
        })
    }

    /// For loading a library on trial.
    pub(crate) fn of_trial() -> Self {
        Self {
            required: false,
            permissions: 0,
            read: Vec::new(),
            write: Vec::new(),
        }
    }

    fn has(&self, permission: Permission) -> bool {
        self.permissions & permission as u64 != 0
    }
}

/// Bits of [`Permission`]: what the plugin asks for and the configuration grants.
pub(crate) fn granted(confinement: &Confinement, asked: u64) -> u64 {
    let named = Permission::ALL
        .iter()
        .filter(|(_, name)| confinement.allow.iter().any(|allowed| allowed == name));
    let allowed = named.fold(FREE, |bits, (permission, _)| bits | *permission as u64);
    asked & allowed
}

/// Shuts this process, which has one thread, into a sandbox for good. Returns what the kernel lacks for it, in words;
/// nothing where it is whole.
///
/// # Errors
/// In words: what the kernel lacks where all of it is required, or what it refuses although it has it.
pub(crate) fn enter(sandbox: &Sandbox, library: Option<&Path>) -> Result<String, String> {
    let mut gaps: Vec<String> = Vec::new();
    gaps.extend(files::restrict(sandbox, library)?);
    if let Err(error) = calls::restrict(sandbox) {
        gaps.push(format!("no system call is refused ({error})"));
    }
    let gaps = gaps.join("; ");
    if sandbox.required && !gaps.is_empty() {
        return Err(format!(
            "its sandbox is required and not whole: {gaps}; set `sandbox.mode` to `auto` to run it all the same"
        ));
    }
    Ok(gaps)
}

/// What the kernel offers for sandboxes, in words.
pub(crate) fn support() -> String {
    format!("{}, {}", files::support(), calls::support())
}
