//! `miniclaw pairing`, through the gateway or, where none runs, in its place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::args::{Global, PairingCommand};
use super::{Failure, Outcome, setup, spans};
use crate::config::{Config, Loaded};
use crate::control::Op;
use crate::desk::Desk;
use crate::gateway::StateLock;
use crate::pairing::{Decided, Listing, Pairing, Pending, Verdict};
use crate::spool::{Opened, Spool, SqliteSpool, wall_ms};
use crate::telemetry::{printable, rfc3339_ms};

/// Runs a command of `miniclaw pairing`.
///
/// # Errors
/// 1 for a code or a person that is not known, or where the list cannot be read or written.
pub(super) fn run(global: &Global, command: &PairingCommand) -> Outcome {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    let config = &loaded.config;
    let text = match command {
        PairingCommand::List(output) => list(&loaded, output.json)?,
        PairingCommand::Approve(code) => decide(&loaded, Verdict::Approve, &code.code, code.output.json)?,
        PairingCommand::Deny(code) => decide(&loaded, Verdict::Deny, &code.code, code.output.json)?,
        PairingCommand::Revoke { channel, id, output } => revoke(config, channel, id, output.json)?,
    };
    setup::print(&text, 0)
}

fn list(loaded: &Loaded, as_json: bool) -> Result<String, Failure> {
    let config = &loaded.config;
    let listing: Listing = match setup::ask(config, Op::ListPairing)? {
        Some(listing) => serde_json::from_value(listing).map_err(|error| Failure::new(1, error))?,
        None => open(config)?.listing(|channel| pairs(loaded, channel)),
    };
    if as_json {
        return Ok(format!("{:#}\n", json!(listing)));
    }
    let Listing { book, off } = listing;
    let mut text = String::new();
    for pending in &book.pending {
        let who = who(&pending.who.id, pending.who.name.as_deref());
        let ago = spans::ago(Duration::from_millis(wall_ms().abs_diff(pending.asked_ms)));
        let _ = writeln!(
            text,
            "{}  asks  {}  {who}  {ago}",
            pending.code, pending.who.channel
        );
    }
    people(&mut text, "may write", &book.approved);
    people(&mut text, "denied", &book.denied);
    for channel in off {
        let _ = writeln!(
            text,
            "pairing is off on {channel}: none of these may write there by it; set `channels.{channel}.pairing` to true"
        );
    }
    if text.is_empty() {
        text.push_str("nobody asks, and nobody was let in\n");
    }
    Ok(text)
}

fn people(text: &mut String, what: &str, people: &BTreeMap<String, BTreeMap<String, Decided>>) {
    for (channel, people) in people {
        for (id, decided) in people {
            let (who, since) = (who(id, decided.name.as_deref()), rfc3339_ms(decided.since_ms));
            let _ = writeln!(text, "{what}  {channel}  {who}  since {since}");
        }
    }
}

fn who(id: &str, name: Option<&str>) -> String {
    let id = printable(id, 128);
    name.map_or_else(|| id.clone(), |name| format!("{id} ({name})"))
}

fn decide(loaded: &Loaded, verdict: Verdict, code: &str, as_json: bool) -> Result<String, Failure> {
    let config = &loaded.config;
    let op = Op::Pair {
        verdict,
        code: code.to_owned(),
    };
    let decided: Option<Pending> = match setup::ask(config, op)? {
        Some(answer) => serde_json::from_value(answer).map_err(|error| Failure::new(1, error))?,
        None => offline(config, async |desk, pairing| {
            desk.pair(pairing, verdict, code.to_owned(), |channel| {
                pairs(loaded, channel)
            })
            .await
        })?,
    };
    let Some(pending) = decided else {
        let code = printable(code, 32);
        return Err(Failure::new(
            1,
            format!(
                "nobody has the code `{code}`, or its hour is over; `miniclaw pairing list` shows who asks"
            ),
        ));
    };
    if as_json {
        return Ok(format!(
            "{:#}\n",
            json!({ "verdict": verdict, "who": pending.who })
        ));
    }
    let who = who(&pending.who.id, pending.who.name.as_deref());
    let done = match verdict {
        Verdict::Approve => "may write now",
        Verdict::Deny => "was denied",
    };
    Ok(format!("{who} on {} {done}\n", pending.who.channel))
}

fn revoke(config: &Config, channel: &str, id: &str, as_json: bool) -> Result<String, Failure> {
    let op = Op::Unpair {
        channel: channel.to_owned(),
        id: id.to_owned(),
    };
    let revoked = match setup::ask(config, op)? {
        Some(answer) => answer.as_bool().unwrap_or_default(),
        None => offline(config, async |desk, pairing| {
            desk.unpair(pairing, channel.to_owned(), id.to_owned()).await
        })?,
    };
    let (channel, id) = (printable(channel, 64), printable(id, 128));
    if !revoked {
        return Err(Failure::new(
            1,
            format!(
                "nothing was decided of {id} on {channel}; `miniclaw pairing list` shows who may write, and who is in \
                 `allow_from` stands in the configuration"
            ),
        ));
    }
    if as_json {
        return Ok(format!(
            "{:#}\n",
            json!({ "channel": channel, "id": id, "revoked": true })
        ));
    }
    Ok(format!("{id} on {channel} is a stranger again\n"))
}

/// As a gateway that starts with this configuration would have it. One that cannot be used speaks against nobody: who was
/// let in is written down for when it is mended.
fn pairs(loaded: &Loaded, channel: &str) -> bool {
    let configured = loaded.config.channels.get(channel);
    !loaded.is_whole() || configured.is_some_and(|channel| channel.pairing)
}

fn open(config: &Config) -> Result<Arc<Pairing>, Failure> {
    Pairing::open(&config.state_dir()).map_err(|error| Failure::chain(1, &error))
}

/// Without a gateway this process is the one that may write.
fn offline<T>(
    config: &Config,
    act: impl AsyncFnOnce(&Desk, Arc<Pairing>) -> Result<T, String>,
) -> Result<T, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
    if !config.state_dir().exists() {
        let state = config.state_dir();
        return Err(Failure::new(
            1,
            format!("{} does not exist: nobody asked yet", state.display()),
        ));
    }
    let _lock = StateLock::acquire(&config.state_dir()).map_err(|error| failed(&error))?;
    let pairing = open(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let Opened { spool, .. } = SqliteSpool::open(&config.state_dir()).map_err(|error| failed(&error))?;
        let desk = Desk { spool, hub: None };
        let done = act(&desk, pairing).await.map_err(|error| Failure::new(1, error));
        desk.spool.close().await.map_err(|error| failed(&error))?;
        done
    })
}
