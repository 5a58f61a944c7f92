//! `miniclaw trace`: what became of a message, from its acceptance to the platform's ids of its replies.

use std::fmt::Write as _;

use serde_json::json;

use super::args::{Global, Output};
use super::{Failure, setup};
use crate::spool::{Story, wall_ms};
use crate::telemetry::rfc3339_ms;

/// Runs `miniclaw trace`.
///
/// # Errors
/// 1 where the spool cannot be read or does not know the message.
pub(super) fn run(global: &Global, id: u64, output: Output) -> super::Outcome {
    let loaded = setup::usable(global, &[])?;
    setup::start_log(global, &loaded, true)?;
    let reader = setup::reader(&loaded.config)?;
    let story = match reader {
        Some(reader) => reader.story(id).map_err(|error| Failure::chain(1, &error))?,
        None => None,
    };
    let story = story.ok_or_else(|| {
        let text = format!("there is no message {id}: finished ones are kept for 72 hours; ids stand in the log as `inbound` and in `miniclaw queue list`");
        Failure::new(1, text)
    })?;
    if output.json {
        return setup::print(&format!("{:#}\n", json!(story)), 0);
    }
    setup::print(&told(&story), 0)
}

fn told(story: &Story) -> String {
    let unasked = story.inbound == 0;
    let mut text = match unasked {
        true => format!("answers no message  {}\n", story.session),
        false => format!(
            "message {}  {}  ({})\n",
            story.inbound, story.session, story.state
        ),
    };
    let from = story.received_ms;
    let mut say = |at_ms: i64, what: &str| {
        let _ = writeln!(text, "{}  +{} ms  {what}", rfc3339_ms(at_ms), at_ms - from);
    };
    let edit = match story.revision.as_str() {
        "0" => String::new(),
        revision => format!(", revision {revision}"),
    };
    if unasked {
        say(from, &format!("the operator had it sent by `{}`", story.channel));
    } else {
        say(from, &accepted(story, &edit));
    }
    for tried in &story.asked {
        let model = tried["model"]
            .as_str()
            .map(|model| format!(" for {model}"))
            .unwrap_or_default();
        let end = tried["error"]
            .as_str()
            .map_or_else(|| "it answered".to_owned(), |error| format!("it failed: {error}"));
        let provider = tried["provider"].as_str().unwrap_or_default();
        let took = &tried["took_ms"];
        say(
            tried["at_ms"].as_i64().unwrap_or_default(),
            &format!("asked `{provider}`{model}; after {took} ms {end}"),
        );
    }
    if let Some(done) = story.done_ms {
        let how = match (story.state, &story.reason) {
            ("dead", Some(reason)) => format!("a dead letter: {reason}"),
            ("dropped" | "refused", Some(reason)) => reason.clone(),
            _ => "answered, and the answer stored".into(),
        };
        say(done, &how);
    }
    for reply in &story.replies {
        let id = reply.id;
        say(reply.created_ms, &format!("reply {id} put into the outbox"));
        let error = reply.error.as_deref().unwrap_or("no reason was kept");
        let (attempts, ids) = (reply.attempts, reply.message_ids.join(", "));
        let end = match reply.state {
            "sent" => format!("reply {id} sent as message {ids}, attempt {attempts}"),
            "dead" => format!("reply {id} became a dead letter after {attempts} attempts: {error}"),
            "dropped" => format!("reply {id} {error}"),
            _ if attempts == 0 => continue,
            _ => format!("reply {id} still waits after {attempts} attempts: {error}"),
        };
        say(reply.finished_ms.unwrap_or_else(wall_ms), &end);
    }
    text
}

fn accepted(story: &Story, edit: &str) -> String {
    let how = match story.state {
        "refused" => "handed over",
        _ => "accepted",
    };
    format!(
        "{how} as message {} of chat {}{edit} by `{}` (account {})",
        story.message, story.chat, story.channel, story.account
    )
}
