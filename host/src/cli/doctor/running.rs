//! The gateway that runs here, if one does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::spans::span;
use super::Patient;
use super::finding::{Finding, shown};
use crate::control::{self, Op};

/// A channel that polls hears its platform every minute, if only that there is nothing new.
const SILENT: Duration = Duration::from_secs(600);

/// Asks it how it is.
pub(super) fn ask(patient: &mut Patient, findings: &mut Vec<Finding>) {
    let state = patient.state();
    let holder = lock_holder(&state);
    match control::ask(&state, Op::Status) {
        Ok(Some(status)) => patient.status = Some(status),
        Ok(None) => {
            if let Some(pid) = holder {
                let text = format!("process {pid} holds this folder and answers nobody");
                let fix = format!("wait where it starts or stops, or else end it: `kill {pid}`");
                findings.push(Finding::error(
                    "gateway-silent",
                    shown(&state.join("lock")),
                    text,
                    fix,
                ));
            }
        }
        Err(error) => {
            let fix = "run this as the gateway's user, or look at the gateway's log";
            findings.push(Finding::error(
                "gateway-silent",
                shown(&state.join("control.sock")),
                error,
                fix,
            ));
        }
    }
}

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let Some(status) = &patient.status else { return };
    let own = env!("CARGO_PKG_VERSION");
    if let Some(version) = status["version"].as_str().filter(|version| *version != own) {
        let text = format!("version {version} runs here, and this is {own}");
        findings.push(Finding::note(
            "gateway-other-version",
            "gateway",
            text,
            "restart the gateway",
        ));
    }
    for kind in ["channels", "providers"] {
        for instance in status[kind].as_array().into_iter().flatten() {
            of_instance(kind, instance, findings);
        }
    }
}

fn of_instance(kind: &str, instance: &Value, findings: &mut Vec<Finding>) {
    let word = |key: &str| instance[key].as_str().unwrap_or("?");
    let (name, state) = (word("instance"), word("state"));
    let path = format!("{kind}.{name}");
    let reason = instance["reason"]
        .as_str()
        .unwrap_or("it says no reason")
        .to_owned();
    match state {
        "failed" => {
            let fix = format!("change `{path}` and run `miniclaw plugin reload {name}`");
            findings.push(Finding::error(
                "instance-failed",
                &path,
                format!("it has failed: {reason}"),
                fix,
            ));
        }
        "quarantined" => {
            let fix = format!("see to its reason, then run `miniclaw plugin enable {name}`");
            let text = format!("it crashed too often and is quarantined: {reason}");
            findings.push(Finding::error("instance-quarantined", &path, text, fix));
        }
        "backoff" => {
            let fix = "it is tried again by itself; `miniclaw status` shows when it runs";
            findings.push(Finding::warning(
                "instance-backoff",
                &path,
                format!("it does not run: {reason}"),
                fix,
            ));
        }
        "paused" => {
            let fix = "it goes on by itself once that is over";
            findings.push(Finding::warning(
                "channel-paused",
                &path,
                format!("it takes no messages: {reason}"),
                fix,
            ));
        }
        "disabled" => {
            let fix = format!("`miniclaw plugin enable {name}` lets it run");
            findings.push(Finding::note(
                "instance-disabled",
                &path,
                "the operator disabled it",
                fix,
            ));
        }
        _ => {}
    }
    let outage = &instance["outage"];
    if outage["began_ms"].is_u64() && outage["over_ms"].is_null() {
        let text = format!(
            "its platform cannot be reached: {}",
            outage["reason"].as_str().unwrap_or("?")
        );
        let fix = "see to network, proxy and token; it is tried again by itself";
        findings.push(Finding::warning("channel-outage", &path, text, fix));
    } else if let Some(heard) = instance["heard_ms"].as_u64().map(Duration::from_millis)
        && heard > SILENT
    {
        let text = format!("it has heard nothing of its platform for {}", span(heard));
        let fix = format!("`miniclaw plugin reload {name}` starts it anew");
        findings.push(Finding::warning("channel-silent", &path, text, fix));
    }
}

/// The process that holds the lock of a state folder, which is only looked at: to try it could keep a gateway from
/// starting at this moment.
pub(in crate::cli) fn lock_holder(state: &Path) -> Option<u32> {
    let inode = std::fs::metadata(state.join("lock")).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, pid, place) = (words.next()?, words.nth(2)?, words.next()?);
        let ours = kind == "FLOCK" && place.rsplit(':').next() == Some(inode.as_str());
        ours.then(|| pid.parse().ok()).flatten()
    })
}
