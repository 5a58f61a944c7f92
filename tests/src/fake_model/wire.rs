//! Answers in the two protocols.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{End, Reply};

pub(super) const OPENAI_MODELS: &str =
    r#"{"object":"list","data":[{"id":"fake","object":"model","created":0,"owned_by":"tests"}]}"#;
pub(super) const OLLAMA_MODELS: &str = r#"{"models":[{"name":"fake","model":"fake","size":1}]}"#;

/// Pieces that a streamed answer comes in.
const PIECES: usize = 3;

#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    OpenAi,
    Ollama,
}

impl Protocol {
    /// A good answer.
    pub(super) fn answer(self, model: &str, text: &str, stream: bool) -> Reply {
        if !stream {
            return Reply::json(200, self.whole(model, text).to_string());
        }
        let mut pieces: Vec<String> = split(text)
            .into_iter()
            .map(|piece| self.piece(model, piece))
            .collect();
        pieces.push(self.end(model));
        self.stream(pieces, End::Complete)
    }

    /// Half an answer in pieces, and then what `end` says.
    pub(super) fn broken(self, model: &str, text: &str, end: End) -> Reply {
        let half = split(text).first().copied().unwrap_or_default();
        self.stream(vec![self.piece(model, half)], end)
    }

    /// An answer that calls a tool and says nothing.
    pub(super) fn tool_call(self, model: &str, stream: bool) -> Reply {
        let call = json!([{ "index": 0, "id": "call_1", "type": "function",
            "function": { "name": "no_such_tool", "arguments": "{}" } }]);
        let ollama_call = json!([{ "function": { "name": "no_such_tool", "arguments": {} } }]);
        match (self, stream) {
            (Self::OpenAi, false) => {
                let mut whole = self.whole(model, "");
                whole["choices"][0]["message"]["tool_calls"] = call;
                whole["choices"][0]["finish_reason"] = json!("tool_calls");
                Reply::json(200, whole.to_string())
            }
            (Self::OpenAi, true) => {
                let delta = event(
                    &json!({ "id": "c", "object": "chat.completion.chunk", "model": model,
                    "choices": [{ "index": 0, "delta": { "tool_calls": call }, "finish_reason": "tool_calls" }] }),
                );
                self.stream(vec![delta, "data: [DONE]\n\n".into()], End::Complete)
            }
            (Self::Ollama, _) => {
                let line = json!({ "model": model, "message": { "role": "assistant", "content": "",
                    "tool_calls": ollama_call }, "done": true, "done_reason": "stop" });
                self.stream(vec![format!("{line}\n")], End::Complete)
            }
        }
    }

    /// A good answer's media type and bytes, before any framing.
    pub(super) fn bytes(self, model: &str, text: &str, stream: bool) -> (&'static str, Vec<u8>) {
        match self.answer(model, text, stream) {
            Reply::Stream {
                content_type, pieces, ..
            } => (
                content_type,
                pieces.into_iter().flat_map(|(_, piece)| piece).collect(),
            ),
            Reply::Full {
                content_type, body, ..
            } => (content_type, body),
            _ => ("", Vec::new()),
        }
    }

    /// The bytes of any object as one piece of a stream, or as a whole answer.
    pub(super) fn object(self, object: &Value, stream: bool) -> Vec<u8> {
        match (self, stream) {
            (Self::OpenAi, true) => event(object),
            _ => format!("{object}\n"),
        }
        .into_bytes()
    }

    pub(super) fn whole(self, model: &str, text: &str) -> Value {
        let message = json!({ "role": "assistant", "content": text });
        match self {
            Self::OpenAi => json!({ "id": "c", "object": "chat.completion", "created": 0, "model": model,
                "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 } }),
            Self::Ollama => json!({ "model": model, "created_at": "2026-01-01T00:00:00Z", "message": message,
                "done": true, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1 }),
        }
    }

    pub(super) fn piece(self, model: &str, text: &str) -> String {
        match self {
            Self::OpenAi => event(
                &json!({ "id": "c", "object": "chat.completion.chunk", "model": model,
                "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] }),
            ),
            Self::Ollama => {
                let line = json!({ "model": model, "message": { "role": "assistant", "content": text },
                    "done": false });
                format!("{line}\n")
            }
        }
    }

    fn end(self, model: &str) -> String {
        match self {
            Self::OpenAi => {
                let last = event(
                    &json!({ "id": "c", "object": "chat.completion.chunk", "model": model,
                    "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
                );
                format!("{last}data: [DONE]\n\n")
            }
            Self::Ollama => format!("{}\n", self.whole(model, "")),
        }
    }

    fn stream(self, pieces: Vec<String>, end: End) -> Reply {
        Reply::Stream {
            content_type: match self {
                Self::OpenAi => "text/event-stream",
                Self::Ollama => "application/x-ndjson",
            },
            pieces: pieces
                .into_iter()
                .map(|piece| (Duration::ZERO, piece.into_bytes()))
                .collect(),
            end,
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The text in up to [`PIECES`] pieces, none of them empty.
fn split(text: &str) -> Vec<&str> {
    let size = text.len().div_ceil(PIECES).max(1);
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(size));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
