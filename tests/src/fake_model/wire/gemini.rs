//! Google's `generateContent`.

use serde_json::{Value, json};

use crate::http::Request;

pub(in super::super) const MODELS: &str = r#"{"models":[{"name":"models/fake","inputTokenLimit":1048576,
    "supportedGenerationMethods":["generateContent"]}]}"#;

/// The request in OpenAI's shape; `None` where the real API would refuse it, and for a key in the address.
pub(super) fn asked(request: &Request) -> Option<Value> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let (model, method) = request.path().rsplit('/').next()?.split_once(':')?;
    let stream = method == "streamGenerateContent";
    if request.query() != if stream { "alt=sse" } else { "" } {
        return None;
    }
    let mut messages = Vec::new();
    if let Some(system) = body.get("systemInstruction") {
        messages.push(json!({ "role": "system", "content": system["parts"] }));
    }
    for content in body["contents"].as_array()? {
        let role = match content["role"].as_str()? {
            "model" => "assistant",
            role => role,
        };
        content["parts"].as_array().filter(|parts| !parts.is_empty())?;
        messages.push(json!({ "role": role, "content": content["parts"] }));
    }
    Some(json!({ "model": model, "stream": stream, "messages": messages }))
}

pub(super) fn whole(model: &str, thoughts: &str, text: &str, reason: &str) -> Value {
    let mut parts = Vec::new();
    if !thoughts.is_empty() {
        parts.push(json!({ "text": thoughts, "thought": true }));
    }
    if !text.is_empty() {
        parts.push(json!({ "text": text }));
    }
    answer(model, json!(parts), reason)
}

pub(super) fn tool_call(model: &str) -> Value {
    let call = json!({ "functionCall": { "name": "no_such_tool", "args": {} } });
    answer(model, json!([call]), "stop")
}

pub(super) fn piece(model: &str, text: &str) -> Value {
    json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 }],
        "modelVersion": model })
}

pub(super) fn error() -> Value {
    json!({ "error": { "code": 503, "message": "the fake model broke down", "status": "UNAVAILABLE" } })
}

fn answer(model: &str, parts: Value, reason: &str) -> Value {
    let reason = match reason {
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        _ => "STOP",
    };
    json!({ "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": reason, "index": 0 }],
        "usageMetadata": { "promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2 },
        "modelVersion": model })
}
