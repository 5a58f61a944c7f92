//! Answers that begin as they should.

use std::time::Duration;

use super::wire::{Protocol, Said};
use crate::http::{End, Reply};

/// What is wrong, or odd, in an answer of the right protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// A good answer, one byte at a time.
    ByteByByte,
    /// A good answer whose media type is that of plain text.
    Mislabelled,
    /// A good answer, whole where pieces were asked for, and in pieces where a whole was.
    OtherForm,
    /// A good answer after signs of life that say nothing.
    KeepAlives,
    /// Cut in the middle of a line, or of the object where that is the whole answer.
    CutInLine,
    /// Cut between the bytes of the first character that has several.
    CutInCharacter,
    /// All of the text and a proper end of the body, but not the answer's own end.
    NoEnd,
    /// An error object in the place of the second half.
    ErrorHalfway,
    /// An error object and nothing else, with status 200.
    ErrorAlone,
    /// Half of a JSON object in the place of the second half, and a proper end of the body.
    BadJsonHalfway,
    /// A line that does not end.
    HugeLine,
    /// Good pieces without end.
    Endless,
    /// One good piece after the other, slower than anybody waits for the whole.
    Trickle,
    /// Nothing but white space.
    WhiteSpace,
    /// Nothing but thoughts.
    OnlyReasoning,
    /// Thoughts, and then the answer.
    ReasoningFirst,
    /// No text, because a filter held it back.
    ContentFilter,
    /// The text so far, at the limit of tokens.
    Length,
}

impl Twist {
    pub(super) fn reply(self, protocol: Protocol, model: &str, text: &str, stream: bool) -> Reply {
        let (content_type, good) = protocol.bytes(model, text, stream);
        let cut = |at: usize| body_of(content_type, good[..at].to_vec(), End::Cut);
        match self {
            Self::ByteByByte => Reply::Stream {
                content_type,
                pieces: good.iter().map(|byte| (Duration::ZERO, vec![*byte])).collect(),
                end: End::Complete,
            },
            Self::Mislabelled => body_of("text/plain", good, End::Complete),
            Self::OtherForm => protocol.answer(model, text, !stream),
            Self::CutInLine => cut(good.len() / 2),
            Self::CutInCharacter => cut(good.iter().position(|byte| *byte >= 0x80).map_or(1, |at| at + 1)),
            Self::HugeLine | Self::Endless | Self::Trickle => {
                let (wait, piece) = self.without_end(protocol, model, stream);
                Reply::Endless {
                    content_type,
                    wait,
                    piece,
                }
            }
            Self::KeepAlives => {
                let body = [keep_alive(content_type).as_bytes(), &good].concat();
                body_of(content_type, body, End::Complete)
            }
            _ => body_of(
                content_type,
                self.body(protocol, model, text, stream),
                End::Complete,
            ),
        }
    }

    /// What comes again and again, and how soon.
    fn without_end(self, protocol: Protocol, model: &str, stream: bool) -> (Duration, Vec<u8>) {
        let (wait, size) = match self {
            Self::Trickle => (Duration::from_millis(50), 1),
            _ => (Duration::ZERO, 16 * 1024),
        };
        let piece = match (self, stream) {
            (Self::HugeLine, _) => vec![b'x'; size],
            (_, true) => protocol.piece(model, &"x".repeat(size)).into_bytes(),
            // White space is good JSON as long as nothing else comes.
            (_, false) => vec![b' '; size],
        };
        (wait, piece)
    }

    /// A body that comes to its end.
    fn body(self, protocol: Protocol, model: &str, text: &str, stream: bool) -> Vec<u8> {
        let good = |text: &str| protocol.bytes(model, text, stream).1;
        let half = if stream {
            let half = &text[..text.floor_char_boundary(text.len() / 2)];
            protocol.begin(model) + &protocol.piece(model, half)
        } else {
            String::new()
        };
        match self {
            Self::NoEnd if stream => protocol.piece(model, text).into_bytes(),
            Self::NoEnd => good(text)[..good(text).len() - 1].to_vec(),
            Self::ErrorHalfway => [half.into_bytes(), protocol.object(&protocol.error(), stream)].concat(),
            Self::ErrorAlone => protocol.object(&protocol.error(), stream),
            Self::BadJsonHalfway => format!("{half}data: {{\"choices\": [{{\n\n").into_bytes(),
            Self::WhiteSpace => good(" \n\t\u{a0} "),
            Self::OnlyReasoning | Self::ContentFilter => self.message(protocol, model, "", stream),
            _ => self.message(protocol, model, text, stream),
        }
    }

    /// An answer in one piece, with thoughts and a reason to finish of its own.
    fn message(self, protocol: Protocol, model: &str, text: &str, stream: bool) -> Vec<u8> {
        let reason = match self {
            Self::ContentFilter => "content_filter",
            Self::Length => "length",
            _ => "stop",
        };
        let thoughts = match self {
            Self::OnlyReasoning | Self::ReasoningFirst => "let me think",
            _ => "",
        };
        let said = Said {
            thoughts,
            text,
            reason,
        };
        protocol.message(model, &said, stream)
    }
}

fn keep_alive(content_type: &str) -> &'static str {
    match content_type {
        "text/event-stream" => ": ping\n\n: ping\n\n",
        _ => "\n \n\n",
    }
}

fn body_of(content_type: &'static str, body: Vec<u8>, end: End) -> Reply {
    Reply::Stream {
        content_type,
        pieces: vec![(Duration::ZERO, body)],
        end,
    }
}
