//! Libraries: what keeps them from being loaded, and who is trusted.

use super::Patient;
use super::finding::{Finding, Repair, Severity, shown};
use super::folders::files_in;
use crate::config::{Config, Signatures, for_shell};
use crate::plugins::catalog::{self, Catalog, CatalogError, Origin, State};
use crate::plugins::inspect::Reason;
use crate::plugins::load::sha256;
use crate::plugins::trust::{Pin, TrustPolicy};

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let Some(loaded) = &patient.loaded else { return };
    let config = &loaded.config;
    let folders: Vec<_> = config
        .plugin_folders()
        .into_iter()
        .filter(|folder| folder.exists())
        .collect();
    let catalog = match catalog::find(&folders) {
        Ok(catalog) => catalog,
        Err(error) => {
            findings.push(of_folder(&error));
            return;
        }
    };
    refused(config, &catalog, findings);
    trust(patient, config, &catalog, findings);
    if !patient.runs() {
        stale_copies(patient, &catalog, findings);
    }
}

fn of_folder(error: &CatalogError) -> Finding {
    let path = match error {
        CatalogError::Missing(path) => path,
        CatalogError::Unreadable { path, .. } | CatalogError::Unsafe { path, .. } => path,
    };
    let fix = format!("run `chmod go-w {}`, or see who it belongs to", for_shell(path));
    let found = Finding::error(
        "plugin-folder-unsafe",
        shown(path),
        super::super::chain(error),
        fix,
    );
    match super::configuration::excess(path, 0o022) {
        Some(mode) => found.fixed_by(Repair::Mode(path.clone(), mode & !0o022)),
        None => found,
    }
}

/// Whether the configuration has an instance of a plugin.
fn is_used(config: &Config, plugin: &str) -> bool {
    config.channels.values().any(|channel| channel.plugin == plugin)
        || config
            .providers
            .values()
            .any(|provider| provider.plugin == plugin)
}

fn refused(config: &Config, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for refusal in catalog.refusals() {
        let used = refusal.name.as_deref().is_some_and(|name| is_used(config, name));
        let severity = if used { Severity::Error } else { Severity::Warning };
        let path = shown(&refusal.path);
        let text = refusal.reason.to_string();
        let word = for_shell(&refusal.path);
        let fix = match &refusal.reason {
            Reason::Writable { .. } => format!("run `chmod go-w {word}`"),
            Reason::Owner { .. } => format!("run `chown root {word}` if you trust it"),
            _ => format!("build it again for this machine and this miniclaw, or remove {word}"),
        };
        let found = Finding::new(severity, "plugin-refused", path, text, fix);
        findings.push(match super::configuration::excess(&refusal.path, 0o022) {
            Some(mode) => found.fixed_by(Repair::Mode(refusal.path.clone(), mode & !0o022)),
            None => found,
        });
    }
    for entry in &catalog.entries {
        if let (State::Shadowed { by }, Some(path)) = (&entry.state, entry.path()) {
            let text = format!("{} has the same name and comes first", shown(by));
            let fix = format!("remove {}, which is never loaded", for_shell(path));
            findings.push(Finding::note("plugin-shadowed", shown(path), text, fix));
        }
    }
}

fn trust(patient: &Patient, config: &Config, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for name in config.trust.pins.keys() {
        let known = catalog
            .entries
            .iter()
            .any(|entry| entry.name() == Some(name.as_str()));
        if !known {
            let key = format!("plugins.pins.{name}");
            let text = format!("key `{key}`: no plugin is called `{name}`");
            let fix = format!("correct or remove `{key}`; `miniclaw plugin list` shows what there is");
            findings.push(Finding::warning("pin-unknown", patient.origin(&key), text, fix));
        }
    }
    let Ok(policy) = TrustPolicy::of(&config.trust) else {
        return;
    };
    for entry in &catalog.entries {
        let Origin::Library(library) = &entry.origin else {
            continue;
        };
        let (name, path) = (&library.manifest.name, &library.path);
        let Ok(digest) = sha256(path) else { continue };
        let standing = policy.standing(name, path, path, &digest);
        if let Pin::Differs { pinned, .. } = &standing.pin {
            let text = format!("its SHA-256 is {digest}, and {pinned} is pinned");
            let fix = format!("put the right library there, or set `plugins.pins.{name}` to its digest");
            findings.push(Finding::error("pin-differs", shown(path), text, fix));
        } else if !policy.trusted().is_nobody()
            && let Err(doubt) = policy.require(path, &standing)
        {
            let required = config.trust.signatures == Signatures::Require;
            let severity = if required {
                Severity::Error
            } else {
                Severity::Warning
            };
            let fix = format!(
                "sign it by `miniclaw plugin sign {} --secret-key KEYFILE`, or install a signed one",
                for_shell(path)
            );
            findings.push(Finding::new(
                severity,
                "plugin-unsigned",
                shown(path),
                doubt.to_string(),
                fix,
            ));
        }
    }
}

/// Private copies of libraries that are not there any more.
fn stale_copies(patient: &Patient, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let copies = files_in(&patient.state().join("cache"));
    if copies.is_empty() {
        return;
    }
    let digests: Vec<String> = catalog
        .entries
        .iter()
        .filter_map(|entry| sha256(entry.path()?).ok())
        .collect();
    for path in copies {
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let copy = path
            .extension()
            .is_some_and(|extension| extension == "so" || extension == "ok");
        if copy && !digests.contains(&stem) {
            let fix = format!("run `rm {}`", for_shell(&path));
            let text = "the copy of a library that is not there any more";
            let found = Finding::warning("plugin-copy-stale", shown(&path), text, fix);
            findings.push(found.fixed_by(Repair::Remove(path)));
        }
    }
}
