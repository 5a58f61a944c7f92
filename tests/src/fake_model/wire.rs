//! Requests and answers in the four protocols.

pub(super) mod anthropic;
pub(super) mod gemini;

use std::time::Duration;

use serde_json::{Value, json};

use super::Asked;
use crate::http::{End, Reply, Request};

pub(super) const OPENAI_MODELS: &str =
    r#"{"object":"list","data":[{"id":"fake","object":"model","created":0,"owned_by":"tests"}]}"#;
pub(super) const OLLAMA_MODELS: &str = r#"{"models":[{"name":"fake","model":"fake","size":1}]}"#;

/// Pieces that a streamed answer comes in.
const PIECES: usize = 3;

/// An answer that is not merely text.
pub(super) struct Said<'a> {
    pub(super) thoughts: &'a str,
    pub(super) text: &'a str,
    pub(super) reason: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    OpenAi,
    Ollama,
    Anthropic,
    Gemini,
}

impl Protocol {
    /// The protocol in which a request asks for an answer.
    pub(super) fn of(request: &Request) -> Option<Self> {
        if request.method() != "POST" {
            return None;
        }
        match request.path() {
            "/v1/chat/completions" => Some(Self::OpenAi),
            "/api/chat" => Some(Self::Ollama),
            "/v1/messages" => Some(Self::Anthropic),
            path if path.ends_with("enerateContent") => Some(Self::Gemini),
            _ => None,
        }
    }

    /// The body as OpenAI has it; `None` where it is none of this protocol.
    pub(super) fn asked(self, request: &Request) -> Option<Asked> {
        let body: Value = match self {
            Self::OpenAi | Self::Ollama => serde_json::from_slice(&request.body).ok()?,
            Self::Anthropic => anthropic::asked(request)?,
            Self::Gemini => gemini::asked(request)?,
        };
        let pictures: Vec<_> = body["messages"]
            .as_array()?
            .iter()
            .map(super::asked::pictures)
            .collect();
        let mut asked: Asked = serde_json::from_value(body).ok()?;
        for (turn, pictures) in asked.messages.iter_mut().zip(pictures) {
            turn.pictures = pictures;
        }
        Some(asked)
    }

    /// A good answer.
    pub(super) fn answer(self, model: &str, text: &str, stream: bool) -> Reply {
        if !stream {
            return Reply::json(200, self.whole(model, text).to_string());
        }
        let mut pieces = vec![self.begin(model)];
        pieces.extend(split(text).into_iter().map(|piece| self.piece(model, piece)));
        pieces.push(self.end(model));
        self.stream(pieces, End::Complete)
    }

    /// Half an answer in pieces, and then what `end` says.
    pub(super) fn broken(self, model: &str, text: &str, end: End) -> Reply {
        let half = split(text).first().copied().unwrap_or_default();
        self.stream(vec![self.begin(model), self.piece(model, half)], end)
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
            (Self::Anthropic, true) => {
                let events = anthropic::events(&anthropic::tool_call(model));
                self.stream(vec![events], End::Complete)
            }
            (Self::Gemini, true) => self.stream(vec![event(&gemini::tool_call(model))], End::Complete),
            (Self::Anthropic, false) => Reply::json(200, anthropic::tool_call(model).to_string()),
            (Self::Gemini, false) => Reply::json(200, gemini::tool_call(model).to_string()),
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
            (Self::OpenAi | Self::Gemini, true) => event(object),
            (Self::Anthropic, true) => anthropic::event(object.clone()),
            _ => format!("{object}\n"),
        }
        .into_bytes()
    }

    /// An answer in one piece, with thoughts and a reason to finish, in OpenAI's word for it.
    pub(super) fn message(self, model: &str, said: &Said<'_>, stream: bool) -> Vec<u8> {
        let Said {
            thoughts,
            text,
            reason,
        } = *said;
        let mut whole = self.whole(model, text);
        match self {
            Self::OpenAi => {
                let choice = &mut whole["choices"][0];
                choice["message"]["reasoning_content"] = json!(thoughts);
                choice["finish_reason"] = json!(reason);
                if stream {
                    choice["delta"] = choice["message"].take();
                }
            }
            Self::Ollama => {
                whole["message"]["thinking"] = json!(thoughts);
                whole["done_reason"] = json!(reason);
            }
            Self::Anthropic => {
                whole = anthropic::whole(model, thoughts, text, reason);
                if stream {
                    return anthropic::events(&whole).into_bytes();
                }
            }
            Self::Gemini => whole = gemini::whole(model, thoughts, text, reason),
        }
        self.object(&whole, stream)
    }

    /// The object that stands for a failure inside a good answer.
    pub(super) fn error(self) -> Value {
        match self {
            Self::Anthropic => anthropic::error(),
            Self::Gemini => gemini::error(),
            _ => json!({ "error": { "message": "the fake model broke down", "type": "server_error" } }),
        }
    }

    fn whole(self, model: &str, text: &str) -> Value {
        let message = json!({ "role": "assistant", "content": text });
        match self {
            Self::Anthropic => anthropic::whole(model, "", text, "stop"),
            Self::Gemini => gemini::whole(model, "", text, "stop"),
            Self::OpenAi => json!({ "id": "c", "object": "chat.completion", "created": 0, "model": model,
                "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 } }),
            Self::Ollama => json!({ "model": model, "created_at": "2026-01-01T00:00:00Z", "message": message,
                "done": true, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1 }),
        }
    }

    /// What a stream begins with.
    pub(super) fn begin(self, model: &str) -> String {
        match self {
            Self::Anthropic => anthropic::begin(model),
            _ => String::new(),
        }
    }

    pub(super) fn piece(self, model: &str, text: &str) -> String {
        match self {
            Self::Anthropic => anthropic::piece(text),
            Self::Gemini => event(&gemini::piece(model, text)),
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
            Self::Anthropic => anthropic::end("end_turn"),
            Self::Gemini => event(&self.whole(model, "")),
        }
    }

    fn stream(self, pieces: Vec<String>, end: End) -> Reply {
        Reply::Stream {
            content_type: match self {
                Self::Ollama => "application/x-ndjson",
                _ => "text/event-stream",
            },
            pieces: pieces
                .into_iter()
                .filter(|piece| !piece.is_empty())
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
