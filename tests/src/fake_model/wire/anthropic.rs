//! Anthropic's Messages API.

use serde_json::{Value, json};

use crate::http::Request;

pub(in super::super) const MODELS: &str = r#"{"data":[{"type":"model","id":"fake","display_name":"Fake","max_input_tokens":200000}],
    "has_more":false,"first_id":"fake","last_id":"fake"}"#;

/// The request in OpenAI's shape; `None` where the real API would refuse it.
pub(super) fn asked(request: &Request) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    request.header("anthropic-version")?;
    body["max_tokens"].as_u64().filter(|tokens| *tokens > 0)?;
    let roles = ["user", "assistant"];
    let messages = body["messages"].as_array_mut()?;
    for (index, message) in messages.iter().enumerate() {
        let blank = |block: &Value| {
            block["type"] == "text" && block["text"].as_str().is_none_or(|t| t.trim().is_empty())
        };
        let content = message["content"].as_array()?;
        if message["role"] != roles[index % 2] || content.is_empty() || content.iter().any(blank) {
            return None;
        }
    }
    let system = match &body["system"] {
        Value::Null => return Some(body),
        system => json!({ "role": "system", "content": system }),
    };
    body["messages"].as_array_mut()?.insert(0, system);
    Some(body)
}

pub(super) fn whole(model: &str, thoughts: &str, text: &str, reason: &str) -> Value {
    let mut content = Vec::new();
    if !thoughts.is_empty() {
        content.push(json!({ "type": "thinking", "thinking": thoughts, "signature": "x" }));
    }
    if !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    message(model, json!(content), reason)
}

pub(super) fn tool_call(model: &str) -> Value {
    let call = json!({ "type": "tool_use", "id": "toolu_1", "name": "no_such_tool", "input": {} });
    message(model, json!([call]), "tool_use")
}

fn message(model: &str, content: Value, reason: &str) -> Value {
    let reason = match reason {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "content_filter" => "refusal",
        other => other,
    };
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content,
        "stop_reason": reason, "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 1 } })
}

/// A whole message as the events of a stream.
pub(super) fn events(whole: &Value) -> String {
    let mut events = begin(whole["model"].as_str().unwrap_or_default());
    for (index, block) in whole["content"].as_array().into_iter().flatten().enumerate() {
        let mut start = block.clone();
        let delta = match block["type"].as_str() {
            Some("text") => json!({ "type": "text_delta", "text": start["text"].take() }),
            Some("thinking") => json!({ "type": "thinking_delta", "thinking": start["thinking"].take() }),
            _ => json!({ "type": "input_json_delta", "partial_json": "{}" }),
        };
        for name in ["text", "thinking"] {
            if start[name].is_null() {
                start.as_object_mut().and_then(|start| start.remove(name));
            }
        }
        events += &event(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        events += &event(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        events += &event(json!({ "type": "content_block_stop", "index": index }));
    }
    events + &end(whole["stop_reason"].as_str().unwrap_or_default())
}

pub(super) fn begin(model: &str) -> String {
    let mut message = message(model, json!([]), "stop");
    message["stop_reason"] = Value::Null;
    event(json!({ "type": "message_start", "message": message })) + &event(json!({ "type": "ping" }))
}

pub(super) fn piece(text: &str) -> String {
    event(
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } }),
    )
}

pub(super) fn end(reason: &str) -> String {
    let delta = json!({ "stop_reason": reason, "stop_sequence": null });
    event(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 1 } }))
        + &event(json!({ "type": "message_stop" }))
}

pub(super) fn error() -> Value {
    json!({ "type": "error", "error": { "type": "overloaded_error", "message": "the fake model broke down" } })
}

pub(super) fn event(data: Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap_or_default()
    )
}
