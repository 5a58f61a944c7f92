//! What the instances of a plugin may do and use, by the configuration.

use std::fmt;
use std::path::PathBuf;

use miniclaw_plugin_api::Permission;
use serde::Serialize;

use crate::config::{Config, Confinement, SandboxMode};
use crate::gateway::isolated;
use crate::plugins::inspect::ManifestInfo;
use crate::plugins::isolate::sandbox::granted;

/// A configured instance and its confinement.
pub(crate) struct Configured {
    instance: String,
    plugin: String,
    confinement: Confinement,
}

/// One instance's bounds.
#[derive(Debug, Serialize)]
pub(super) struct Bounds {
    instance: String,
    /// `process` or `in-process`.
    isolation: &'static str,
    /// `auto`, `require` or `off`; `none` in the gateway's process.
    sandbox: &'static str,
    /// Permissions that it asks for and has.
    has: Vec<&'static str>,
    /// Permissions that it asks for and has not.
    lacks: Vec<&'static str>,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    memory_bytes: Option<u64>,
    open_files: Option<u64>,
}

/// All instances of a configuration.
pub(crate) fn configured(config: &Config) -> Vec<Configured> {
    let channels = config
        .channels
        .iter()
        .map(|(name, channel)| (name, &channel.plugin, &channel.confinement));
    let providers = config
        .providers
        .iter()
        .map(|(name, provider)| (name, &provider.plugin, &provider.confinement));
    let all = channels.chain(providers);
    all.map(|(name, plugin, confinement)| Configured {
        instance: name.clone(),
        plugin: plugin.clone(),
        confinement: confinement.clone(),
    })
    .collect()
}

impl Bounds {
    /// Those of every instance of a plugin.
    pub(super) fn of(configured: &[Configured], manifest: &ManifestInfo, builtin: bool) -> Vec<Self> {
        let of_this = configured.iter().filter(|one| one.plugin == manifest.name);
        of_this
            .map(|one| Self::of_one(one, manifest.permissions, builtin))
            .collect()
    }

    fn of_one(configured: &Configured, asked: u64, builtin: bool) -> Self {
        let confinement = &configured.confinement;
        let isolated = isolated(confinement, builtin);
        let sandboxed = isolated && confinement.mode != SandboxMode::Off;
        let has = if sandboxed {
            granted(confinement, asked)
        } else {
            asked
        };
        Self {
            instance: configured.instance.clone(),
            isolation: if isolated { "process" } else { "in-process" },
            sandbox: match confinement.mode {
                _ if !isolated => "none",
                SandboxMode::Auto => "auto",
                SandboxMode::Require => "require",
                SandboxMode::Off => "off",
            },
            has: names(has),
            lacks: names(asked & !has),
            read: confinement.read.clone(),
            write: confinement.write.clone(),
            memory_bytes: isolated.then_some(confinement.memory),
            open_files: isolated.then_some(confinement.open_files),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[&str]| match names {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        write!(
            f,
            "{}: {}, sandbox {}",
            self.instance, self.isolation, self.sandbox
        )?;
        match self.sandbox {
            "none" | "off" => write!(f, "; may do what the gateway's user may")?,
            _ => write!(f, "; has {}", list(&self.has))?,
        }
        if !self.lacks.is_empty() {
            write!(f, "; lacks {}", list(&self.lacks))?;
        }
        for (verb, paths) in [("reads", &self.read), ("writes", &self.write)] {
            if !paths.is_empty() {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                write!(f, "; {verb} {}", paths.join(", "))?;
            }
        }
        if let (Some(memory), Some(files)) = (self.memory_bytes, self.open_files) {
            write!(f, "; at most {} MiB and {files} open files", memory >> 20)?;
        }
        Ok(())
    }
}

fn names(bits: u64) -> Vec<&'static str> {
    let all = Permission::ALL.iter();
    all.filter(|(permission, _)| bits & *permission as u64 != 0)
        .map(|(_, name)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(confinement: Confinement, builtin: bool) -> String {
        let one = Configured {
            instance: "a".into(),
            plugin: "p".into(),
            confinement,
        };
        let asked = Permission::Network as u64 | Permission::Exec as u64;
        Bounds::of_one(&one, asked, builtin).to_string()
    }

    #[test]
    fn what_is_asked_for_and_not_granted_is_lacking_in_a_process_alone() {
        let plain = Confinement::default;
        assert_eq!(
            line(plain(), false),
            "a: process, sandbox auto; has network; lacks exec; at most 512 MiB and 256 open files"
        );
        assert_eq!(
            line(plain(), true),
            "a: in-process, sandbox none; may do what the gateway's user may"
        );
        let mut granting = plain();
        granting.allow = vec!["exec".into()];
        granting.read = vec!["/srv/bot".into()];
        assert_eq!(
            line(granting, false),
            "a: process, sandbox auto; has network, exec; reads /srv/bot; at most 512 MiB and 256 open files"
        );
    }
}
