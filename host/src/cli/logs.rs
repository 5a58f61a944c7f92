//! `miniclaw logs`: the last lines of the running gateway's log, and those that follow.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde_json::Value;

use super::args::{Global, LogsArgs};
use super::{Failure, Outcome, setup};
use crate::control::{self, Ended, Op};

/// What it means that no gateway runs.
const NOBODY: &str = ", and its log is not kept; of one that systemd ran, `journalctl -u miniclaw` shows it";

/// Prints them.
///
/// # Errors
/// 69 where no gateway runs; 1 where it breaks off.
pub(super) fn run(global: &Global, args: LogsArgs) -> Outcome {
    let config = setup::usable(global, &[])?.config;
    let LogsArgs {
        follow,
        lines,
        channel,
        level,
        output,
    } = args;
    let level = level.map(|level| level as u8);
    if !follow {
        let op = Op::RecentLogs {
            lines,
            channel,
            level,
        };
        let answer = setup::ask(&config, op)?.ok_or_else(|| setup::no_gateway(&config.home, NOBODY))?;
        let lines = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let text: String = lines.iter().map(|line| told(line, output.json)).collect();
        return setup::print(&text, 0);
    }
    let op = Op::FollowLogs {
        lines,
        channel,
        level,
    };
    let mut printed = Ok(());
    let ended = control::watch(&config.state_dir(), op, None, &mut |mut event| {
        let line = match event["kind"].as_str() {
            Some("log") => {
                if let Some(event) = event.as_object_mut() {
                    event.remove("kind");
                }
                told(&event, output.json)
            }
            Some("dropped") => missing(&event, output.json),
            _ => return ControlFlow::Continue(()),
        };
        printed = put(&line);
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    let ended = ended
        .map_err(|error| Failure::new(1, error))?
        .ok_or_else(|| setup::no_gateway(&config.home, NOBODY))?;
    over(&ended, printed)
}

/// How a command ends that listened to a gateway. One whose reader has seen enough is no failure.
pub(super) fn over(ended: &Ended, printed: io::Result<()>) -> Outcome {
    match ended {
        Ended::Told(_) => eprintln!("the gateway has stopped"),
        Ended::Broken | Ended::OutOfTime => {
            let text = "the gateway is gone without a word: it crashed or was killed";
            return Err(Failure::new(1, text));
        }
        Ended::Enough => {}
    }
    setup::printed(printed.map(|()| 0))
}

/// Writes a line at once.
pub(super) fn put(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(setup::shown(line).as_bytes())?;
    out.flush()
}

fn told(line: &Value, as_json: bool) -> String {
    if as_json {
        return format!("{line}\n");
    }
    let word = |key: &str| line[key].as_str().unwrap_or_default();
    let (at, level, target, text) = (word("timestamp"), word("level"), word("target"), word("text"));
    format!("{at} {level:>5} {target}: {text}\n")
}

fn missing(event: &Value, as_json: bool) -> String {
    let count = &event["count"];
    if as_json {
        return format!("{}\n", serde_json::json!({ "dropped": count }));
    }
    format!("{count} lines of the log are missing here: they came faster than they were read\n")
}
