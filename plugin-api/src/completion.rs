//! What a model provider is asked, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::Meta;

mod counted;
mod flat;
mod pictures;
mod turns;

pub use turns::{Turn, Turns};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Who speaks in a [`ChatMessage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    #[serde(other)]
    Tool,
}

/// A piece of a [`ChatMessage`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", from = "flat::Part")]
#[non_exhaustive]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text itself.
        text: String,
    },
    /// A picture, for models that see.
    Image {
        /// MIME type.
        media_type: String,
        /// The bytes in base64.
        data: String,
    },
    /// A tool call that the model made.
    ToolCall {
        /// The model's id of the call.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments as JSON text, as the model wrote them.
        arguments: String,
    },
    /// What a tool call gave.
    ToolResult {
        /// The id of the call that it answers.
        id: String,
        /// The result as text.
        text: String,
        /// Whether the tool failed.
        #[serde(default, skip_serializing_if = "is_default")]
        is_error: bool,
    },
    /// A kind that this side does not know.
    Other,
}

/// One message of the conversation that the model continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What they say, in order.
    pub parts: Vec<ContentPart>,
}

impl ChatMessage {
    /// A message of text alone.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![ContentPart::Text { text: text.into() }],
        }
    }

    /// All text of it, parts joined by a line break; empty where there is none.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                ContentPart::Text { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        texts.join("\n")
    }
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
}

/// Sampling options; what is `None` is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sampling {
    /// Randomness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts at which to stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// Seed, for servers that take one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
}

/// A request to continue a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The model's name; `None` leaves it to the provider's settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The conversation, oldest first; never empty, the last one is what the model answers.
    pub messages: Vec<ChatMessage>,
    /// Tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// Sampling options.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sampling: Sampling,
    /// Names the conversation to the server where that helps its caching; holds nothing personal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// The same for every attempt of one turn.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub idempotency_key: String,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl CompletionRequest {
    /// A request with these messages and nothing else.
    pub fn new(messages: Vec<ChatMessage>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }

    /// The model to ask: the one that the request names, otherwise `usual`.
    pub fn model_or<'a>(&'a self, usual: &'a str) -> &'a str {
        let named = self.model.as_deref().filter(|model| !model.is_empty());
        named.unwrap_or(usual)
    }
}

/// A piece of the answer while it is being written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", from = "flat::Delta")]
#[non_exhaustive]
pub enum Chunk {
    /// Text of the answer.
    Text {
        /// To be appended.
        text: String,
    },
    /// The model's thoughts, not part of the answer.
    Reasoning {
        /// To be appended.
        text: String,
    },
    /// Part of a tool call.
    ToolCall {
        /// Which of the answer's calls this continues, from 0.
        index: u32,
        /// The call's id, in its first delta.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The tool's name, in its first delta.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// JSON text to be appended to the arguments.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        arguments: String,
    },
    /// A kind that this side does not know.
    Other,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done.
    #[default]
    Stop,
    /// It reached the limit of tokens: the answer is cut.
    Length,
    /// It wants tools to be run.
    ToolCalls,
    /// The server held the answer back.
    ContentFilter,
    /// A reason that this side does not know.
    #[serde(other)]
    Other,
}

/// What a completion cost, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// How a completion ended; its text went through the [`ChunkSink`](crate::ChunkSink) before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Completion {
    /// Why the model stopped.
    #[serde(default)]
    pub finish: FinishReason,
    /// What it cost, where the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The model that answered, where the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

/// A model that a provider offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Model {
    /// The name that [`CompletionRequest::model`] takes.
    pub id: String,
    /// Most tokens that it reads and writes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// Whether it sees pictures.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vision: bool,
    /// Whether it calls tools.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tools: bool,
    /// Additional data.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl Model {
    /// A model of which nothing but the name is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }
}
