//! From Ollama's stream of JSON lines to the contract's answer.
//!
//! Read as it comes rather than by fixed shapes: other servers speak like Ollama, and not all of them quite so.

use miniclaw_plugin_api::http::{Lines, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, FinishReason, Result, Said, Thoughts, Usage};
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
            let frame: Value = serde_json::from_str(&line).map_err(|error| self.server.bad_json(&error))?;
            if !frame.is_object() {
                return Err(self.server.garbled("a line of another shape"));
            }
            if !frame["error"].is_null() {
                return Err(self.server.reported(&json!({ "error": frame["error"] })));
            }
            let message = &frame["message"];
            if !message.is_object() && !message.is_null() {
                return Err(self.server.garbled("a message of another shape"));
            }
            self.message(message).await?;
            if frame["done"] == true {
                let said = self.thoughts.end();
                self.say(said).await?;
                return Ok(self.end(&frame));
            }
        }
        Err(self.server.cut())
    }

    async fn message(&mut self, message: &Value) -> Result<()> {
        self.sink
            .reasoning(message["thinking"].as_str().unwrap_or_default())
            .await?;
        let said = self
            .thoughts
            .push(message["content"].as_str().unwrap_or_default());
        self.say(said).await?;
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            self.call(call).await?;
        }
        Ok(())
    }

    async fn call(&mut self, call: &Value) -> Result<()> {
        let index = self.calls;
        self.calls += 1;
        let id = call["id"].as_str().filter(|id| !id.is_empty());
        let function = &call["function"];
        self.sink
            .send(Chunk::ToolCall {
                index,
                id: Some(id.map_or_else(|| format!("call_{index}"), str::to_owned)),
                name: function["name"].as_str().map(str::to_owned),
                arguments: match &function["arguments"] {
                    Value::Null => "{}".to_owned(),
                    Value::String(text) => text.clone(),
                    arguments => arguments.to_string(),
                },
            })
            .await
    }

    async fn say(&self, said: Said) -> Result<()> {
        self.sink.reasoning(said.thoughts).await?;
        self.sink.text(said.text).await
    }

    fn end(self, frame: &Value) -> Completion {
        let mut completion = Completion::default();
        completion.finish = match frame["done_reason"].as_str() {
            _ if self.calls > 0 => FinishReason::ToolCalls,
            None | Some("" | "stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        };
        completion.model = frame["model"].as_str().map(str::to_owned);
        completion.usage = Usage::counted(&frame["prompt_eval_count"], &frame["eval_count"]);
        completion
    }
}
