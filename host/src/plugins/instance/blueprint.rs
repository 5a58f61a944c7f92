//! What it takes to make instances of a plugin, in the gateway's process or in others.

use std::path::Path;
use std::sync::Arc;

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::RResult;
use miniclaw_plugin_api::abi::{Birth, HostApi_TO, PluginBox, PluginModRef};
use miniclaw_plugin_api::{Capability, Error, TextUnit};

use tracing::warn;

use super::Host;
use crate::plugins::isolate::Process;

/// How the system's refusals read: `EPERM` and `EACCES`.
const DENIED: [&str; 2] = ["(os error 1)", "(os error 13)"];

/// What it takes to make instances of a plugin.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) plugin: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) runner: Runner,
    pub(crate) capabilities: u64,
    /// Whether it may read the gateway's state.
    pub(crate) observes: bool,
    pub(crate) text_limit: usize,
    pub(crate) text_unit: TextUnit,
    /// Where its instance may keep files.
    pub(crate) data_dir: Arc<Path>,
}

/// What makes instances, and where they run.
#[derive(Clone)]
pub(crate) enum Runner {
    InProcess {
        root: PluginModRef,
        /// The digest of its library, or a word.
        source: Arc<str>,
    },
    Process(Process),
}

impl Runner {
    pub(super) fn instantiate(&self, birth: Birth, host: Host) -> Result<PluginBox, Error> {
        match self {
            Self::InProcess { root, .. } => {
                let host = HostApi_TO::from_value(host, TD_Opaque);
                match root.instantiate()(birth, host) {
                    RResult::ROk(plugin) => Ok(plugin),
                    RResult::RErr(payload) => Err(super::error_of(&payload)),
                }
            }
            Self::Process(process) => process.instantiate(&birth, host),
        }
    }
}

impl Blueprint {
    /// Differs where the plugin, its content or its bounds differ.
    pub(crate) fn mark(&self) -> String {
        let runner = match &self.runner {
            Runner::InProcess { source, .. } => format!("in-process {source}"),
            Runner::Process(process) => process.mark(),
        };
        format!("{} {} {runner}", self.plugin, self.version)
    }

    /// What a sandbox refuses looks like a fault of the system to a plugin, and to whoever reads its error.
    pub(crate) fn hint_at_sandbox(&self, instance: &str, error: &Error) {
        let denied = DENIED.iter().any(|text| error.message.contains(text));
        if denied && self.is_isolated() {
            warn!(
                plugin = instance,
                "The sandbox may have refused that: `miniclaw plugin info` shows what the plugin asks for and what it has"
            );
        }
    }

    /// Whether what hangs can be killed.
    pub(crate) fn is_isolated(&self) -> bool {
        matches!(self.runner, Runner::Process(_))
    }

    pub(crate) fn can(&self, capability: Capability) -> bool {
        self.capabilities & capability as u64 != 0
    }
}
