//! From the contract's request to Anthropic's, <https://platform.claude.com/docs/en/api/messages/create>.

use miniclaw_plugin_api::{CompletionRequest, ContentPart, Tool, Turn};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The body of the request. A history is long, so that its texts and pictures are not copied.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    messages: Vec<Message<'a>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Map<String, Value>,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        is_error: bool,
    },
}

#[derive(Serialize)]
struct Source<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: &'a str,
}

/// Makes the body. What neither side sets is left out.
pub(crate) fn body<'a>(settings: &Settings, model: &str, request: &'a CompletionRequest) -> Body<'a> {
    let conversation = request.turns();
    let sampling = &request.sampling;
    let mut rest = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            rest.insert(key.to_owned(), value);
        }
    };
    set("model", Some(model.into()));
    set(
        "max_tokens",
        Some(sampling.max_tokens.unwrap_or(settings.max_tokens).into()),
    );
    set("stream", Some(settings.stream.into()));
    set("system", system(&conversation.system, settings.cache));
    set(
        "temperature",
        sampling.temperature.or(settings.temperature).map(Value::from),
    );
    set("top_p", sampling.top_p.map(Value::from));
    set(
        "stop_sequences",
        (!sampling.stop.is_empty()).then(|| json!(sampling.stop)),
    );
    set(
        "tools",
        (!request.tools.is_empty()).then(|| request.tools.iter().map(tool).collect()),
    );
    Body {
        messages: conversation.turns.into_iter().map(message).collect(),
        rest,
    }
}

/// A mark on the instructions covers the tools too, which come before them.
fn system(text: &str, cache: bool) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    Some(if cache {
        json!([{ "type": "text", "text": text, "cache_control": { "type": "ephemeral" } }])
    } else {
        text.into()
    })
}

fn tool(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "input_schema": tool.parameters })
}

fn message(turn: Turn<'_>) -> Message<'_> {
    Message {
        role: if turn.by_model { "assistant" } else { "user" },
        content: turn.parts.into_iter().filter_map(block).collect(),
    }
}

fn block(part: &ContentPart) -> Option<Block<'_>> {
    Some(match part {
        ContentPart::Text { text } => Block::Text { text },
        ContentPart::Image { media_type, data } => Block::Image {
            source: Source {
                r#type: "base64",
                media_type,
                data,
            },
        },
        // The API takes an object; what a model wrote as none becomes an empty one.
        ContentPart::ToolCall { id, name, arguments } => Block::ToolUse {
            id,
            name,
            input: serde_json::from_str(arguments).unwrap_or_default(),
        },
        ContentPart::ToolResult { id, text, is_error } => Block::ToolResult {
            tool_use_id: id,
            content: text,
            is_error: *is_error,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{ChatMessage, Role};

    use super::*;

    fn body(settings: &Settings, request: &CompletionRequest) -> Value {
        serde_json::to_value(super::body(settings, "m-1", request)).unwrap()
    }

    fn message(role: Role, parts: Vec<ContentPart>) -> ChatMessage {
        ChatMessage { role, parts }
    }

    #[test]
    fn nothing_is_sent_that_nobody_set_but_the_limit() {
        let request = CompletionRequest::new(vec![
            ChatMessage::new(Role::System, "be brief"),
            ChatMessage::new(Role::User, "hi"),
            ChatMessage::new(Role::User, "there"),
        ]);
        let expected = json!({ "model": "m-1", "max_tokens": 8192, "stream": true, "system": "be brief",
            "messages": [{ "role": "user", "content": [
                { "type": "text", "text": "hi" }, { "type": "text", "text": "there" },
            ] }] });
        assert_eq!(body(&Settings::default(), &request), expected);
    }

    #[test]
    fn request_wins_over_settings() {
        let settings = Settings {
            temperature: Some(0.5),
            max_tokens: 7,
            cache: true,
            ..Settings::default()
        };
        let mut request = CompletionRequest::new(vec![
            ChatMessage::new(Role::System, "be brief"),
            ChatMessage::new(Role::User, "hi"),
        ]);
        assert_eq!(body(&settings, &request)["max_tokens"], 7);
        request.sampling.temperature = Some(1.0);
        request.sampling.max_tokens = Some(9);
        request.sampling.stop = vec!["END".into()];
        let body = body(&settings, &request);
        assert_eq!(
            (&body["temperature"], &body["max_tokens"]),
            (&json!(1.0), &json!(9))
        );
        assert_eq!(body["stop_sequences"], json!(["END"]));
        assert_eq!(body["system"][0]["cache_control"], json!({ "type": "ephemeral" }));
        assert_eq!(body["system"][0]["text"], "be brief");
    }

    #[test]
    fn pictures_and_tools_have_their_shapes() {
        let text = |text: &str| ContentPart::Text { text: text.into() };
        let image = ContentPart::Image {
            media_type: "image/png".into(),
            data: "AAAA".into(),
        };
        let call = |arguments: &str| ContentPart::ToolCall {
            id: "c1".into(),
            name: "zoom".into(),
            arguments: arguments.into(),
        };
        let result = ContentPart::ToolResult {
            id: "c1".into(),
            text: "no".into(),
            is_error: true,
        };
        let mut request = CompletionRequest::new(vec![
            message(Role::User, vec![text("what is it"), image]),
            message(Role::Assistant, vec![call(r#"{"x":2}"#), call("none")]),
            message(Role::Tool, vec![result]),
            message(Role::User, vec![text("well?")]),
        ]);
        request.tools = vec![Tool {
            name: "zoom".into(),
            description: "d".into(),
            parameters: json!({ "type": "object" }),
        }];
        let body = body(&Settings::default(), &request);
        let expected = json!([
            { "role": "user", "content": [
                { "type": "text", "text": "what is it" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "tool_use", "id": "c1", "name": "zoom", "input": { "x": 2 } },
                { "type": "tool_use", "id": "c1", "name": "zoom", "input": {} },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": true },
                { "type": "text", "text": "well?" },
            ] },
        ]);
        assert_eq!(body["messages"], expected);
        assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    }
}
