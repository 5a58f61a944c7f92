//! From Gemini's answer to the contract's, streamed or whole, <https://ai.google.dev/api/generate-content>.
//!
//! Read as it comes rather than by fixed shapes: the API adds parts, reasons and members as it grows, and none of
//! them may break an answer.

use std::time::Duration;

use miniclaw_plugin_api::http::{Event, Events, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, FinishReason, Result, Usage};
use serde_json::Value;

/// What ids of calls begin with that the server gave none.
pub(crate) const OWN_ID: &str = "call_";
/// How long to wait for more once there was a reason to finish: some models give one with every piece.
const AFTERMATH: Duration = Duration::from_secs(5);

/// An answer on its way to the host.
pub(crate) struct Answer {
    server: Server,
    sink: ChunkSink,
    completion: Completion,
    /// A finish reason came: the answer is complete.
    finished: bool,
    /// Tool calls so far; each one comes whole.
    calls: u32,
}

impl Answer {
    pub(crate) fn new(server: Server, sink: ChunkSink) -> Self {
        Self {
            server,
            sink,
            completion: Completion::default(),
            finished: false,
            calls: 0,
        }
    }

    pub(crate) async fn stream(mut self, mut events: Events) -> Result<Completion> {
        while let Some(event) = self.next(&mut events).await? {
            if event.data.trim().is_empty() || event.is_done() {
                continue;
            }
            let frame: Value =
                serde_json::from_str(&event.data).map_err(|error| self.server.bad_json(&error))?;
            if !frame.is_object() {
                return Err(self.server.garbled("an event of another shape"));
            }
            self.frame(&frame).await?;
        }
        if self.finished {
            Ok(self.end())
        } else {
            Err(self.server.cut())
        }
    }

    pub(crate) async fn whole(mut self, frame: &Value) -> Result<Completion> {
        self.frame(frame).await?;
        if !self.finished && !frame["candidates"][0].is_object() {
            return Err(self.server.garbled("JSON without an answer in it"));
        }
        Ok(self.end())
    }

    /// A complete answer stays one, whatever becomes of the rest of the stream.
    async fn next(&self, events: &mut Events) -> Result<Option<Event>> {
        if !self.finished {
            return events.next().await;
        }
        match tokio::time::timeout(AFTERMATH, events.next()).await {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => {
                tracing::debug!(%error, "Stream broke after its last word");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    async fn frame(&mut self, frame: &Value) -> Result<()> {
        if !frame["error"].is_null() {
            return Err(self.server.reported(frame));
        }
        if let Some(model) = frame["modelVersion"].as_str().filter(|model| !model.is_empty()) {
            self.completion.model = Some(model.to_owned());
        }
        self.usage(&frame["usageMetadata"]);
        if let Some(reason) = frame["promptFeedback"]["blockReason"].as_str() {
            self.finish(FinishReason::ContentFilter, reason);
        }
        let candidate = &frame["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            self.part(part).await?;
        }
        if let Some(reason) = candidate["finishReason"]
            .as_str()
            .filter(|reason| !reason.is_empty())
        {
            self.finish(finish(reason), reason);
        }
        Ok(())
    }

    async fn part(&mut self, part: &Value) -> Result<()> {
        let call = &part["functionCall"];
        if call.is_object() {
            return self.call(call).await;
        }
        let text = part["text"].as_str().unwrap_or_default();
        if part["thought"] == true {
            self.sink.reasoning(text).await
        } else {
            self.sink.text(text).await
        }
    }

    async fn call(&mut self, call: &Value) -> Result<()> {
        let index = self.calls;
        self.calls += 1;
        let id = call["id"].as_str().filter(|id| !id.is_empty());
        let arguments = Some(&call["args"]).filter(|args| args.is_object());
        self.sink
            .send(Chunk::ToolCall {
                index,
                id: Some(id.map_or_else(|| format!("{OWN_ID}{index}"), str::to_owned)),
                name: call["name"].as_str().map(str::to_owned),
                arguments: arguments.map_or_else(|| "{}".to_owned(), Value::to_string),
            })
            .await
    }

    /// Later counts take the place of earlier ones.
    fn usage(&mut self, usage: &Value) {
        let Some(input_tokens) = usage["promptTokenCount"].as_u64() else {
            return;
        };
        let count = |name: &str| usage[name].as_u64().unwrap_or_default();
        self.completion.usage = Some(Usage {
            input_tokens,
            output_tokens: count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount")),
        });
    }

    fn finish(&mut self, finish: FinishReason, reason: &str) {
        self.finished = true;
        self.completion.finish = finish;
        if !matches!(finish, FinishReason::Stop | FinishReason::Length) {
            tracing::info!(reason, "Gemini ended its answer early");
            self.completion.meta.insert("reason".into(), reason.into());
        }
    }

    fn end(mut self) -> Completion {
        if self.calls > 0 && self.completion.finish == FinishReason::Stop {
            self.completion.finish = FinishReason::ToolCalls;
        }
        self.completion
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "BLOCKLIST" | "SPII" => FinishReason::ContentFilter,
        // The same exist for pictures, as `IMAGE_SAFETY`.
        _ if ["SAFETY", "RECITATION", "PROHIBITED_CONTENT"]
            .iter()
            .any(|name| reason.ends_with(name)) =>
        {
            FinishReason::ContentFilter
        }
        _ => FinishReason::Other,
    }
}
