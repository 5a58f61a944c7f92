//! `miniclaw doctor`: what is wrong with this home and this machine, and what to do.

mod configuration;
mod finding;
mod folders;
mod machine;
mod online;
mod plugins;
mod running;
mod state;
mod unit;

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use self::finding::{Finding, Severity};
use super::args::{DoctorArgs, Global};
use super::config::BAD_CONFIG;
use super::{Failure, Outcome, known_plugins, setup};
use crate::config::{self, KnownPlugin, Loaded, Place, Sources};

pub(super) use self::running::lock_holder;

/// What the checks look at.
struct Patient {
    place: Place,
    /// `None` where the configuration cannot be used.
    loaded: Option<Loaded>,
    known: Vec<KnownPlugin>,
    /// What a gateway that runs here says of itself.
    status: Option<serde_json::Value>,
}

/// Looks, repairs where that is asked for, and prints what is left.
///
/// # Errors
/// 78 where no home is known.
pub(super) fn run(global: &Global, args: &DoctorArgs) -> Outcome {
    let sources = setup::sources(global, &[]);
    let mut findings = look(&sources)?;
    let mut fixed = Vec::new();
    if args.fix {
        own_home(&sources)?;
        // A repair may bring another fault to light, such as a configuration that could not be read.
        for _ in 0..3 {
            let before = fixed.len();
            for finding in findings.iter_mut().filter(|finding| finding.repair.is_some()) {
                match finding.repair() {
                    Ok(()) => fixed.push(finding.clone()),
                    Err(error) => finding.text += &format!("; the repair failed: {error}"),
                }
            }
            if fixed.len() == before {
                break;
            }
            findings = look(&sources)?;
        }
    }
    if args.online {
        findings.extend(online::look(global, &sources)?);
    }
    findings.sort_by(|a, b| (a.severity, a.id, &a.path).cmp(&(b.severity, b.id, &b.path)));
    let status = match findings.first().map(|worst| worst.severity) {
        Some(Severity::Error) => 2,
        Some(Severity::Warning) => 1,
        _ => 0,
    };
    let text = match args.output.json {
        true => {
            let report = json!({ "ok": status == 0, "findings": findings, "fixed": fixed });
            format!("{report:#}\n")
        }
        false => told(&findings, &fixed),
    };
    setup::print(&text, status)
}

/// What root mends for somebody else could lead anywhere.
fn own_home(sources: &Sources) -> Result<(), Failure> {
    let place = config::place(sources).map_err(|errors| Failure::new(BAD_CONFIG, errors))?;
    let user = rustix::process::geteuid().as_raw();
    match std::fs::metadata(&place.home) {
        Ok(home) if home.uid() != user => {
            let home = place.home.display();
            Err(Failure::new(
                1,
                format!("{home} is another user's; run `miniclaw doctor --fix` as that user"),
            ))
        }
        _ => Ok(()),
    }
}

fn look(sources: &Sources) -> Result<Vec<Finding>, Failure> {
    let place = config::place(sources).map_err(|errors| Failure::new(BAD_CONFIG, errors))?;
    // What cannot be looked at would seem damaged.
    if let Some(closed) = folders::closed(&place.home) {
        return Ok(vec![closed]);
    }
    let mut findings = Vec::new();
    let loaded = configuration::load(sources, &place, &mut findings);
    let known = match &loaded {
        Some(loaded) => known_plugins(&loaded.config),
        None => super::every_known_plugin(&place.home),
    };
    let mut patient = Patient {
        place,
        loaded,
        known,
        status: None,
    };
    running::ask(&mut patient, &mut findings);
    for check in [
        configuration::check,
        folders::check,
        state::check,
        plugins::check,
        machine::check,
        unit::check,
        running::check,
    ] {
        check(&patient, &mut findings);
    }
    Ok(findings)
}

fn told(findings: &[Finding], fixed: &[Finding]) -> String {
    let mut text = String::new();
    for finding in fixed {
        let _ = writeln!(text, "fixed [{}] {}: {}", finding.id, finding.path, finding.text);
    }
    for finding in findings {
        let Finding { id, path, fix, .. } = finding;
        let _ = writeln!(
            text,
            "{} [{id}] {path}: {}",
            finding.severity.word(),
            finding.text
        );
        let _ = writeln!(text, "  {fix}");
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "all is well"),
        _ => {
            let s = |count| if count == 1 { "" } else { "s" };
            writeln!(
                text,
                "{errors} error{}, {warnings} warning{}",
                s(errors),
                s(warnings)
            )
        }
    };
    text
}

impl Patient {
    /// The state folder, also where the configuration cannot be used.
    fn state(&self) -> std::path::PathBuf {
        config::state_of(&self.place.home)
    }

    fn workspace(&self) -> std::path::PathBuf {
        let loaded = self.loaded.as_ref().map(|loaded| loaded.config.workspace.clone());
        loaded.unwrap_or_else(|| self.place.home.join("workspace"))
    }

    /// The place of a key in the configuration.
    fn origin(&self, key: &str) -> String {
        let values = self.loaded.as_ref().map(Loaded::values).unwrap_or_default();
        let found = values.into_iter().find(|value| value.key == key);
        match found {
            Some(value) if value.origin != config::Origin::Default => value.origin.to_string(),
            _ => self.place.file.display().to_string(),
        }
    }

    /// Whether a gateway runs here.
    fn runs(&self) -> bool {
        self.status.is_some()
    }
}

#[cfg(test)]
mod tests;
