//! This machine: sandboxes, limits, the clock.

use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

use super::Patient;
use super::finding::{Finding, shown};
use crate::config::{Isolation, SandboxMode};
use crate::plugins::isolate::sandbox;

/// Every channel, provider and process of a plugin needs some.
const FEW_FILES: u64 = 1024;
/// No miniclaw that has this check is older.
const FIRST_BUILD: Duration = Duration::from_secs(1_764_000_000);
const ONE_DAY: Duration = Duration::from_secs(86_400);

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    clock(patient, findings);
    if let Some(limit @ ..FEW_FILES) = getrlimit(Resource::Nofile).current {
        let text = format!("a process may have {limit} files and sockets open");
        let fix = "raise it: `ulimit -n 16384` before the start, or `LimitNOFILE=16384` in the unit";
        findings.push(Finding::warning("few-files", "ulimit -n", text, fix));
    }
    let support = sandbox::support();
    if support.contains("no Landlock") && wants_sandbox(patient) {
        let fix = "boot a kernel with Landlock (5.13 or newer, `lsm=landlock,…`), or trust these plugins and say so with `sandbox.mode` `off`";
        let text = format!("plugins in processes of their own can reach every file of this user: {support}");
        findings.push(Finding::warning("no-landlock", "kernel", text, fix));
    }
}

/// Whether an instance runs in a process of its own.
fn wants_sandbox(patient: &Patient) -> bool {
    let Some(loaded) = &patient.loaded else {
        return false;
    };
    let channels = loaded
        .config
        .channels
        .values()
        .map(|channel| (&channel.plugin, &channel.confinement));
    let providers = loaded
        .config
        .providers
        .values()
        .map(|provider| (&provider.plugin, &provider.confinement));
    channels.chain(providers).any(|(plugin, confinement)| {
        let builtin = crate::plugins::builtin::all()
            .iter()
            .any(|known| known.manifest.name == *plugin);
        let process = confinement
            .isolation
            .map_or(!builtin, |isolation| isolation == Isolation::Process);
        process && confinement.mode != SandboxMode::Off
    })
}

/// Certificates and ages are judged by it.
fn clock(patient: &Patient, findings: &mut Vec<Finding>) {
    let now = SystemTime::now();
    let fix = "set the clock, for example by `timedatectl set-ntp true`";
    let mut latest = SystemTime::UNIX_EPOCH + FIRST_BUILD;
    let mut of = "this program".to_owned();
    let files = [
        std::env::current_exe().ok(),
        Some(patient.place.file.clone()),
        Some(patient.state().join("spool.db")),
    ];
    for path in files.into_iter().flatten() {
        let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        if let Ok(at) = changed
            && at > latest
        {
            (latest, of) = (at, shown(&path));
        }
    }
    if latest.duration_since(now).is_ok_and(|behind| behind > ONE_DAY) {
        let text = format!("the clock stands before the time at which {of} was made");
        findings.push(Finding::warning("clock-behind", "clock", text, fix));
    }
}
