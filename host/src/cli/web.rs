//! `miniclaw web`.

use super::args::{Global, WebArgs};
use super::{Failure, Outcome, setup};
use crate::control::Op;
use crate::gateway::Link;

/// Prints a link that opens the web chat once.
///
/// # Errors
/// 69 where no gateway runs, 1 with its refusal, 78 for a configuration that cannot be used.
pub(super) fn run(global: &Global, args: WebArgs) -> Outcome {
    let config = setup::usable(global, &[])?.config;
    let op = Op::Link {
        channel: args.channel,
    };
    let answer = setup::ask(&config, op)?.ok_or_else(|| setup::no_gateway(&config.home, setup::START_ONE))?;
    if args.output.json {
        return setup::print(&format!("{answer:#}\n"), 0);
    }
    let link: Link = serde_json::from_value(answer)
        .map_err(|error| Failure::new(1, format!("the gateway's answer is not understood: {error}")))?;
    let minutes = link.valid_s / 60;
    eprintln!("It opens once, within {minutes} minutes:");
    setup::print(&format!("{}\n", link.url), 0)
}
