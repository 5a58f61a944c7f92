//! What of a request fits into a model's window.

use std::borrow::Cow;

use miniclaw_plugin_api::{Cause, Error, Role};

use super::{Message, Part, Parts, Request, after_notes};
use crate::agent::tokens::{MESSAGE, PICTURE, clip_middle, estimate};

/// Marks the error of a message that fits no request.
const TOO_LONG: &str = "message_too_long";
/// Of the room for a history a long message of it takes one of so many parts: the last question and its answer leave half
/// of it to those before.
const SHARE: u64 = 4;
/// No answer is given more room than this.
const LONGEST_ANSWER: u64 = 4_096;

/// Tokens that a model reads and writes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) tokens: u64,
    /// Somebody said so; otherwise it is a guess, and nothing is refused for its sake.
    pub(crate) known: bool,
}

impl Window {
    /// Where nobody says: what the models of servers that say nothing have by now. A server that takes less says so, and is
    /// believed.
    pub(crate) const DEFAULT: Self = Self {
        tokens: 32_768,
        known: false,
    };

    /// One that lets requests of so many tokens through.
    pub(crate) fn of_room(tokens: u64) -> Self {
        Self {
            tokens: tokens + tokens / 3,
            known: false,
        }
    }

    /// What a request may take: a quarter is left to the answer.
    pub(crate) fn room(self) -> u64 {
        self.tokens - (self.tokens / 4).min(LONGEST_ANSWER)
    }
}

impl<'a> Request<'a> {
    /// The request with as much of the history as fits. Instructions and the message to answer always stay. Where the
    /// history does not fit, the middle of long messages goes first, so that none of them keeps out all that came before;
    /// then the oldest, a message of the user's together with what answered it, and the summary last of all.
    ///
    /// # Errors
    /// Permanent and [`Cause::TooLarge`] where the message alone does not fit into a window that is known.
    pub(in crate::agent) fn fit(&self, window: Window) -> Result<Self, Error> {
        let mut fitted = self.clone();
        let begin = usize::from(
            self.messages
                .first()
                .is_some_and(|first| first.role == Role::System),
        );
        let end = self.messages.len().saturating_sub(1).max(begin);
        let fixed: u64 = self.messages[..begin]
            .iter()
            .chain(&self.messages[end..])
            .map(Message::tokens)
            .sum();
        fitted.tokens = fixed;
        let mut left = match window.room().checked_sub(fixed) {
            Some(left) => left,
            None if window.known => {
                let what = "the message and the instructions are longer than the model can take";
                return Err(too_long(Error::permanent(what).because(Cause::TooLarge)));
            }
            None => 0,
        };
        if let Some(note) = self.summary.map(summary_note) {
            let tokens = estimate(&note) + 1;
            match left.checked_sub(tokens) {
                Some(rest) => (left, fitted.tokens) = (rest, fixed + tokens),
                None => fitted.summary = None,
            }
        }
        let (mut kept, mut tokens) = fitted.kept(begin..end, left);
        if kept > begin {
            for message in &mut fitted.messages[begin..end] {
                message.shorten(left / SHARE);
            }
            (kept, tokens) = fitted.kept(begin..end, left);
        }
        fitted.tokens += tokens;
        fitted.messages.drain(begin..kept);
        fitted.place_summary();
        Ok(fitted)
    }

    /// Whether part of the history of `whole` is missing.
    pub(in crate::agent) fn is_shorter_than(&self, whole: &Self) -> bool {
        self.messages.len() < whole.messages.len()
    }

    /// Where the part of the history begins that fits, and its tokens.
    fn kept(&self, history: std::ops::Range<usize>, room: u64) -> (usize, u64) {
        let (mut kept, mut used) = ((history.end, 0), 0);
        for at in history.clone().rev() {
            used += self.messages[at].tokens();
            if used > room {
                return kept;
            }
            if self.messages[at].role == Role::User {
                kept = (at, used);
            }
        }
        // All of it fits, however it begins.
        (history.start, used)
    }

    /// Before the first words of the user: many models take instructions at the beginning alone, and it is none.
    fn place_summary(&mut self) {
        let Some(summary) = self.summary.take() else {
            return;
        };
        let first = self
            .messages
            .iter_mut()
            .find(|message| message.role == Role::User);
        if let Some(text) = first.and_then(|first| first.parts.text_mut()) {
            *text = after_notes(summary_note(summary), text).into();
        }
    }

    /// Whether there is more to it than instructions and the message to answer.
    pub(in crate::agent) fn has_history(&self) -> bool {
        let instructed = self
            .messages
            .first()
            .is_some_and(|first| first.role == Role::System);
        self.messages.len() > 1 + usize::from(instructed)
    }
}

impl Message<'_> {
    /// Leaves out the middle of a text that takes more, and pictures that take more than twice as much.
    fn shorten(&mut self, tokens: u64) {
        let pictures = PICTURE * self.parts.all().len().saturating_sub(1) as u64;
        if let Parts::Mixed(parts) = &mut self.parts
            && pictures > 2 * tokens
        {
            parts.truncate(1);
        }
        let Some(text) = self.parts.text_mut() else { return };
        if let Cow::Owned(shorter) = clip_middle(text, tokens.saturating_sub(MESSAGE)) {
            *text = Cow::Owned(shorter);
        }
    }

    fn tokens(&self) -> u64 {
        self.parts.all().iter().map(Part::tokens).sum::<u64>() + MESSAGE
    }
}

