//! From Anthropic's answer to the contract's, streamed or whole,
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>.
//!
//! Read as it comes rather than by fixed shapes: the API adds events, blocks and members as it grows, and none of
//! them may break an answer.

use miniclaw_plugin_api::http::{Events, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, FinishReason, Result, Usage};
use serde_json::Value;

use crate::failure::reported;

/// An answer on its way to the host.
pub(crate) struct Answer {
    server: Server,
    sink: ChunkSink,
    completion: Completion,
    /// The blocks that are tool calls, by their place in the answer.
    calls: Vec<u64>,
    tokens: Tokens,
    /// A reason to stop came: the answer is complete.
    finished: bool,
}

/// Later counts take the place of earlier ones.
#[derive(Default)]
struct Tokens {
    input: Option<u64>,
    cache_written: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
}

impl Answer {
    pub(crate) fn new(server: Server, sink: ChunkSink) -> Self {
        Self {
            server,
            sink,
            completion: Completion::default(),
            calls: Vec::new(),
            tokens: Tokens::default(),
            finished: false,
        }
    }

    /// Reads up to `message_stop`, which some servers that speak alike leave out after the reason to stop: without
    /// either the answer is not complete.
    pub(crate) async fn stream(mut self, mut events: Events) -> Result<Completion> {
        loop {
            let event = match events.next().await {
                Ok(Some(event)) => event,
                Err(error) if !self.finished => return Err(error),
                Ok(None) if !self.finished => return Err(self.server.cut()),
                _ => return Ok(self.end()),
            };
            if event.data.trim().is_empty() || event.is_done() {
                continue;
            }
            let event: Value =
                serde_json::from_str(&event.data).map_err(|error| self.server.bad_json(&error))?;
            if self.event(&event).await? {
                return Ok(self.end());
            }
        }
    }

    pub(crate) async fn whole(mut self, message: Value) -> Result<Completion> {
        if !message["error"].is_null() {
            return Err(reported(&self.server, &message));
        }
        let Some(blocks) = message["content"].as_array() else {
            return Err(self.server.garbled("JSON without an answer in it"));
        };
        for (index, block) in (0..).zip(blocks) {
            self.begin(index, block).await?;
        }
        self.message(&message);
        Ok(self.end())
    }

    /// Whether it was the last one.
    async fn event(&mut self, event: &Value) -> Result<bool> {
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str() {
            Some("message_start") => self.message(&event["message"]),
            Some("content_block_start") => self.begin(index, &event["content_block"]).await?,
            Some("content_block_delta") => self.delta(index, &event["delta"]).await?,
            Some("message_delta") => {
                self.message(&event["delta"]);
                self.tokens.update(&event["usage"]);
            }
            Some("message_stop") => return Ok(true),
            Some("error") => return Err(reported(&self.server, event)),
            // Servers that speak alike forget the type now and then.
            _ if !event["error"].is_null() => return Err(reported(&self.server, event)),
            None => return Err(self.server.garbled("an event without a type")),
            Some(_) => {}
        }
        Ok(false)
    }

    /// A block's begin in a stream, or all of it.
    async fn begin(&mut self, index: u64, block: &Value) -> Result<()> {
        if block["type"] != "tool_use" {
            return self.say(block).await;
        }
        self.calls.push(index);
        // A stream begins with an empty object, and the arguments follow piece by piece.
        let input = block["input"].as_object().filter(|input| !input.is_empty());
        self.sink
            .send(Chunk::ToolCall {
                index: self.call(index),
                id: block["id"].as_str().map(str::to_owned),
                name: block["name"].as_str().map(str::to_owned),
                arguments: input.map(|_| block["input"].to_string()).unwrap_or_default(),
            })
            .await
    }

    async fn delta(&mut self, index: u64, delta: &Value) -> Result<()> {
        let Some(arguments) = delta["partial_json"].as_str() else {
            return self.say(delta).await;
        };
        // Tools that the server runs by itself have arguments too.
        if arguments.is_empty() || !self.calls.contains(&index) {
            return Ok(());
        }
        self.sink
            .send(Chunk::ToolCall {
                index: self.call(index),
                id: None,
                name: None,
                arguments: arguments.to_owned(),
            })
            .await
    }

    /// Text or thoughts, of a block or a delta.
    async fn say(&self, piece: &Value) -> Result<()> {
        match piece["type"].as_str() {
            Some("text" | "text_delta") => self.sink.text(piece["text"].as_str().unwrap_or_default()).await,
            Some("thinking" | "thinking_delta") => {
                let text = piece["thinking"].as_str().unwrap_or_default();
                self.sink.reasoning(text).await
            }
            _ => Ok(()),
        }
    }

    /// Which of the answer's calls a block is.
    fn call(&self, block: u64) -> u32 {
        let place = self.calls.iter().position(|known| *known == block);
        place
            .and_then(|place| u32::try_from(place).ok())
            .unwrap_or_default()
    }

    /// What a message, or a change of it, says beside its blocks.
    fn message(&mut self, message: &Value) {
        self.tokens.update(&message["usage"]);
        if let Some(model) = message["model"].as_str().filter(|model| !model.is_empty()) {
            self.completion.model = Some(model.to_owned());
        }
        if let Some(reason) = message["stop_reason"].as_str() {
            self.finished = true;
            self.completion.finish = finish(reason);
        }
    }

    fn end(mut self) -> Completion {
        // Some servers say `end_turn` although the model waits for tools.
        if !self.calls.is_empty() && self.completion.finish == FinishReason::Stop {
            self.completion.finish = FinishReason::ToolCalls;
        }
        self.completion.usage = self.tokens.usage();
        self.completion
    }
}

impl Tokens {
    fn update(&mut self, usage: &Value) {
        for (count, name) in [
            (&mut self.input, "input_tokens"),
            (&mut self.cache_written, "cache_creation_input_tokens"),
            (&mut self.cache_read, "cache_read_input_tokens"),
            (&mut self.output, "output_tokens"),
        ] {
            *count = usage[name].as_u64().or(*count);
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.input.or(self.output)?;
        let read = [self.input, self.cache_written, self.cache_read];
        Some(Usage {
            input_tokens: read.into_iter().flatten().fold(0, u64::saturating_add),
            output_tokens: self.output.unwrap_or_default(),
        })
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
