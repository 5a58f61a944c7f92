//! Spans and their ids.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The trace of one message.
#[derive(Clone, Copy)]
pub(super) struct Trace([u8; 32]);

/// A span's id within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    trace: [u8; 16],
    span: [u8; 8],
}

impl Trace {
    pub(super) fn of(spool: &str, seq: u64) -> Self {
        Self(Sha256::digest(format!("{spool}/{seq}")).into())
    }

    pub(super) fn root(self) -> Place {
        self.child("message", 0)
    }

    pub(super) fn turn(self) -> Place {
        self.child("turn", 0)
    }

    pub(super) fn child(self, what: &str, number: u64) -> Place {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(format!("{what}/{number}"));
        let hash: [u8; 32] = hash.finalize().into();
        let mut place = Place {
            trace: [0; 16],
            span: [0; 8],
        };
        place.trace.copy_from_slice(&self.0[..16]);
        place.span.copy_from_slice(&hash[..8]);
        place
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One span that is over.
#[derive(Debug)]
pub(crate) struct Span {
    name: &'static str,
    place: Place,
    parent: Option<Place>,
    /// Milliseconds since 1970.
    from_ms: i64,
    to_ms: i64,
    failed: bool,
    attributes: Vec<Value>,
}

impl Span {
    pub(super) fn new(
        name: &'static str,
        place: Place,
        parent: Option<Place>,
        from_ms: i64,
        to_ms: i64,
    ) -> Self {
        Self {
            name,
            place,
            parent,
            from_ms,
            to_ms: to_ms.max(from_ms),
            failed: false,
            attributes: Vec::new(),
        }
    }

    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        self.attributes
            .push(json!({ "key": key, "value": { "stringValue": value } }));
        self
    }

    /// Whole numbers are text in this format.
    pub(super) fn number(mut self, key: &str, value: u64) -> Self {
        self.attributes
            .push(json!({ "key": key, "value": { "intValue": value.to_string() } }));
        self
    }

    pub(super) fn failed(mut self, failed: bool) -> Self {
        self.failed = failed;
        self
    }

    /// As OTLP has it in JSON.
    pub(super) fn told(&self) -> Value {
        let nanos = |ms: i64| (i128::from(ms) * 1_000_000).to_string();
        let mut span = json!({
            "traceId": hex(&self.place.trace),
            "spanId": hex(&self.place.span),
            "name": self.name,
            "kind": if self.parent.is_none() { 2 } else { 1 },
            "startTimeUnixNano": nanos(self.from_ms),
            "endTimeUnixNano": nanos(self.to_ms),
            "attributes": self.attributes,
            "status": { "code": if self.failed { 2 } else { 1 } },
        });
        if let Some(parent) = self.parent {
            span["parentSpanId"] = hex(&parent.span).into();
        }
        span
    }
}

/// A question to a provider, as a turn's story has it.
#[derive(Deserialize)]
pub(super) struct Tried {
    provider: String,
    model: Option<String>,
    at_ms: i64,
    took_ms: u64,
    error: Option<String>,
    usage: Option<Used>,
}

#[derive(Deserialize)]
struct Used {
    input: u64,
    output: u64,
}

impl Tried {
    pub(super) fn span(self, place: Place, parent: Place) -> Span {
        let to_ms = self
            .at_ms
            .saturating_add(i64::try_from(self.took_ms).unwrap_or(i64::MAX));
        let span = Span::new("provider", place, Some(parent), self.at_ms, to_ms);
        let mut span = span
            .failed(self.error.is_some())
            .text("miniclaw.provider", &self.provider);
        if let Some(model) = &self.model {
            span = span.text("gen_ai.request.model", model);
        }
        if let Some(used) = self.usage {
            span = span.number("gen_ai.usage.input_tokens", used.input);
            span = span.number("gen_ai.usage.output_tokens", used.output);
        }
        span
    }
}

/// What a story tells of questions to providers.
pub(super) fn tries(story: Option<&str>) -> Vec<Tried> {
    let tries = story.and_then(|story| serde_json::from_str(story).ok());
    tries.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otel_ids_come_from_the_message_alone() {
        let (one, other) = (Trace::of("spool", 7), Trace::of("spool", 8));
        assert_eq!(one.turn(), Trace::of("spool", 7).turn());
        assert_ne!(one.turn().trace, other.turn().trace);
        assert_ne!(one.turn().span, one.root().span);
        let told = Span::new("turn", one.turn(), Some(one.root()), 1_000, 2_500)
            .number("n", 3)
            .told();
        assert_eq!(told["traceId"].as_str().unwrap().len(), 32);
        assert_eq!(told["spanId"].as_str().unwrap().len(), 16);
        assert_eq!(told["endTimeUnixNano"], "2500000000");
        assert_eq!(told["parentSpanId"], hex(&one.root().span));
        assert_eq!(told["attributes"][0]["value"]["intValue"], "3");
    }
}
