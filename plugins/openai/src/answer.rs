//! From OpenAI's answer to the contract's, streamed or whole, with the deviations of servers that speak alike.
//!
//! Read as it comes rather than by fixed shapes: a count or a name of another type must not break an answer.

use std::borrow::Cow;
use std::time::Duration;

use miniclaw_plugin_api::http::{Events, Server};
use miniclaw_plugin_api::{Chunk, ChunkSink, Completion, Error, FinishReason, Result, Said, Thoughts, Usage};
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
    calls: Vec<Call>,
}

/// A tool call as the server tells it from others. Its place among them is its index for the host.
struct Call {
    index: u64,
    id: String,
}

impl Answer {
    pub(crate) fn new(server: Server, sink: ChunkSink) -> Self {
        Self {
            server,
            sink,
            completion: Completion::default(),
            thoughts: Thoughts::default(),
            finished: false,
            calls: Vec::new(),
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

    pub(crate) async fn whole(mut self, frame: &Value) -> Result<Completion> {
        if frame["error"].is_null() && !frame["choices"][0].is_object() {
            return Err(self.server.garbled("JSON without an answer in it"));
        }
        self.frame(frame).await?;
        self.end().await
    }

    async fn event(&mut self, data: &str) -> Result<()> {
        if data.trim().is_empty() {
            return Ok(());
        }
        let frame: Value = serde_json::from_str(data).map_err(|error| self.server.bad_json(&error))?;
        if !frame.is_object() {
            return Err(self.server.garbled("an event of another shape"));
        }
        self.frame(&frame).await
    }

    async fn frame(&mut self, frame: &Value) -> Result<()> {
        let error = &frame["error"];
        if !error.is_null() {
            return Err(self.server.reported(&json!({ "error": error })));
        }
        // Groq counts the tokens of a stream in a place of its own.
        let counted = usage(&frame["usage"]).or_else(|| usage(&frame["x_groq"]["usage"]));
        self.completion.usage = counted.or(self.completion.usage.take());
        if let Some(model) = frame["model"].as_str().filter(|model| !model.is_empty()) {
            self.completion.model = Some(model.to_owned());
        }
        let choice = &frame["choices"][0];
        let delta = Some(&choice["delta"]).filter(|delta| delta.is_object());
        self.message(delta.unwrap_or(&choice["message"])).await?;
        match choice["finish_reason"].as_str() {
            None | Some("") => {}
            Some("error") => return Err(self.server.reported(&Value::Null)),
            Some(reason) => {
                self.finished = true;
                self.completion.finish = finish(reason);
            }
        }
        Ok(())
    }

    async fn message(&mut self, message: &Value) -> Result<()> {
        // Some servers give the same thoughts under both names.
        let thoughts = [&message["reasoning_content"], &message["reasoning"]];
        let thoughts = thoughts.into_iter().filter_map(Value::as_str);
        let mut thoughts = thoughts.filter(|text| !text.is_empty());
        self.sink.reasoning(thoughts.next().unwrap_or_default()).await?;
        let content = &message["content"];
        self.sink.reasoning(thinking(content)).await?;
        let said = self.thoughts.push(&text(content));
        self.say(said).await?;
        self.sink
            .text(message["refusal"].as_str().unwrap_or_default())
            .await?;
        for (place, call) in (0..).zip(message["tool_calls"].as_array().into_iter().flatten()) {
            self.call(place, call).await?;
        }
        Ok(())
    }

    /// A call's begin, or more of its arguments. Only what belongs to the begin names it.
    async fn call(&mut self, place: u64, call: &Value) -> Result<()> {
        let named = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (id, name) = (named(&call["id"]), named(&call["function"]["name"]));
        let index = call["index"].as_u64().unwrap_or(place);
        // Some servers give calls that stand beside each other the same index, others each piece of a call an id of its own.
        let is_another = |known: &Call| name.is_some() && id.as_ref().is_some_and(|id| *id != known.id);
        let known = self.calls.iter().rposition(|known| known.index == index);
        let known = known.filter(|known| !is_another(&self.calls[*known]));
        let begins = known.is_none();
        if begins {
            let id = id.clone().unwrap_or_default();
            self.calls.push(Call { index, id });
        }
        let index = known.unwrap_or(self.calls.len() - 1);
        self.sink
            .send(Chunk::ToolCall {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                id: id.filter(|_| begins),
                name: name.filter(|_| begins),
                arguments: arguments(&call["function"]["arguments"]),
            })
            .await
    }

    async fn say(&self, said: Said) -> Result<()> {
        self.sink.reasoning(said.thoughts).await?;
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
fn arguments(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The text of a content, which is a text or comes in parts.
fn text(content: &Value) -> Cow<'_, str> {
    match content {
        Value::String(text) => text.into(),
        Value::Array(parts) => texts(parts).into(),
        _ => "".into(),
    }
}

/// What Mistral's models think stands in parts of their own.
fn thinking(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten();
    parts
        .filter_map(|part| part["thinking"].as_array())
        .map(|thoughts| texts(thoughts))
        .collect()
}

fn texts(parts: &[Value]) -> String {
    parts.iter().filter_map(|part| part["text"].as_str()).collect()
}

fn usage(usage: &Value) -> Option<Usage> {
    Usage::counted(&usage["prompt_tokens"], &usage["completion_tokens"])
}
