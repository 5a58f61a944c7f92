//! Tells the thoughts of a model from its answer where a server gives both as one text.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes a text that begins with `<think>…</think>` apart, piece by piece as it is streamed.
///
/// Only the begin of an answer counts: an answer that speaks *about* the mark stays as it is.
#[derive(Debug, Default)]
pub struct Thoughts {
    state: State,
    /// What may yet turn out to be a mark; shorter than the mark, but for white space before it.
    held: String,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    /// Nothing but white space and perhaps the begin of a mark.
    #[default]
    Undecided,
    Thinking,
    /// The white space between the thoughts and the answer.
    Between,
    Answering,
}

/// What a piece turned out to be; either may be empty.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Said {
    /// Thoughts; they came before `text`.
    pub thoughts: String,
    /// Text of the answer.
    pub text: String,
}

impl Thoughts {
    /// Takes the next piece of the text.
    pub fn push(&mut self, piece: &str) -> Said {
        let mut said = Said::default();
        if self.state == State::Answering {
            piece.clone_into(&mut said.text);
            return said;
        }
        self.held.push_str(piece);
        if self.state == State::Undecided {
            self.decide();
        }
        if self.state == State::Thinking {
            self.think(&mut said);
        }
        if self.state == State::Between {
            let text = self.held.trim_start();
            if !text.is_empty() {
                self.state = State::Answering;
                text.clone_into(&mut said.text);
            }
            self.held.clear();
        } else if self.state == State::Answering {
            said.text.push_str(&std::mem::take(&mut self.held));
        }
        said
    }

    /// Takes the end of the text: what was held back is what it seemed to be.
    pub fn end(&mut self) -> Said {
        let held = std::mem::take(&mut self.held);
        let mut said = Said::default();
        match std::mem::replace(&mut self.state, State::Answering) {
            State::Thinking => said.thoughts = held,
            _ => said.text = held,
        }
        said
    }

    fn decide(&mut self) {
        let begin = self.held.trim_start();
        if let Some(rest) = begin.strip_prefix(OPEN) {
            self.held = rest.to_owned();
            self.state = State::Thinking;
        } else if !OPEN.starts_with(begin) {
            self.state = State::Answering;
        }
    }

    fn think(&mut self, said: &mut Said) {
        if let Some((thoughts, rest)) = self.held.split_once(CLOSE) {
            thoughts.clone_into(&mut said.thoughts);
            self.held = rest.to_owned();
            self.state = State::Between;
            return;
        }
        let kept = (1..CLOSE.len())
            .rev()
            .find(|length| self.held.ends_with(&CLOSE[..*length]))
            .unwrap_or_default();
        let mark = self.held.split_off(self.held.len() - kept);
        said.thoughts = std::mem::replace(&mut self.held, mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it, cut into pieces of `size` characters.
    fn split(text: &str, size: usize) -> (String, String) {
        let mut thoughts = Thoughts::default();
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters.chunks(size).map(|piece| piece.iter().collect::<String>());
        let mut all: Vec<Said> = pieces.map(|piece| thoughts.push(&piece)).collect();
        all.push(thoughts.end());
        let join = |part: fn(&Said) -> &str| all.iter().map(part).collect();
        (join(|said| &said.thoughts), join(|said| &said.text))
    }

    #[test]
    fn thoughts_at_the_begin_are_told_from_the_answer_however_they_are_cut() {
        let cases = [
            ("<think>hm <b> ok</think>\n\nHello", "hm <b> ok", "Hello"),
            (
                " \n<think>\nh\u{e4}m\n</think>Hello </think>",
                "\nh\u{e4}m\n",
                "Hello </think>",
            ),
            ("Hello <think>x</think>", "", "Hello <think>x</think>"),
            ("<thin", "", "<thin"),
            ("<thing> is", "", "<thing> is"),
            ("  indented", "", "  indented"),
            ("<think>never ends </th", "never ends </th", ""),
            ("<think></think>\n", "", ""),
            ("", "", ""),
        ];
        for (text, thoughts, answer) in cases {
            for size in 1..=text.chars().count().max(1) {
                assert_eq!(
                    split(text, size),
                    (thoughts.into(), answer.into()),
                    "{text:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn an_answer_without_thoughts_is_held_back_for_nothing() {
        let mut thoughts = Thoughts::default();
        assert_eq!(thoughts.push("H").text, "H");
        assert_eq!(thoughts.push("<think>").text, "<think>");
        let mut thoughts = Thoughts::default();
        assert_eq!(thoughts.push("<think>a").thoughts, "a");
        assert_eq!(thoughts.push("b<").thoughts, "b");
    }
}
