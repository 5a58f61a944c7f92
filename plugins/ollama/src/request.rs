//! From the contract's request to Ollama's, <https://github.com/ollama/ollama/blob/main/docs/api.md>.

use std::collections::HashMap;

use miniclaw_plugin_api::{ChatMessage, CompletionRequest, ContentPart, Role, Sampling, Tool};
use serde_json::{Map, Value, json};

use crate::settings::Settings;

const BYTES_OF_TOKEN: u64 = 3;
/// What a model's template puts around each message.
const FRAME_TOKENS: u64 = 8;
/// Room for an answer of which nobody says how long it may be.
const ANSWER_TOKENS: u64 = 1024;
/// A picture weighs as much as this much text, which is a thousand tokens.
const IMAGE_BYTES: usize = 3072;

/// The body of the request; what neither side sets is left out.
pub(crate) fn body(
    settings: &Settings,
    model: &str,
    window: Option<u64>,
    request: &CompletionRequest,
) -> Map<String, Value> {
    let names = tool_names(&request.messages);
    let messages = request
        .messages
        .iter()
        .flat_map(|message| messages(message, &names));
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages.collect());
    body.insert("stream".into(), true.into());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    let mut options = options(settings, &request.sampling);
    if let Some(window) = window {
        options.insert("num_ctx".into(), window.into());
    }
    if !options.is_empty() {
        body.insert("options".into(), options.into());
    }
    if let Some(keep_alive) = &settings.keep_alive {
        body.insert("keep_alive".into(), json!(keep_alive));
    }
    if let Some(think) = &settings.think {
        body.insert("think".into(), json!(think));
    }
    // Without these the server cuts what does not fit, and says nothing of it.
    body.insert("truncate".into(), false.into());
    body.insert("shift".into(), false.into());
    body
}

/// The tokens of a request and its answer, guessed too high rather than too low: three bytes are one in most languages.
pub(crate) fn tokens(request: &CompletionRequest) -> u64 {
    let bytes: usize = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .map(weight)
        .sum();
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        .sum();
    let frames = request.messages.len() as u64 * FRAME_TOKENS;
    let answer = request.sampling.max_tokens.map_or(ANSWER_TOKENS, u64::from);
    (bytes + tools) as u64 / BYTES_OF_TOKEN + frames + answer
}

fn weight(part: &ContentPart) -> usize {
    match part {
        ContentPart::Text { text } | ContentPart::ToolResult { text, .. } => text.len(),
        ContentPart::ToolCall { name, arguments, .. } => name.len() + arguments.len(),
        ContentPart::Image { .. } => IMAGE_BYTES,
        _ => 0,
    }
}

fn options(settings: &Settings, sampling: &Sampling) -> Map<String, Value> {
    let mut options = settings.options.clone();
    let asked = [
        ("temperature", sampling.temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("num_predict", sampling.max_tokens.map(Value::from)),
        ("stop", (!sampling.stop.is_empty()).then(|| json!(sampling.stop))),
        ("seed", sampling.seed.map(Value::from)),
    ];
    for (name, value) in asked {
        if let Some(value) = value {
            options.insert(name.into(), value);
        }
    }
    options
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
    })
}

/// Names of the tools by the ids of their calls: Ollama matches results by name.
fn tool_names(messages: &[ChatMessage]) -> HashMap<&str, &str> {
    messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            ContentPart::ToolCall { id, name, .. } => Some((id.as_str(), name.as_str())),
            _ => None,
        })
        .collect()
}

/// A message, after one for each tool result in it: those stand alone.
fn messages(message: &ChatMessage, names: &HashMap<&str, &str>) -> Vec<Value> {
    let mut out: Vec<Value> = message
        .parts
        .iter()
        .filter_map(|part| tool_result(part, names))
        .collect();
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        _ => return out,
    };
    let text = message.text();
    let images: Vec<&str> = message.parts.iter().filter_map(image).collect();
    let calls: Vec<Value> = message.parts.iter().filter_map(tool_call).collect();
    if text.is_empty() && images.is_empty() && calls.is_empty() {
        return out;
    }
    let mut rest = json!({ "role": role, "content": text });
    if !images.is_empty() {
        rest["images"] = json!(images);
    }
    if !calls.is_empty() {
        rest["tool_calls"] = calls.into();
    }
    out.push(rest);
    out
}

fn tool_result(part: &ContentPart, names: &HashMap<&str, &str>) -> Option<Value> {
    let ContentPart::ToolResult { id, text, is_error } = part else {
        return None;
    };
    let text = if *is_error {
        format!("error: {text}")
    } else {
        text.clone()
    };
    let name = names.get(id.as_str()).copied().unwrap_or_default();
    Some(json!({ "role": "tool", "tool_name": name, "content": text }))
}

fn image(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Image { data, .. } => Some(data),
        _ => None,
    }
}

/// Ollama takes the arguments as an object; what a model wrote as none becomes an empty one.
fn tool_call(part: &ContentPart) -> Option<Value> {
    let ContentPart::ToolCall { name, arguments, .. } = part else {
        return None;
    };
    let arguments: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
    Some(json!({ "function": { "name": name, "arguments": arguments } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_wins_over_options() {
        let mut settings = Settings::default();
        settings.options.insert("num_ctx".into(), 8192.into());
        settings.options.insert("temperature".into(), 0.1.into());
        let mut request = CompletionRequest::new(vec![ChatMessage::new(Role::User, "hi")]);
        request.sampling.temperature = Some(0.9);
        request.sampling.max_tokens = Some(5);
        let body = body(&settings, "m", None, &request);
        assert_eq!(
            body["options"],
            json!({ "num_ctx": 8192, "temperature": 0.9, "num_predict": 5 })
        );
    }

    #[test]
    fn pictures_and_tools_have_their_shapes() {
        let message = |role, part| ChatMessage {
            role,
            parts: vec![part],
        };
        let request = CompletionRequest::new(vec![
            message(
                Role::User,
                ContentPart::Image {
                    media_type: "image/png".into(),
                    data: "AAAA".into(),
                },
            ),
            message(
                Role::Assistant,
                ContentPart::ToolCall {
                    id: "c1".into(),
                    name: "zoom".into(),
                    arguments: r#"{"x":2}"#.into(),
                },
            ),
            message(
                Role::Tool,
                ContentPart::ToolResult {
                    id: "c1".into(),
                    text: "ok".into(),
                    is_error: false,
                },
            ),
            message(Role::User, ContentPart::Other),
        ]);
        let mut body = body(&Settings::default(), "m", None, &request);
        assert!(body.remove("truncate").is_some() && body.remove("shift").is_some());
        assert_eq!(
            Value::Object(body),
            json!({ "model": "m", "stream": true, "messages": [
                { "role": "user", "content": "", "images": ["AAAA"] },
                { "role": "assistant", "content": "", "tool_calls": [
                    { "function": { "name": "zoom", "arguments": { "x": 2 } } },
                ] },
                { "role": "tool", "tool_name": "zoom", "content": "ok" },
            ] })
        );
    }
}
