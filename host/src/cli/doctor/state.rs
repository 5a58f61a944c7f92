//! What the gateway keeps: the spool, conversations, who was let in.

use std::fs;
use std::time::Duration;

use super::super::spans::span;
use super::Patient;
use super::finding::{Finding, shown};
use super::folders::files_in;
use crate::pairing::Pairing;
use crate::sessions::list_files;
use crate::spool::{Filter, SpoolReader, check_folder, wall_ms};

/// Of what waits, so many are looked at.
const LOOKED_AT: usize = 1000;
const DEFAULT_PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn check(patient: &Patient, findings: &mut Vec<Finding>) {
    let state = patient.state();
    if !state.is_dir() {
        return;
    }
    if spool(patient, findings) {
        letters(patient, findings);
    }
    sessions(patient, findings);
    if let Err(error) = Pairing::open(&state) {
        let path = shown(&state.join("pairing.json"));
        let fix = "correct the file, or move it away and let people in anew by `miniclaw pairing approve`";
        findings.push(Finding::error(
            "pairing-damaged",
            path,
            super::super::chain(&error),
            fix,
        ));
    }
    let plugins = state.join("plugins.json");
    let broken =
        fs::read(&plugins).is_ok_and(|text| serde_json::from_slice::<serde_json::Value>(&text).is_err());
    if broken {
        let fix = "a gateway that starts moves it aside; disable plugins anew by `miniclaw plugin disable`";
        let text = "the list of disabled and quarantined plugins cannot be read";
        findings.push(Finding::warning(
            "plugins-list-damaged",
            shown(&plugins),
            text,
            fix,
        ));
    }
    let note = state.join("restore.json");
    if note.exists() && !patient.runs() {
        let text = "a restore was cut short";
        findings.push(Finding::warning(
            "restore-unfinished",
            shown(&note),
            text,
            "start the gateway once, which finishes it",
        ));
    }
}

/// Returns whether it can be read.
fn spool(patient: &Patient, findings: &mut Vec<Finding>) -> bool {
    let state = patient.state();
    let path = shown(&state.join("spool.db"));
    match check_folder(&state) {
        Ok(None) => false,
        Ok(Some(found)) if found.is_empty() => true,
        Ok(Some(found)) => {
            let first = found.join("; ");
            let newer = first.contains("its schema has version");
            findings.push(match newer {
                true => Finding::error("spool-newer", path, first, "run the newer miniclaw that wrote it"),
                false => Finding::error(
                    "spool-damaged",
                    path,
                    first,
                    "stop the gateway and run `miniclaw restore BACKUP`, or `miniclaw spool salvage` without a backup",
                ),
            });
            false
        }
        Err(error) => {
            let fix = "see to the disk and to who may read the file";
            findings.push(Finding::error(
                "spool-unreadable",
                path,
                super::super::chain(&error),
                fix,
            ));
            false
        }
    }
}

fn letters(patient: &Patient, findings: &mut Vec<Finding>) {
    let Ok(Some(reader)) = SpoolReader::open(&patient.state()) else {
        return;
    };
    let path = shown(&patient.state().join("spool.db"));
    let of = |dead| Filter {
        dead: Some(dead),
        channel: None,
        limit: LOOKED_AT,
    };
    if let Ok((_, dead @ 1..)) = reader.letters(&of(true)) {
        let fix = "`miniclaw queue list --dead` shows them; `miniclaw queue retry --dead` tries them again, `drop --dead` ends them";
        let text = format!("{dead} messages or replies could not be handled and are dead letters");
        findings.push(Finding::warning("dead-letters", &path, text, fix));
    }
    let loaded = patient.loaded.as_ref();
    let patience = loaded.map_or(DEFAULT_PATIENCE, |loaded| {
        loaded.config.gateway.warn_pending_after
    });
    let oldest = reader
        .letters(&of(false))
        .ok()
        .and_then(|(letters, _)| letters.iter().map(|letter| letter.since_ms).min());
    let waits =
        oldest.map(|since| Duration::from_millis(u64::try_from(wall_ms() - since).unwrap_or_default()));
    if let Some(waits) = waits.filter(|waits| *waits > patience) {
        let fix = match patient.runs() {
            true => "`miniclaw queue list --waiting` shows what, `miniclaw status` why",
            false => "start the gateway: `miniclaw gateway`",
        };
        let text = format!("something waits for {} to be answered or sent", span(waits));
        findings.push(Finding::warning("waits-long", path, text, fix));
    }
}

fn sessions(patient: &Patient, findings: &mut Vec<Finding>) {
    let folder = patient.workspace().join("sessions");
    for name in list_files(&folder)
        .map(|listing| listing.unreadable)
        .unwrap_or_default()
    {
        let path = folder.join(&name);
        findings.push(Finding::warning(
            "session-damaged",
            shown(&path),
            "this conversation is damaged or of a newer miniclaw",
            "run the newer miniclaw, or start the gateway, which takes the copy before it and moves this one aside",
        ));
    }
    for path in files_in(&folder) {
        let aside = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains(".corrupt-"));
        if aside {
            let text = "a damaged conversation was moved aside here";
            findings.push(Finding::note(
                "session-set-aside",
                shown(&path),
                text,
                "remove it when you do not need it",
            ));
        }
    }
}
