//! `miniclaw status`: how the running gateway is.

mod screen;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Global, StatusArgs};
use super::spans::{ago, span};
use super::usage::Used;
use super::{Failure, Outcome, setup};
use crate::config::Config;
use crate::control::Op;

/// Between the top of a terminal and what is drawn there.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Prints it, once or again and again.
///
/// # Errors
/// 69 where no gateway runs.
pub(super) fn run(global: &Global, args: &StatusArgs) -> Outcome {
    let config = setup::usable(global, &[])?.config;
    let as_json = args.output.json;
    match (look(&config)?, args.watch) {
        (None, _) => {
            if as_json {
                setup::print(&format!("{:#}\n", json!({ "running": false })), 0)?;
            }
            Err(setup::no_gateway(&config.home, setup::START_ONE))
        }
        (Some(seen), None) if as_json => setup::print(&format!("{:#}\n", seen.status), 0),
        (Some(seen), None) => setup::print(&seen.told, 0),
        (Some(seen), Some(pause)) => setup::printed(watch(&config, seen, pause, as_json)),
    }
}

/// A gateway that ends is waited for: it may be on its way to its next start.
fn watch(config: &Config, first: Seen, pause: Duration, as_json: bool) -> std::io::Result<u8> {
    let draws = std::io::stdout().is_terminal() && !as_json;
    let mut seen = Some(Ok(Some(first)));
    let mut begun = false;
    loop {
        let block = match seen.take().unwrap_or_else(|| look(config)) {
            Ok(Some(seen)) if as_json => format!("{}\n", seen.status),
            Ok(None) if as_json => format!("{}\n", json!({ "running": false })),
            Err(failure) if as_json => {
                format!("{}\n", json!({ "running": null, "error": failure.text }))
            }
            Ok(Some(seen)) => seen.told,
            Ok(None) => format!("no gateway runs on {}\n", config.home.display()),
            Err(failure) => format!("{}\n", failure.text),
        };
        let before = match (draws, begun && !as_json) {
            (true, _) => CLEAR,
            (false, true) => "\n",
            (false, false) => "",
        };
        let mut out = std::io::stdout().lock();
        out.write_all(before.as_bytes())?;
        let block = setup::shown(&block);
        let block = if draws {
            screen::fitting(&block).into()
        } else {
            block
        };
        out.write_all(block.as_bytes())?;
        out.flush()?;
        drop(out);
        begun = true;
        std::thread::sleep(pause);
    }
}

/// How the gateway is, for programs and for people.
struct Seen {
    status: Value,
    told: String,
}

/// How it is; `None` where no gateway runs.
fn look(config: &Config) -> Result<Option<Seen>, Failure> {
    let Some(mut status) = setup::ask(config, Op::Status)? else {
        return Ok(None);
    };
    status["running"] = true.into();
    // The gateway has answered, whatever its spool says to this process.
    let used = match Used::today(config) {
        Ok(used) => {
            status["usage_today"] = used.json_of_today();
            used.told_today()
        }
        Err(failure) => {
            status["usage_today"] = Value::Null;
            format!("not known: {}", failure.text)
        }
    };
    let told = format!("{}used today: {used}\n", text(&status));
    Ok(Some(Seen { status, told }))
}

fn text(status: &Value) -> String {
    let mut text = String::new();
    let (version, pid) = (word(status, "version"), &status["pid"]);
    let up = span(millis(status, "up_ms").unwrap_or_default());
    let _ = writeln!(text, "miniclaw {version}, process {pid}, up for {up}");
    if let Some(reason) = status["disk_error"].as_str() {
        let _ = writeln!(
            text,
            "the disk of the state folder takes nothing ({reason}): messages wait at their platforms until it does"
        );
    }
    for channel in list(status, "channels") {
        instance(&mut text, "channel", channel);
        channel_lines(&mut text, channel);
    }
    for provider in list(status, "providers") {
        instance(&mut text, "provider", provider);
        if let Some(left) = millis(provider, "left_alone_ms") {
            let _ = writeln!(text, "  failed repeatedly, is asked again in {}", span(left));
        }
        last_error(&mut text, provider);
    }
    let queue = &status["queue"];
    let _ = writeln!(
        text,
        "queue: {}, {} under way, {}",
        count(queue, "waiting", "message waits", "messages wait"),
        count(queue, "turns", "turn", "turns"),
        count(queue, "dead_letters", "dead letter", "dead letters"),
    );
    let counters = status["counters"].as_object().into_iter().flatten();
    let counters: Vec<_> = counters
        .map(|(name, count)| format!("{} {count}", name.replace('_', " ")))
        .collect();
    let _ = writeln!(text, "since the start: {}", counters.join(", "));
    text
}

fn instance(text: &mut String, kind: &str, of: &Value) {
    let (name, plugin, state) = (word(of, "instance"), word(of, "plugin"), word(of, "state"));
    let _ = write!(text, "{kind} {name}: {state}");
    if plugin != name {
        let _ = write!(text, ", plugin {plugin}");
    }
    for (key, what) in [("version", "version"), ("account", "account")] {
        if let Some(value) = of[key].as_str() {
            let _ = write!(text, ", {what} {value}");
        }
    }
    text.push('\n');
    if let Some(reason) = of["reason"].as_str() {
        let _ = writeln!(text, "  {reason}");
    }
}

