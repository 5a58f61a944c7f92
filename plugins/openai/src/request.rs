//! From the contract's request to OpenAI's, <https://platform.openai.com/docs/api-reference/chat/create>.

use std::borrow::Cow;

use miniclaw_plugin_api::{ChatMessage, CompletionRequest, ContentPart, Role, Tool};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The body of the request. A history is long and plain, so that its texts are not copied.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    messages: Vec<Message<'a>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    Text {
        role: &'static str,
        content: Cow<'a, str>,
    },
    Other(Value),
}

impl Body<'_> {
    /// Does without a field that the server refuses; `false` where it is not in the body.
    pub(crate) fn do_without(&mut self, field: &str) -> bool {
        let Some(value) = self.rest.remove(field) else {
            return false;
        };
        match field {
            "stream" => {
                self.rest.remove("stream_options");
                self.rest.insert("stream".into(), false.into());
                return value == true;
            }
            // What replaced it; a server that refuses that too decides for itself.
            "max_tokens" => {
                self.rest.insert("max_completion_tokens".into(), value);
            }
            _ => {}
        }
        true
    }

    pub(crate) fn asks_for(&self, field: &str) -> bool {
        self.rest.get(field).is_some_and(|value| *value != false)
    }
}

/// Makes the body. What neither side sets is left out, since servers refuse fields that they do not know.
pub(crate) fn body<'a>(settings: &Settings, official: bool, request: &'a CompletionRequest) -> Body<'a> {
    let mut body = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    set("model", Some(request.model_or(&settings.model).into()));
    set("stream", Some(settings.stream.into()));
    let usage = settings.stream && settings.stream_usage.unwrap_or(true);
    set("stream_options", usage.then(|| json!({ "include_usage": true })));
    let sampling = &request.sampling;
    set(
        "temperature",
        sampling.temperature.or(settings.temperature).map(Value::from),
    );
    set("top_p", sampling.top_p.map(Value::from));
    // OpenAI's reasoning models refuse the old name, other servers do not know the one that replaced it.
    let max_tokens = if official {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    set(
        max_tokens,
        sampling.max_tokens.or(settings.max_tokens).map(Value::from),
    );
    set("stop", (!sampling.stop.is_empty()).then(|| json!(sampling.stop)));
    set("seed", sampling.seed.map(Value::from));
    set(
        "tools",
        (!request.tools.is_empty()).then(|| request.tools.iter().map(tool).collect()),
    );
    let session = (official && !request.session.is_empty()).then(|| json!(request.session));
    set("prompt_cache_key", session);
    let mut all = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        messages(message, &mut all);
    }
    Body {
        messages: all,
        rest: body,
    }
}

fn tool(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.parameters },
    })
}

/// Appends a message, after one for each tool result in it: those stand alone.
fn messages<'a>(message: &'a ChatMessage, out: &mut Vec<Message<'a>>) {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        _ => "",
    };
    if let [ContentPart::Text { text }] = &*message.parts
        && !role.is_empty()
    {
        if !text.is_empty() {
            out.push(Message::Text {
                role,
                content: text.into(),
            });
        }
        return;
    }
    out.extend(message.parts.iter().filter_map(tool_result).map(Message::Other));
    let rest = match message.role {
        Role::Assistant => assistant(message),
        Role::User | Role::System => {
            content(message).map(|content| json!({ "role": role, "content": content }))
        }
        _ => None,
    };
    out.extend(rest.map(Message::Other));
}

fn tool_result(part: &ContentPart) -> Option<Value> {
    let ContentPart::ToolResult { id, text, is_error } = part else {
        return None;
    };
    let text = if *is_error {
        format!("error: {text}")
    } else {
        text.clone()
    };
    Some(json!({ "role": "tool", "tool_call_id": id, "content": text }))
}

fn assistant(message: &ChatMessage) -> Option<Value> {
    let text = message.text();
    let calls: Vec<Value> = message.parts.iter().filter_map(tool_call).collect();
    match (text.is_empty(), calls.is_empty()) {
        (true, true) => None,
        (false, true) => Some(json!({ "role": "assistant", "content": text })),
        (true, false) => Some(json!({ "role": "assistant", "content": null, "tool_calls": calls })),
        (false, false) => Some(json!({ "role": "assistant", "content": text, "tool_calls": calls })),
    }
}

