//! `miniclaw send`: a message in the agent's name, through the running gateway.

use std::io::Read;
use std::path::Path;

use super::args::{Global, SendArgs};
use super::{Failure, Outcome, setup};
use crate::config::Config;
use crate::control::Op;
use crate::dispatch::{self, Dispatched, Message, Parcel};

/// What it means that no gateway runs.
const NOBODY: &str = ", so nothing was sent; start it with `miniclaw gateway`";

/// Runs `miniclaw send`.
///
/// # Errors
/// 69 where no gateway runs; 1 for a text or a file that cannot be sent, and for what the gateway refuses.
pub(super) fn run(global: &Global, args: SendArgs) -> Outcome {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    let config = &loaded.config;
    let text = match args.text.as_deref() {
        Some("-") => from_stdin()?,
        text => text.unwrap_or_default().to_owned(),
    };
    if text.len() > dispatch::MAX_TEXT {
        return Err(Failure::new(
            1,
            format!(
                "the text has {} bytes, {} are the most; send it as a file with --file",
                text.len(),
                dispatch::MAX_TEXT
            ),
        ));
    }
    if text.trim().is_empty() && args.file.is_none() {
        return Err(Failure::new(1, "the text is empty"));
    }
    let parcel = args.file.as_deref().map(|file| pack(config, file)).transpose()?;
    let stored = parcel.as_ref().map(|parcel| parcel.stored.clone());
    let message = Message {
        channel: args.channel,
        chat: args.to,
        thread: args.thread,
        text,
        silent: args.silent,
        parcel,
    };
    let sent = hand_over(config, message).inspect_err(|_| {
        if let Some(stored) = stored {
            dispatch::unpack(&config.state_dir(), &stored);
        }
    })?;
    setup::print(&told(&sent, args.output.json), 0)
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(dispatch::MAX_TEXT as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(1, format!("cannot read the text from stdin: {error}")))?;
    Ok(text)
}

fn pack(config: &Config, file: &Path) -> Result<Parcel, Failure> {
    if !config.state_dir().exists() {
        return Err(setup::no_gateway(&config.home, NOBODY));
    }
    dispatch::pack(&config.state_dir(), file).map_err(|error| Failure::new(1, error))
}

fn hand_over(config: &Config, message: Message) -> Result<Dispatched, Failure> {
    let answer =
        setup::ask(config, Op::Send(message))?.ok_or_else(|| setup::no_gateway(&config.home, NOBODY))?;
    serde_json::from_value(answer).map_err(|error| Failure::new(1, error))
}

fn told(sent: &Dispatched, as_json: bool) -> String {
    if as_json {
        return format!("{:#}\n", serde_json::json!(sent));
    }
    format!("{}\n", sent.id)
}
