//! `miniclaw reload`: the running gateway takes up its configuration as it is by now.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{Global, Output};
use super::config::BAD_CONFIG;
use super::{Failure, Outcome, setup};
use crate::config;
use crate::control::{self, Op};
use crate::gateway::{Changed, Taken};
use crate::telemetry::printable;

/// What it means that no gateway runs.
const NOBODY: &str = "; the next one reads the configuration that is there by then";

/// Runs `miniclaw reload`: 0 where all of it was taken up, 1 where nothing was or an instance failed.
///
/// # Errors
/// 69 where no gateway runs.
pub(super) fn run(global: &Global, output: Output) -> Outcome {
    // The configuration itself may be what the gateway refuses: only its place is needed.
    let place = config::place(&setup::sources(global, &[]));
    let place = place.map_err(|errors| Failure::new(BAD_CONFIG, errors))?;
    let answer =
        control::ask(&config::state_of(&place.home), Op::Reload).map_err(|error| Failure::new(1, error))?;
    let answer = answer.ok_or_else(|| setup::no_gateway(&place.home, NOBODY))?;
    let taken: Taken = serde_json::from_value(answer).map_err(|error| Failure::new(1, error))?;
    let status = u8::from(!taken.is_whole());
    if output.json {
        return setup::print(&format!("{:#}\n", json!(taken)), status);
    }
    if !taken.errors.is_empty() {
        return Err(Failure::new(1, refused(&taken.errors)));
    }
    setup::print(&told(&taken), status)
}

fn refused(errors: &[Value]) -> String {
    let line = |error: &Value| {
        let text = |field| {
            error
                .get(field)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let place = text("origin").map(|origin| format!("{origin}: "));
        let key = text("key").map(|key| format!("key `{key}`: "));
        let message = text("message").unwrap_or_default();
        format!(
            "{}{}{message}",
            place.unwrap_or_default(),
            key.unwrap_or_default()
        )
    };
    let lines: Vec<String> = errors.iter().map(|error| printable(&line(error), 4096)).collect();
    format!(
        "nothing is taken up, the configuration before stays in effect:\n{}",
        lines.join("\n")
    )
}

fn told(taken: &Taken) -> String {
    let mut text = String::new();
    for Changed {
        instance,
        ok,
        outcome,
    } in &taken.instances
    {
        let failed = if *ok { "" } else { "failed: " };
        let _ = writeln!(text, "{instance}: {failed}{}", printable(outcome, 4096));
    }
    if !taken.next_start.is_empty() {
        let _ = writeln!(
            text,
            "at the next start of the gateway: {}",
            taken.next_start.join(", ")
        );
    }
    text += match taken.instances.iter().all(|change| change.ok) {
        true => "The configuration is in effect.\n",
        false => "The configuration is in effect, except for what failed above.\n",
    };
    text
}