fn tool_call(part: &ContentPart) -> Option<Value> {
    let ContentPart::ToolCall { id, name, arguments } = part else {
        return None;
    };
    Some(json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } }))
}

/// Plain text where there is nothing else: every server takes that, not every one takes parts.
fn content(message: &ChatMessage) -> Option<Value> {
    let has_image = |part: &ContentPart| matches!(part, ContentPart::Image { .. });
    if message.parts.iter().any(has_image) {
        return Some(message.parts.iter().filter_map(part).collect());
    }
    let text = message.text();
    (!text.is_empty()).then(|| text.into())
}

fn part(part: &ContentPart) -> Option<Value> {
    match part {
        ContentPart::Text { text } => Some(json!({ "type": "text", "text": text })),
        ContentPart::Image { media_type, data } => {
            let url = format!("data:{media_type};base64,{data}");
            Some(json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(settings: &Settings, official: bool, request: &CompletionRequest) -> Value {
        serde_json::to_value(super::body(settings, official, request)).unwrap()
    }

    fn request(messages: Vec<ChatMessage>) -> CompletionRequest {
        CompletionRequest::new(messages)
    }

    #[test]
    fn nothing_is_sent_that_nobody_set() {
        let request = request(vec![
            ChatMessage::new(Role::System, "be brief"),
            ChatMessage::new(Role::User, "hi"),
        ]);
        assert_eq!(
            body(&Settings::default(), false, &request),
            json!({
                "model": "gpt-4o-mini",
                "stream": true,
                "stream_options": { "include_usage": true },
                "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "hi" }],
            })
        );
    }

    #[test]
    fn fields_that_a_server_refuses_are_done_without() {
        let mut request = request(vec![ChatMessage::new(Role::User, "hi")]);
        request.sampling.max_tokens = Some(7);
        let mut body = super::body(&Settings::default(), false, &request);
        assert!(body.do_without("max_tokens") && !body.do_without("max_tokens"));
        assert_eq!(body.rest["max_completion_tokens"], 7);
        assert!(body.do_without("max_completion_tokens") && !body.do_without("seed"));
        assert!(body.do_without("stream") && !body.do_without("stream"));
        assert_eq!(
            Value::Object(body.rest),
            json!({ "model": "gpt-4o-mini", "stream": false })
        );
    }

    #[test]
    fn request_wins_over_settings() {
        let settings = Settings {
            temperature: Some(0.5),
            max_tokens: Some(7),
            ..Settings::default()
        };
        let mut request = request(vec![ChatMessage::new(Role::User, "hi")]);
        request.model = Some("other".into());
        request.session = "s1".into();
        request.sampling.temperature = Some(1.0);
        request.sampling.stop = vec!["END".into()];
        let body = body(&settings, true, &request);
        assert_eq!(body["model"], "other");
        assert_eq!(body["temperature"], 1.0);
        assert_eq!(body["max_completion_tokens"], 7);
        assert_eq!(body["stop"], json!(["END"]));
        assert_eq!(body["stream_options"], json!({ "include_usage": true }));
        assert_eq!(body["prompt_cache_key"], "s1");
    }

    #[test]
    fn pictures_and_tools_have_their_shapes() {
        let user = ChatMessage {
            role: Role::User,
            parts: vec![
                ContentPart::Text {
                    text: "what is it".into(),
                },
                ContentPart::Image {
                    media_type: "image/png".into(),
                    data: "AAAA".into(),
                },
            ],
        };
        let call = ChatMessage {
            role: Role::Assistant,
            parts: vec![ContentPart::ToolCall {
                id: "c1".into(),
                name: "zoom".into(),
                arguments: "{}".into(),
            }],
        };
        let result = ChatMessage {
            role: Role::Tool,
            parts: vec![ContentPart::ToolResult {
                id: "c1".into(),
                text: "no".into(),
                is_error: true,
            }],
        };
        let mut request = request(vec![user, call, result]);
        request.tools = vec![Tool {
            name: "zoom".into(),
            description: "d".into(),
            parameters: json!({}),
        }];
        let body = body(&Settings::default(), false, &request);
        assert_eq!(
            body["messages"],
            json!([
                { "role": "user", "content": [
                    { "type": "text", "text": "what is it" },
                    { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
                ] },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "zoom", "arguments": "{}" } },
                ] },
                { "role": "tool", "tool_call_id": "c1", "content": "error: no" },
            ])
        );
        assert_eq!(body["tools"][0]["function"]["name"], "zoom");
    }
}
