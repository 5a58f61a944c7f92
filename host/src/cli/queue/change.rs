//! Trying again and dropping, through the gateway or, where none runs, in its place.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::args::Selection;
use crate::cli::{Failure, setup};
use crate::config::Config;
use crate::control::Op;
use crate::desk::{Desk, Outcome};
use crate::gateway::StateLock;
use crate::spool::{Filter, Opened, Spool, SqliteSpool};

/// Does the same to every one that was selected; 1 where one of them could not be changed.
pub(super) fn change(
    config: &Config,
    selection: &Selection,
    verb: &str,
    op: impl Fn(u64) -> Op,
) -> Result<(String, u8), Failure> {
    let ids = selected(config, selection)?;
    let mut changed = Vec::with_capacity(ids.len());
    let mut offline = None;
    let mut broken = None;
    for id in ids {
        match one(config, op(id), &mut offline) {
            Ok(outcome) => changed.push((id, outcome)),
            Err(failure) => {
                broken = Some(failure);
                break;
            }
        }
    }
    if let Some(offline) = offline {
        offline.close()?;
    }
    if let Some(failure) = broken {
        return Err(failure);
    }
    let failed = |outcome: &Outcome| {
        !matches!(
            outcome,
            Outcome::Revived | Outcome::Hurried | Outcome::Waiting | Outcome::Dropped
        )
    };
    let status = u8::from(changed.iter().any(|(_, outcome)| failed(outcome)));
    if selection.output.json {
        let list: Vec<Value> = changed
            .iter()
            .map(|(id, outcome)| json!({ "id": id, "outcome": outcome }))
            .collect();
        return Ok((format!("{:#}\n", json!(list)), status));
    }
    let mut text = String::new();
    for (id, outcome) in &changed {
        let _ = writeln!(text, "{id}  {}", said(*outcome));
    }
    if changed.is_empty() {
        let _ = writeln!(text, "there are no dead letters to {verb}");
    }
    Ok((text, status))
}

/// Asks the gateway, or does it in its place.
fn one(config: &Config, op: Op, offline: &mut Option<Offline>) -> Result<Outcome, Failure> {
    if let Some(outcome) = setup::ask(config, op.clone())? {
        return serde_json::from_value(outcome).map_err(|error| Failure::new(1, error));
    }
    let offline = match offline {
        Some(offline) => offline,
        none => none.insert(Offline::open(config)?),
    };
    offline.run(op)
}

fn selected(config: &Config, selection: &Selection) -> Result<Vec<u64>, Failure> {
    if !selection.dead {
        return Ok(selection.ids.clone());
    }
    let filter = Filter {
        dead: Some(true),
        channel: selection.channel.clone(),
        limit: usize::MAX,
    };
    let Some(reader) = setup::reader(config)? else {
        return Ok(Vec::new());
    };
    let (letters, _) = reader
        .letters(&filter)
        .map_err(|error| Failure::chain(1, &error))?;
    Ok(letters.iter().map(|letter| letter.id).collect())
}

fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Revived => "waits again",
        Outcome::Hurried => "is tried at once",
        Outcome::Waiting => "waits already",
        Outcome::Dropped => "dropped",
        Outcome::UnderWay => "is being answered; /stop in its chat ends that",
        Outcome::Over => "is over already",
        Outcome::Unreadable => "has no text that could be read; `miniclaw queue drop` ends it",
        Outcome::Unknown => "is unknown; `miniclaw queue list` names what waits",
    }
}

/// The spool of a gateway that does not run.
struct Offline {
    _lock: StateLock,
    runtime: tokio::runtime::Runtime,
    desk: Desk,
}

impl Offline {
    fn open(config: &Config) -> Result<Self, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
        if !config.state_dir().exists() {
            return Err(Failure::new(
                1,
                format!(
                    "{} does not exist: nothing waits there",
                    config.state_dir().display()
                ),
            ));
        }
        let lock = StateLock::acquire(&config.state_dir()).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let Opened { spool, .. } = SqliteSpool::open(&config.state_dir()).map_err(|error| failed(&error))?;
        let desk = Desk { spool, hub: None };
        Ok(Self {
            _lock: lock,
            runtime,
            desk,
        })
    }

    fn run(&self, op: Op) -> Result<Outcome, Failure> {
        let done = match op {
            Op::Retry { id } => self.runtime.block_on(self.desk.retry(id)),
            Op::Drop { id } => self.runtime.block_on(self.desk.drop(id)),
            _ => return Err(Failure::new(1, "this needs a running gateway")),
        };
        done.map_err(|error| Failure::chain(1, &error))
    }

    fn close(self) -> Result<(), Failure> {
        let closed = self.runtime.block_on(self.desk.spool.close());
        closed.map_err(|error| Failure::chain(1, &error))
    }
}
