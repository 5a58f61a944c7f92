//! A conversation as APIs want it whose roles alternate.

use std::sync::LazyLock;

use super::{CompletionRequest, ContentPart, Role};

/// What stands in the place of the person's words where the model speaks first, or nobody does.
static OPENING: LazyLock<ContentPart> = LazyLock::new(|| ContentPart::Text { text: "…".into() });

/// The conversation of a [`CompletionRequest`] in the form that some APIs insist on: instructions apart, and the
/// person, who begins, and the model taking turns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Turns<'a> {
    /// All instructions, an empty line between two of them; empty where there are none.
    pub system: String,
    /// The turns, oldest first.
    pub turns: Vec<Turn<'a>>,
}

/// What one side says before it is the other's turn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Turn<'a> {
    /// Whether the model speaks; otherwise the person, or the tools.
    pub by_model: bool,
    /// What is said, results of tools first; never empty. Texts without anything to see, and kinds that this side does
    /// not know, are left out.
    pub parts: Vec<&'a ContentPart>,
}

impl CompletionRequest {
    /// The conversation with neighbours of the same side joined.
    pub fn turns(&self) -> Turns<'_> {
        let mut system: Vec<String> = Vec::new();
        let mut turns: Vec<Turn<'_>> = Vec::new();
        for message in &self.messages {
            if message.role == Role::System {
                system.extend(Some(message.text()).filter(|text| !text.trim().is_empty()));
                continue;
            }
            let parts = message.parts.iter().filter(|part| says_something(part));
            let by_model = message.role == Role::Assistant;
            for part in parts {
                match turns.last_mut() {
                    Some(turn) if turn.by_model == by_model => turn.parts.push(part),
                    _ => {
                        if by_model && turns.is_empty() {
                            turns.push(Turn::opening());
                        }
                        turns.push(Turn {
                            by_model,
                            parts: vec![part],
                        });
                    }
                }
            }
        }
        if turns.is_empty() {
            turns.push(Turn::opening());
        }
        for turn in &mut turns {
            turn.parts
                .sort_by_key(|part| !matches!(part, ContentPart::ToolResult { .. }));
        }
        Turns {
            system: system.join("\n\n"),
            turns,
        }
    }
}

impl Turn<'_> {
    fn opening() -> Self {
        Self {
            by_model: false,
            parts: vec![&OPENING],
        }
    }
}

fn says_something(part: &ContentPart) -> bool {
    match part {
        ContentPart::Text { text } => !text.trim().is_empty(),
        ContentPart::Other => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChatMessage;

    fn texts(messages: Vec<ChatMessage>) -> (String, Vec<(bool, String)>) {
        let request = CompletionRequest::new(messages);
        let Turns { system, turns } = request.turns();
        let said = |turn: Turn<'_>| {
            let texts = turn.parts.into_iter().map(|part| match part {
                ContentPart::Text { text } | ContentPart::ToolResult { text, .. } => text.as_str(),
                _ => "?",
            });
            (turn.by_model, texts.collect::<Vec<_>>().join("+"))
        };
        (system, turns.into_iter().map(said).collect())
    }

    #[test]
    fn neighbours_join_and_instructions_stand_apart() {
        let (system, turns) = texts(vec![
            ChatMessage::new(Role::System, "a"),
            ChatMessage::new(Role::User, "one"),
            ChatMessage::new(Role::System, " "),
            ChatMessage::new(Role::User, "two"),
            ChatMessage::new(Role::Assistant, " \n"),
            ChatMessage::new(Role::User, "three"),
            ChatMessage::new(Role::Assistant, "four"),
            ChatMessage::new(Role::System, "b"),
        ]);
        assert_eq!(system, "a\n\nb");
        assert_eq!(turns, [(false, "one+two+three".into()), (true, "four".into())]);
    }

    #[test]
    fn instructions_alone_are_followed_by_a_turn() {
        let (system, turns) = texts(vec![
            ChatMessage::new(Role::System, "a"),
            ChatMessage::new(Role::User, " "),
        ]);
        assert_eq!((system.as_str(), turns), ("a", vec![(false, "…".into())]));
    }

    #[test]
    fn the_person_begins_and_results_of_tools_come_first() {
        let result = ContentPart::ToolResult {
            id: "1".into(),
            text: "result".into(),
            is_error: false,
        };
        let (_, turns) = texts(vec![
            ChatMessage::new(Role::Assistant, "hello"),
            ChatMessage::new(Role::User, "hi"),
            ChatMessage {
                role: Role::Tool,
                parts: vec![ContentPart::Other, result],
            },
        ]);
        let expected = [(false, "…"), (true, "hello"), (false, "result+hi")];
        assert_eq!(
            turns,
            expected.map(|(by_model, text)| (by_model, text.to_owned()))
        );
    }
}
