//! `miniclaw backup`, `miniclaw restore`, `miniclaw spool`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::{BackupArgs, Global, Output, SpoolCommand};
use super::{Failure, Outcome, setup};
use crate::backup::{self, LeftOut, Others, Places};
use crate::config::Loaded;
use crate::gateway::{StateLock, private_folder};
use crate::spool::check_folder;

/// Writes a backup; a running gateway goes on meanwhile.
///
/// # Errors
/// 78 where nothing tells where the workspace is; 1 where the backup cannot be made.
pub(super) fn back_up(global: &Global, args: &BackupArgs) -> Outcome {
    let places = places(&loaded(global)?)?;
    let target = std::path::absolute(&args.file).map_err(|error| Failure::new(1, error))?;
    let made = backup::make(&places, &target, args.force).map_err(|error| Failure::chain(1, &error))?;
    if args.output.json {
        let mut line = json!(made);
        line["path"] = json!(target);
        return setup::print(&format!("{line:#}\n"), 0);
    }
    let mut text = format!(
        "{}: {} bytes, {} sessions, {} messages and {} replies waiting, {} dead letters{}; \
         without the configuration and the files that people sent\n",
        target.display(),
        made.bytes,
        made.sessions,
        made.spool.pending,
        made.spool.outbox,
        made.spool.dead,
        beside(&made.others),
    );
    for LeftOut { plugin, reason } in &made.others.left_out {
        let _ = writeln!(text, "without the data of `{plugin}`: {reason}");
    }
    setup::print(&text, 0)
}

fn beside(others: &Others) -> String {
    let pairing = others.pairing.then(|| ", who was let in by pairing".to_owned());
    let data = (!others.data.is_empty()).then(|| format!(", the data of {}", others.data.join(", ")));
    pairing.into_iter().chain(data).collect()
}

/// Puts a backup in place, with no gateway running.
///
/// # Errors
/// 78 where nothing tells where the workspace is; 1 where a gateway runs, the backup is damaged, or there is state already.
pub(super) fn restore(global: &Global, args: &BackupArgs) -> Outcome {
    let places = places(&loaded(global)?)?;
    let _lock = lock(&places)?;
    if let Some(parent) = places.sessions.parent() {
        private_folder(parent).map_err(|error| Failure::chain(1, &error))?;
    }
    let restored =
        backup::restore(&places, &args.file, args.force).map_err(|error| Failure::chain(1, &error))?;
    if args.output.json {
        return setup::print(&format!("{:#}\n", json!(restored)), 0);
    }
    let mut text = format!(
        "restored {} sessions, {} messages and {} replies waiting, {} dead letters{}\n",
        restored.sessions,
        restored.spool.pending,
        restored.spool.outbox,
        restored.spool.dead,
        beside(&restored.others),
    );
    for path in restored.moved_aside {
        let _ = writeln!(text, "what was there before is in {}", path.display());
    }
    setup::print(&text, 0)
}

/// Runs a command of `miniclaw spool`.
///
/// # Errors
/// 78 where nothing tells where the workspace is, for `salvage`; 1 for a spool that cannot be read or, without `--json`, is damaged.
pub(super) fn spool(global: &Global, command: &SpoolCommand) -> Outcome {
    let loaded = loaded(global)?;
    match command {
        SpoolCommand::Check(Output { json }) => check(&loaded.config.state_dir(), *json),
        SpoolCommand::Salvage { to, output } => {
            let places = places(&loaded)?;
            let _lock = lock(&places)?;
            let saved = backup::salvage(&places, to.as_deref());
            let saved = saved.map_err(|error| Failure::chain(1, &error))?;
            let text = if output.json {
                format!("{:#}\n", json!(saved))
            } else {
                saved.to_string()
            };
            setup::print(&text, 0)
        }
    }
}

fn check(state: &Path, as_json: bool) -> Outcome {
    let found = if state.exists() {
        check_folder(state).map_err(|error| Failure::chain(1, &error))?
    } else {
        None
    };
    let exists = found.is_some();
    let findings = found.unwrap_or_default();
    let text = if as_json {
        format!(
            "{:#}\n",
            json!({ "exists": exists, "sound": findings.is_empty(), "findings": findings })
        )
    } else if findings.is_empty() {
        (if exists {
            "sound\n"
        } else {
            "there is no spool yet\n"
        })
        .to_owned()
    } else {
        findings.iter().map(|line| format!("{line}\n")).collect()
    };
    setup::print(&text, 0).map(|printed| if findings.is_empty() { printed } else { 1 })
}

fn loaded(global: &Global) -> Result<Loaded, Failure> {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    Ok(loaded)
}

fn places(loaded: &Loaded) -> Result<Places, Failure> {
    Ok(Places {
        state: loaded.config.state_dir(),
        sessions: setup::sessions_dir(loaded)?,
        data: loaded.config.data_home(),
    })
}

fn lock(places: &Places) -> Result<StateLock, Failure> {
    private_folder(&places.state).map_err(|error| Failure::chain(1, &error))?;
    StateLock::acquire(&places.state).map_err(|error| Failure::chain(1, &error))
}
