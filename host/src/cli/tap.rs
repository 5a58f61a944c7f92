//! `miniclaw tap`: what happens in the running gateway, as it happens.

use std::ops::ControlFlow;

use serde_json::json;

use super::args::{Global, TapArgs};
use super::{Failure, Outcome, logs, setup};
use crate::control::{self, Op};

/// Prints each event as a line of JSON until the gateway stops.
///
/// # Errors
/// 69 where no gateway runs; 1 where it breaks off.
pub(super) fn run(global: &Global, args: TapArgs) -> Outcome {
    let config = setup::usable(global, &[])?.config;
    let op = Op::Tap {
        channel: args.channel,
        session: args.session,
        text: args.text,
    };
    let mut printed = Ok(());
    let ended = control::watch(&config.state_dir(), op, None, &mut |event| {
        let line = match event["kind"].as_str() {
            Some("begun") => {
                let (pid, home) = (&event["pid"], config.home.display());
                eprintln!("listening to the gateway on {home}, process {pid}; Ctrl-C ends this");
                return ControlFlow::Continue(());
            }
            Some("dropped") => json!({ "event": "dropped", "count": event["count"] }),
            _ => event,
        };
        printed = logs::put(&format!("{line}\n"));
        match printed {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    let ended = ended
        .map_err(|error| Failure::new(1, error))?
        .ok_or_else(|| setup::no_gateway(&config.home, setup::START_ONE))?;
    logs::over(&ended, printed)
}