/// Whether a message was too long for its model.
pub(in crate::agent) fn is_too_long(error: &Error) -> bool {
    error.meta.contains_key(TOO_LONG)
}

fn summary_note(summary: &str) -> String {
    format!("[Summary of our conversation so far: {}]", summary.trim())
}

/// Marks an error as that of a message that is too long by itself.
pub(in crate::agent) fn too_long(error: Error) -> Error {
    error.with(TOO_LONG, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agent::Prompt;
    use crate::sessions::{Entry, Summary};

    fn entry(role: Role, text: &str, summary: bool) -> Entry {
        Entry {
            summary: summary.then_some(Summary {
                keeps: 0,
                stands_for: 2,
            }),
            ..Entry::new(role, text, 0)
        }
    }

    fn texts(request: &Request<'_>) -> Vec<String> {
        request
            .messages
            .iter()
            .map(|message| match &message.parts.all()[0] {
                Part::Text { text } => text.to_string(),
                Part::Image { .. } => panic!("a picture stands first"),
            })
            .collect()
    }

    fn window(tokens: u64, known: bool) -> Window {
        Window { tokens, known }
    }

    fn history() -> impl Strategy<Value = Vec<Entry>> {
        let one = (
            prop_oneof![Just(Role::User), Just(Role::Assistant)],
            "[a-z]{1,60}",
        );
        let one = one.prop_map(|(role, text)| entry(role, &text, false));
        (prop::option::of("[a-z]{1,30}"), prop::collection::vec(one, 0..20)).prop_map(
            |(summary, mut entries)| {
                entries.splice(0..0, summary.map(|text| entry(Role::System, &text, true)));
                entries
            },
        )
    }

    #[test]
    fn the_summary_stands_before_the_first_words_of_the_user() {
        let prompt = Prompt::new("be kind", std::path::Path::new("/nowhere"));
        let history = [
            entry(Role::System, "They met.", true),
            entry(Role::User, "a", false),
            entry(Role::Assistant, "b", false),
        ];
        let request = prompt.request(&history, "c", &[]);
        let fitted = request.fit(Window::DEFAULT).unwrap();
        assert_eq!(
            texts(&fitted),
            [
                "be kind",
                "[Summary of our conversation so far: They met.]\na",
                "b",
                "c"
            ]
        );
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_by_a_known_window_alone() {
        let prompt = Prompt::new("", std::path::Path::new("/nowhere"));
        let long = "x ".repeat(1_000);
        let request = prompt.request(&[], &long, &[]);
        assert!(is_too_long(&request.fit(window(300, true)).unwrap_err()));
        assert_eq!(texts(&request.fit(window(300, false)).unwrap()), [long.as_str()]);
    }

    #[test]
    fn a_long_message_keeps_none_out_that_came_before() {
        let prompt = Prompt::new("be kind", std::path::Path::new("/nowhere"));
        let long = "lorem ipsum ".repeat(1_000);
        let history = [
            entry(Role::User, "CODEWORD", false),
            entry(Role::Assistant, "noted", false),
            entry(Role::User, &long, false),
            entry(Role::Assistant, &long, false),
        ];
        let request = prompt.request(&history, "now", &[]);
        let window = window(1_500, true);
        let fitted = request.fit(window).unwrap();
        let kept = texts(&fitted);
        assert_eq!((kept.len(), &*kept[1], &*kept[2]), (6, "CODEWORD", "noted"));
        for long in &kept[3..5] {
            assert!(
                long.starts_with("lorem ipsum ") && long.ends_with("lorem ipsum ") && long.contains("[…]")
            );
        }
        assert!(fitted.tokens <= window.room());
        let whole = request.fit(super::Window::of_room(20_000)).unwrap();
        assert_eq!(texts(&whole)[3], long, "what fits is left as it is");
    }

    proptest! {
        #[test]
        fn what_is_kept_fits_is_the_end_and_grows_with_the_window(
            history in history(),
            tokens in 256..2_000u64,
            more in 0..500u64,
        ) {
            let prompt = Prompt::new("be kind", std::path::Path::new("/nowhere"));
            let request = prompt.request(&history, "now", &[]);
            let small = request.fit(window(tokens, true)).unwrap();
            let large = request.fit(window(tokens + more, true)).unwrap();
            let counted: u64 = small.messages.iter().map(Message::tokens).sum();
            prop_assert!(counted <= small.tokens && small.tokens <= window(tokens, true).room());
            prop_assert!(small.messages.len() <= large.messages.len());
            let (all, kept) = (texts(&request), texts(&small));
            prop_assert_eq!(kept.first(), all.first());
            prop_assert!(kept.last().unwrap().ends_with("now"));
            for (kept, all) in kept[1..].iter().rev().zip(all.iter().rev()) {
                prop_assert!(kept.ends_with(all.as_str()));
            }
            let whole = small.messages.len() == request.messages.len();
            prop_assert!(whole || small.messages[1].role == Role::User, "pairs stay together");
        }
    }
}
