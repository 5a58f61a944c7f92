//! What a person can ask of the gateway itself, in every channel.

use miniclaw_plugin_api::InboundMessage;
use serde_json::{Value, json};

use super::ChatHub;
use crate::agent::Answer;
use crate::sessions::Snapshot;
use crate::spool::InboundRow;

/// Commands by name, with what they do, for the channels' menus. Others go to the agent.
const COMMANDS: [(&str, &str); 2] = [
    ("new", "Start a fresh conversation"),
    ("stop", "Stop the answer that is being written"),
];

/// The commands as a plugin is told of them: a list of `command` and `description`.
pub(crate) fn menu() -> Value {
    let entry = |(command, description)| json!({ "command": command, "description": description });
    COMMANDS.into_iter().map(entry).collect()
}

/// Whether a message asks to stop the turn under way.
pub(crate) fn asks_to_stop(message: &InboundMessage) -> bool {
    name(message) == Some("stop")
}

/// Whether a message is for the gateway itself rather than for the agent.
pub(crate) fn is_command(message: &InboundMessage) -> bool {
    name(message).is_some_and(|name| COMMANDS.iter().any(|(command, _)| *command == name))
}

fn name(message: &InboundMessage) -> Option<&str> {
    message.command.as_ref().map(|command| command.name.as_str())
}

impl ChatHub {
    /// Answers a command; `None` for what the agent answers.
    pub(super) async fn command(&self, row: &InboundRow, _: &Snapshot) -> Option<Answer> {
        Some(match name(&row.message)? {
            "new" => Answer {
                new_generation: true,
                ..Answer::note("This is a new conversation.")
            },
            "stop" => Answer::note("Stopped."),
            _ => return None,
        })
    }
}
