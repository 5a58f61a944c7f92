//! From OpenAI's answer to the contract's, streamed or whole, with the deviations of servers that speak alike.

use std::collections::BTreeSet;
use std::time::Duration;

use miniclaw_plugin_api::http::{Events, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, Error, FinishReason, Result, Said, Thoughts, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// How long to wait for the token counts once the answer itself is complete.
const AFTERMATH: Duration = Duration::from_secs(5);

/// An answer on its way to the host.
pub(crate) struct Answer {
    server: Server,
    sink: ChunkSink,
    completion: Completion,
    /// Local models write their thoughts before the answer, and their servers pass them on as text.
    thoughts: Thoughts,
    /// A finish reason came: the answer is complete.
    finished: bool,
    /// Tool calls that have begun.
    calls: BTreeSet<u32>,
}

impl Answer {
    pub(crate) fn new(server: Server, sink: ChunkSink) -> Self {
        Self {
            server,
            sink,
            completion: Completion::default(),
            thoughts: Thoughts::default(),
            finished: false,
            calls: BTreeSet::new(),
        }
    }

    pub(crate) async fn stream(mut self, mut events: Events) -> Result<Completion> {
        while !self.finished {
            match events.next().await? {
                None => return Err(self.server.cut()),
                Some(event) if event.is_done() => return self.end().await,
                Some(event) => self.event(&event.data).await?,
            }
        }
        // The answer is complete, whatever becomes of the rest of the stream.
        let rest = tokio::time::timeout(AFTERMATH, async {
            while let Some(event) = events.next().await? {
                if event.is_done() {
                    break;
                }
                self.event(&event.data).await?;
            }
            Ok::<(), Error>(())
        });
        if let Ok(Err(error)) = rest.await {
            tracing::debug!(%error, "Stream broke after its last word");
        }
        self.end().await
    }

    pub(crate) async fn whole(mut self, frame: Frame) -> Result<Completion> {
        if frame.error.is_none() && frame.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(self.server.garbled("JSON without an answer in it"));
        }
        self.frame(frame).await?;
        self.end().await
    }

    async fn event(&mut self, data: &str) -> Result<()> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let frame = serde_json::from_str(data).map_err(|error| self.server.bad_json(&error))?;
        self.frame(frame).await
    }

    async fn frame(&mut self, frame: Frame) -> Result<()> {
        if let Some(error) = frame.error {
            return Err(self.server.reported(&json!({ "error": error })));
        }
        if let Some(usage) = frame.usage.or(frame.x_groq.and_then(|more| more.usage)) {
            self.completion.usage = Some(Usage {
                input_tokens: usage.prompt_tokens.unwrap_or_default(),
                output_tokens: usage.completion_tokens.unwrap_or_default(),
            });
        }
        if let Some(model) = frame.model.filter(|model| !model.is_empty()) {
            self.completion.model = Some(model);
        }
        let Some(choice) = frame.choices.into_iter().flatten().next() else {
            return Ok(());
        };
        if let Some(message) = choice.delta.or(choice.message) {
            self.message(message).await?;
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            Some("error") => return Err(self.server.reported(&Value::Null)),
            Some(reason) => {
                self.finished = true;
                self.completion.finish = finish(reason);
            }
        }
        Ok(())
    }

    async fn message(&mut self, message: Message) -> Result<()> {
        // Some servers give the same thoughts under both names.
        let thoughts = [message.reasoning_content, message.reasoning];
        let thoughts = thoughts.into_iter().flatten().find(|text| !text.is_empty());
        self.think(thoughts.unwrap_or_default()).await?;
        if let Some(content) = message.content {
            self.think(content.thoughts()).await?;
            let said = self.thoughts.push(&content.into_text());
            self.say(said).await?;
        }
        self.sink.text(message.refusal.unwrap_or_default()).await?;
        for (position, call) in message.tool_calls.into_iter().flatten().enumerate() {
            let index = call
                .index
                .unwrap_or_else(|| u32::try_from(position).unwrap_or(u32::MAX));
            let begins = self.calls.insert(index);
            let function = call.function.unwrap_or_default();
            self.sink
                .send(Chunk::ToolCall {
                    index,
                    id: call.id.filter(|id| begins && !id.is_empty()),
                    name: function.name.filter(|name| begins && !name.is_empty()),
                    arguments: arguments(function.arguments),
                })
                .await?;
        }
        Ok(())
    }

    async fn think(&self, text: String) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.sink.send(Chunk::Reasoning { text }).await
    }

    async fn say(&self, said: Said) -> Result<()> {
        self.think(said.thoughts).await?;
        self.sink.text(said.text).await
    }

    async fn end(mut self) -> Result<Completion> {
        let said = self.thoughts.end();
        self.say(said).await?;
        // Some servers say `stop` although the model waits for tools.
        if !self.calls.is_empty() && self.completion.finish == FinishReason::Stop {
            self.completion.finish = FinishReason::ToolCalls;
        }
        Ok(self.completion)
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

/// Text by the standard, though some servers give the object itself.
fn arguments(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// One event of a stream, or a whole answer.
#[derive(Deserialize)]
pub(crate) struct Frame {
    choices: Option<Vec<Choice>>,
    usage: Option<Tokens>,
    model: Option<String>,
    error: Option<Value>,
    x_groq: Option<Groq>,
}

/// Where Groq counts the tokens of a stream.
#[derive(Deserialize)]
struct Groq {
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Message>,
    message: Option<Message>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Content>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<TextPart>),
}

/// A part of a content; Mistral's models think in parts of their own.
#[derive(Deserialize)]
struct TextPart {
    #[serde(default)]
    text: String,
    #[serde(default)]
    thinking: Vec<TextPart>,
}

impl Content {
    fn thoughts(&self) -> String {
        match self {
            Self::Text(_) => String::new(),
            Self::Parts(parts) => {
                let thoughts = parts.iter().flat_map(|part| &part.thinking);
                thoughts.map(|part| part.text.as_str()).collect()
            }
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Call {
    index: Option<u32>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Default, Deserialize)]
struct Function {
    name: Option<String>,
    #[serde(default)]
    arguments: Value,
}
