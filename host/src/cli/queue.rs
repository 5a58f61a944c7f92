//! `miniclaw queue`: reads the spool beside a running gateway; changes go through the gateway where one runs.

mod change;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use self::change::change;

use super::args::{Global, Output, QueueCommand};
use super::{Failure, setup};
use crate::config::Config;
use crate::control::Op;
use crate::spool::{Filter, Letter, wall_ms};
use crate::telemetry::rfc3339_ms;

/// Runs a command of `miniclaw queue`.
///
/// # Errors
/// 1 where the spool cannot be read or changed, or nothing was found.
pub(super) fn run(global: &Global, command: &QueueCommand) -> super::Outcome {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    let config = &loaded.config;
    let (text, status) = match command {
        QueueCommand::List {
            dead,
            waiting,
            channel,
            limit,
            output,
        } => {
            let filter = Filter {
                dead: (dead != waiting).then_some(*dead),
                channel: channel.clone(),
                limit: *limit,
            };
            (list(config, &filter, *output)?, 0)
        }
        QueueCommand::Show { id, output } => (show(config, *id, *output)?, 0),
        QueueCommand::Retry(selection) => change(config, selection, "retry", |id| Op::Retry { id })?,
        QueueCommand::Drop(selection) => change(config, selection, "drop", |id| Op::Drop { id })?,
    };
    setup::print(&text, status)
}

fn list(config: &Config, filter: &Filter, output: Output) -> Result<String, Failure> {
    let (letters, all) = match setup::reader(config)? {
        Some(reader) => reader
            .letters(filter)
            .map_err(|error| Failure::chain(1, &error))?,
        None => (Vec::new(), 0),
    };
    let counters = setup::ask(config, Op::Counters)?.filter(|counters| !counters.is_null());
    if output.json {
        let text = json!({ "letters": letters, "all": all, "counters": counters });
        return Ok(format!("{text:#}\n"));
    }
    let mut text = String::new();
    let now = wall_ms();
    for letter in &letters {
        text.push_str(&line(letter, now));
    }
    if letters.is_empty() {
        text.push_str(nothing(filter));
    } else if all > letters.len() as u64 {
        let _ = writeln!(
            text,
            "and {} more: --limit shows them",
            all - letters.len() as u64
        );
    }
    if let Some(counters) = counters {
        let count = |name: &str| counters[name].as_u64().unwrap_or_default();
        let _ = writeln!(
            text,
            "since the start of the gateway: {} received, {} journaled, {} done; {} replies delivered, {} dead",
            count("received"),
            count("journaled"),
            count("done"),
            count("delivered"),
            count("dead"),
        );
    }
    Ok(text)
}

/// What an empty list says.
fn nothing(filter: &Filter) -> &'static str {
    match (filter.dead, &filter.channel) {
        (_, Some(_)) => "there is nothing of this channel\n",
        (Some(true), None) => "there are no dead letters\n",
        (Some(false), None) => "nothing waits\n",
        (None, None) => "nothing waits, and there are no dead letters\n",
    }
}

fn line(letter: &Letter, now: i64) -> String {
    let mut text = format!(
        "{}  {} {}  {}  {} old",
        letter.id,
        letter.state,
        letter.kind,
        letter.session,
        age(now - letter.since_ms)
    );
    if letter.attempts > 0 {
        let s = if letter.attempts == 1 { "" } else { "s" };
        let _ = write!(text, "  {} attempt{s}", letter.attempts);
    }
    if letter.state == "waiting" && letter.not_before_ms > now {
        let _ = write!(text, "  next in {}", age(letter.not_before_ms - now));
    }
    if let Some(reason) = &letter.reason {
        let _ = write!(text, "  {}", reason.replace('\n', " "));
    }
    text.push('\n');
    text
}

/// A time span as people say it.
fn age(ms: i64) -> String {
    let span = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn show(config: &Config, id: u64, output: Output) -> Result<String, Failure> {
    let found = match setup::reader(config)? {
        Some(reader) => reader.letter(id).map_err(|error| Failure::chain(1, &error))?,
        None => None,
    };
    let Some((letter, body)) = found else {
        return Err(Failure::new(
            1,
            format!(
                "{id} neither waits nor is it a dead letter; `miniclaw trace {id}` tells what became of a message"
            ),
        ));
    };
    if output.json {
        return Ok(format!("{:#}\n", json!({ "letter": letter, "body": body })));
    }
    let mut text = line(&letter, wall_ms());
    let _ = writeln!(text, "since {}", rfc3339_ms(letter.since_ms));
    let _ = writeln!(text, "inbound {}", letter.inbound);
    for part in body.iter().flat_map(|body| body["parts"].as_array()).flatten() {
        if let Some(said) = part["text"].as_str() {
            let _ = writeln!(text, "text: {said}");
        }
    }
    Ok(text)
}