fn channel_lines(text: &mut String, channel: &Value) {
    if let Some(heard) = millis(channel, "heard_ms") {
        let _ = writeln!(text, "  heard its platform {}", ago(heard));
    }
    let outage = &channel["outage"];
    if let Some(began) = millis(outage, "began_ms") {
        let reason = word(outage, "reason");
        let _ = match millis(outage, "over_ms") {
            None => writeln!(text, "  outage for {}: {reason}", span(began)),
            Some(over) => writeln!(text, "  last outage over {}: {reason}", ago(over)),
        };
    }
    unheard(text, channel);
    let flood = &channel["flood_wait"];
    if let Some(left) = millis(flood, "left_ms") {
        let whose = if flood["all_chats"] == true {
            "all sends wait"
        } else {
            "sends to a chat wait"
        };
        let _ = writeln!(text, "  flood wait of the platform: {whose} for {}", span(left));
    }
    if channel["replies_waiting"] != 0 {
        let _ = writeln!(
            text,
            "  {}",
            count(channel, "replies_waiting", "reply waits", "replies wait")
        );
    }
    last_error(text, channel);
}

fn unheard(text: &mut String, channel: &Value) {
    if channel["nobody_may_write"] == true {
        let _ = writeln!(
            text,
            "  nobody may write: `allow_from` is empty, and `pairing` is off"
        );
    }
    let name = word(channel, "instance");
    for asked in list(channel, "groups_not_heard") {
        let (group, when) = (
            word(asked, "group"),
            ago(millis(asked, "ago_ms").unwrap_or_default()),
        );
        let _ = writeln!(
            text,
            "  asked {when} in group {group}, which is not in `channels.{name}.groups.allow`"
        );
    }
}

fn last_error(text: &mut String, of: &Value) {
    let error = &of["last_error"];
    if let Some(at) = millis(error, "ago_ms") {
        let _ = writeln!(text, "  last error {}: {}", ago(at), word(error, "error"));
    }
}

fn list<'a>(of: &'a Value, key: &str) -> &'a [Value] {
    of[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or("?")
}

fn millis(of: &Value, key: &str) -> Option<Duration> {
    of[key].as_u64().map(Duration::from_millis)
}

fn count(of: &Value, key: &str, one: &str, many: &str) -> String {
    match of[key].as_u64() {
        None => format!("? {many}"),
        Some(1) => format!("1 {one}"),
        Some(count) => format!("{count} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_sentences() {
        let status = json!({
            "version": "1.2.3", "pid": 7, "up_ms": 11_530_000,
            "disk_error": "database or disk is full",
            "channels": [
                { "instance": "telegram", "kind": "channel", "plugin": "telegram", "version": "1.2.3", "state": "running",
                  "account": "@a_bot", "heard_ms": 3_100, "replies_waiting": 1,
                  "outage": { "reason": "too many requests", "began_ms": 61_000, "over_ms": null },
                  "flood_wait": { "left_ms": 25_400, "all_chats": false } },
                { "instance": "exec", "kind": "channel", "plugin": "exec", "state": "paused", "reason": "no space left",
                  "replies_waiting": 0, "nobody_may_write": true,
                  "groups_not_heard": [{ "group": "-100", "ago_ms": 61_000 }] },
                { "instance": "irc", "kind": "channel", "plugin": "relay", "state": "backoff", "reason": "no route",
                  "replies_waiting": 0, "last_error": { "error": "no route", "ago_ms": 2_000 } },
            ],
            "providers": [{ "instance": "openai", "kind": "provider", "plugin": "openai", "state": "running",
                "left_alone_ms": 9_900, "last_error": { "error": "status 500", "ago_ms": 60_000 } }],
            "queue": { "waiting": 2, "turns": 1, "dead_letters": null },
            "counters": { "received": 3, "turned_away": 0 },
        });
        assert_eq!(
            text(&status),
            "miniclaw 1.2.3, process 7, up for 3 h 12 min\n\
             the disk of the state folder takes nothing (database or disk is full): messages wait at their platforms until it does\n\
             channel telegram: running, version 1.2.3, account @a_bot\n  \
               heard its platform 3 s ago\n  \
               outage for 1 min 1 s: too many requests\n  \
               flood wait of the platform: sends to a chat wait for 25 s\n  \
               1 reply waits\n\
             channel exec: paused\n  \
               no space left\n  \
               nobody may write: `allow_from` is empty, and `pairing` is off\n  \
               asked 1 min 1 s ago in group -100, which is not in `channels.exec.groups.allow`\n\
             channel irc: backoff, plugin relay\n  \
               no route\n  \
               last error 2 s ago: no route\n\
             provider openai: running\n  \
               failed repeatedly, is asked again in 9 s\n  \
               last error 1 min ago: status 500\n\
             queue: 2 messages wait, 1 turn under way, ? dead letters\n\
             since the start: received 3, turned away 0\n"
        );
    }
}
