//! `miniclaw sessions`: asks the running gateway, or looks into the files where none runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miniclaw_plugin_api::Role;
use serde_json::json;

use super::args::{Global, Output, SessionsCommand};
use super::usage::Used;
use super::{Failure, Outcome, setup};
use crate::config::{Config, Loaded};
use crate::control::Op;
use crate::gateway::StateLock;
use crate::sessions::{Entry, Listing, SessionKey, SessionManager, list_files, show_files};
use crate::spool::{Opened, Spool, SqliteSpool};
use crate::telemetry::rfc3339_ms;

/// Runs a command of `miniclaw sessions`.
///
/// # Errors
/// 78 where nothing tells where the workspace is; 1 where the session does not exist or cannot be read.
pub(super) fn run(global: &Global, command: &SessionsCommand) -> Outcome {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    let text = match command {
        SessionsCommand::List(Output { json }) => list(&loaded, *json)?,
        SessionsCommand::Show { key, output } => show(&loaded, key, output.json)?,
        SessionsCommand::Delete { key } => delete(&loaded, key)?,
    };
    setup::print(&text, 0)
}

fn list(loaded: &Loaded, as_json: bool) -> Result<String, Failure> {
    let listing = match setup::ask(&loaded.config, Op::ListSessions)? {
        Some(listing) => listing,
        None => json!(listed(&loaded.config, &setup::sessions_dir(loaded)?)?),
    };
    if as_json {
        return Ok(format!("{listing:#}\n"));
    }
    let mut text = String::new();
    let sessions = listing["sessions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for session in sessions {
        let key = session["key"].as_str().unwrap_or_default();
        let used = rfc3339_ms(session["updated_ms"].as_i64().unwrap_or_default());
        let _ = writeln!(text, "{key}  {} messages  last used {used}", session["messages"]);
    }
    if sessions.is_empty() {
        text.push_str("no sessions\n");
    }
    for name in listing["unreadable"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let _ = writeln!(text, "{}  unreadable", name.as_str().unwrap_or_default());
    }
    Ok(text)
}

/// The sessions of the files, and those that a gateway that was killed left in its journal alone.
fn listed(config: &Config, folder: &Path) -> Result<Listing, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
    if !folder.exists() {
        return Ok(Listing::default());
    }
    let mut listing = list_files(folder).map_err(|error| failed(&error))?;
    let Some(reader) = setup::reader(config)? else {
        return Ok(listing);
    };
    for key in reader.journaled().map_err(|error| failed(&error))? {
        if listing.sessions.iter().any(|known| known.key == *key.0) {
            continue;
        }
        let entries = show_files(folder, Some(&reader), &key, config.sessions.history)
            .map_err(|error| failed(&error))?;
        if let Some(last) = entries.last() {
            listing.add(&key, entries.len(), last.at_ms);
        }
    }
    Ok(listing)
}

fn show(loaded: &Loaded, key: &str, as_json: bool) -> Result<String, Failure> {
    let config = &loaded.config;
    let entries: Vec<Entry> = match setup::ask(config, Op::ShowSession { key: key.into() })? {
        Some(entries) => serde_json::from_value(entries).map_err(|error| Failure::new(1, error))?,
        None => {
            let folder = setup::sessions_dir(loaded)?;
            let (reader, key) = (setup::reader(config)?, SessionKey(key.into()));
            show_files(&folder, reader.as_ref(), &key, config.sessions.history)
                .map_err(|error| Failure::chain(1, &error))?
        }
    };
    if entries.is_empty() {
        return Err(unknown(key));
    }
    let used = Used::of(config, &SessionKey(key.into()))?;
    if as_json {
        let usage = used.json();
        return Ok(format!(
            "{:#}\n",
            json!({ "key": key, "messages": entries, "usage": usage })
        ));
    }
    let mut text = String::new();
    for entry in entries {
        let who = match (entry.summary, entry.role) {
            (Some(summary), _) => format!("summary of {} messages", summary.stands_for),
            (None, Role::User) => "user".into(),
            (None, Role::Assistant) => "agent".into(),
            (None, _) => "other".into(),
        };
        let _ = writeln!(text, "[{}] {who}: {}", rfc3339_ms(entry.at_ms), entry.text);
    }
    Ok(text + &used.lines())
}

fn delete(loaded: &Loaded, key: &str) -> Result<String, Failure> {
    let config = &loaded.config;
    let existed = match setup::ask(config, Op::DeleteSession { key: key.into() })? {
        Some(existed) => existed.as_bool().unwrap_or_default(),
        None if config.state_dir().exists() => delete_offline(config, setup::sessions_dir(loaded)?, key)?,
        None => false,
    };
    if existed {
        Ok(format!("deleted {key}\n"))
    } else {
        Err(unknown(key))
    }
}

/// Without a gateway this process is the one that may write.
fn delete_offline(config: &Config, folder: PathBuf, key: &str) -> Result<bool, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
    let _lock = StateLock::acquire(&config.state_dir()).map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let Opened { spool, .. } = SqliteSpool::open(&config.state_dir()).map_err(|error| failed(&error))?;
        let spool: Arc<dyn Spool> = spool;
        let sessions = SessionManager::new(
            spool.clone(),
            folder,
            config.sessions.history,
            config.sessions.cache,
        );
        let existed = sessions
            .delete(&SessionKey(key.into()))
            .await
            .map_err(|error| failed(&error))?;
        spool.close().await.map_err(|error| failed(&error))?;
        Ok(existed)
    })
}

fn unknown(key: &str) -> Failure {
    Failure::new(
        1,
        format!("there is no session `{key}`; `miniclaw sessions list` names those that there are"),
    )
}
