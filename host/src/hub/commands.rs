//! What a person can ask of the gateway itself, in every channel.

mod model;
mod status;

use miniclaw_plugin_api::InboundMessage;
use serde_json::{Value, json};

use super::{ChatHub, Policy, lock};
use crate::agent::Answer;
use crate::sessions::Snapshot;
use crate::spool::InboundRow;

/// Commands by name, with what they do, for the channels' menus. Others go to the agent.
const COMMANDS: [(&str, &str); 5] = [
    ("help", "Show what you can ask of me"),
    ("new", "Start a fresh conversation"),
    ("stop", "Stop the answer that is being written"),
    ("status", "Show the model and what this conversation used"),
    ("model", "Show the models, or choose one for this conversation"),
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
    name(message).is_some()
}

/// The name of a command of the gateway's; people write it in letters of either case.
fn name(message: &InboundMessage) -> Option<&'static str> {
    let given = message.command.as_ref()?.name.as_str();
    let mut names = COMMANDS.into_iter().map(|(command, _)| command);
    names.find(|command| command.eq_ignore_ascii_case(given))
}

impl ChatHub {
    /// Answers a command; `None` for what the agent answers.
    pub(super) async fn command(
        &self,
        row: &InboundRow,
        policy: &Policy,
        snapshot: &Snapshot,
    ) -> Option<Answer> {
        Some(match name(&row.message)? {
            "help" => Answer::note(help()),
            "new" => Answer {
                new_generation: true,
                ..Answer::note("This is a new conversation.")
            },
            "stop" if lock(&self.stopped).remove(&row.seq) => Answer::note("Stopped."),
            "stop" => Answer::note("There is nothing to stop."),
            "status" => Answer::note(self.status(row, policy, snapshot).await),
            "model" => self.model(row, policy, snapshot).await,
            _ => return None,
        })
    }

    /// Whether the sender may change what holds for everybody in the conversation.
    pub(super) fn is_admin(&self, row: &InboundRow) -> bool {
        self.channels.is_admin(&row.channel, &row.message.sender.id)
    }
}

fn help() -> String {
    let lines = COMMANDS.map(|(command, description)| format!("/{command}: {description}"));
    format!(
        "You can ask me anything. Beside that I know:\n\n- {}",
        lines.join("\n- ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_in_letters_of_either_case() {
        let mut message = InboundMessage::new("7", "1", "42", "/Stop");
        assert!(!is_command(&message));
        for (name, known, stops) in [
            ("Stop", true, true),
            ("NEW", true, false),
            ("nEwer", false, false),
        ] {
            message.command = Some(miniclaw_plugin_api::Command {
                name: name.into(),
                args: String::new(),
            });
            assert_eq!(
                (is_command(&message), asks_to_stop(&message)),
                (known, stops),
                "{name}"
            );
        }
    }

    #[test]
    fn every_command_is_in_the_help_and_in_the_menu() {
        for (command, description) in COMMANDS {
            assert!(help().contains(&format!("/{command}: {description}")));
        }
        assert_eq!(menu().as_array().map(Vec::len), Some(COMMANDS.len()));
    }
}
