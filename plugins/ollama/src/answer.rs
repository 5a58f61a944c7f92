//! From Ollama's stream of JSON lines to the contract's answer.

use miniclaw_plugin_api::http::{Lines, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, FinishReason, Result, Said, Thoughts, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

/// An answer on its way to the host.
pub(crate) struct Answer {
    server: Server,
    sink: ChunkSink,
    /// Older servers pass thoughts on as text.
    thoughts: Thoughts,
    /// Tool calls so far; Ollama sends each one whole.
    calls: u32,
}

impl Answer {
    pub(crate) fn new(server: Server, sink: ChunkSink) -> Self {
        Self {
            server,
            sink,
            thoughts: Thoughts::default(),
            calls: 0,
        }
    }

    /// Reads up to the line that is `done`: without it the answer is not complete.
    pub(crate) async fn read(mut self, mut lines: Lines) -> Result<Completion> {
        while let Some(line) = lines.next().await? {
            if line.trim().is_empty() {
                continue;
            }
            let mut frame: Frame =
                serde_json::from_str(&line).map_err(|error| self.server.bad_json(&error))?;
            if let Some(error) = frame.error.take() {
                return Err(self.server.reported(&json!({ "error": error })));
            }
            if let Some(message) = frame.message.take() {
                self.message(message).await?;
            }
            if frame.done {
                let said = self.thoughts.end();
                self.say(said).await?;
                return Ok(self.end(frame));
            }
        }
        Err(self.server.cut())
    }

    async fn message(&mut self, message: Message) -> Result<()> {
        self.think(message.thinking.unwrap_or_default()).await?;
        let said = self.thoughts.push(&message.content.unwrap_or_default());
        self.say(said).await?;
        for call in message.tool_calls.into_iter().flatten() {
            let index = self.calls;
            self.calls += 1;
            let id = call
                .id
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| format!("call_{index}"));
            self.sink
                .send(Chunk::ToolCall {
                    index,
                    id: Some(id),
                    name: Some(call.function.name),
                    arguments: Value::Object(call.function.arguments.unwrap_or_default()).to_string(),
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

    fn end(self, frame: Frame) -> Completion {
        let mut completion = Completion::default();
        completion.finish = match frame.done_reason.as_deref() {
            _ if self.calls > 0 => FinishReason::ToolCalls,
            None | Some("" | "stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        };
        completion.model = frame.model;
        if frame.prompt_eval_count.is_some() || frame.eval_count.is_some() {
            completion.usage = Some(Usage {
                input_tokens: frame.prompt_eval_count.unwrap_or_default(),
                output_tokens: frame.eval_count.unwrap_or_default(),
            });
        }
        completion
    }
}

#[derive(Deserialize)]
struct Frame {
    message: Option<Message>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    model: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<serde_json::Map<String, Value>>,
}
