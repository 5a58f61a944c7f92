//! From the contract's request to Gemini's, <https://ai.google.dev/api/generate-content>.

use std::collections::HashMap;

use miniclaw_plugin_api::{CompletionRequest, ContentPart, Tool};
use serde_json::{Map, Value, json};

use crate::answer::OWN_ID;
use crate::settings::Settings;

/// What stands for the signature of a call's thoughts, which the contract does not carry. Models from version 3 on
/// refuse a call without one, <https://ai.google.dev/gemini-api/docs/thought-signatures>.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Makes the body. What neither side sets is left out.
pub(crate) fn body(settings: &Settings, model: &str, request: &CompletionRequest) -> Value {
    let conversation = request.turns();
    let mut writer = Writer {
        signs: signs(model),
        names: HashMap::new(),
    };
    let contents = conversation.turns.into_iter().map(|turn| {
        let role = if turn.by_model { "model" } else { "user" };
        let parts = turn.parts.into_iter().filter_map(|part| writer.part(part));
        json!({ "role": role, "parts": parts.collect::<Value>() })
    });
    let mut body = Map::new();
    body.insert("contents".into(), contents.collect());
    if !conversation.system.is_empty() {
        let system = json!({ "parts": [{ "text": conversation.system }] });
        body.insert("systemInstruction".into(), system);
    }
    if !request.tools.is_empty() {
        let tools: Value = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), json!([{ "functionDeclarations": tools }]));
    }
    let options = options(settings, request);
    if !options.is_empty() {
        body.insert("generationConfig".into(), options.into());
    }
    Value::Object(body)
}

fn options(settings: &Settings, request: &CompletionRequest) -> Map<String, Value> {
    let sampling = &request.sampling;
    let options = [
        (
            "temperature",
            sampling.temperature.or(settings.temperature).map(Value::from),
        ),
        ("topP", sampling.top_p.map(Value::from)),
        (
            "maxOutputTokens",
            sampling.max_tokens.or(settings.max_tokens).map(Value::from),
        ),
        (
            "stopSequences",
            (!sampling.stop.is_empty()).then(|| json!(sampling.stop)),
        ),
        ("seed", sampling.seed.map(Value::from)),
    ];
    let set = options
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    set.collect()
}

fn tool(tool: &Tool) -> Value {
    json!({ "name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters })
}

/// Whether the model insists on signatures; those before version 3 do not, and may refuse what is none.
fn signs(model: &str) -> bool {
    let version = model
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_prefix("gemini-"));
    version.is_some_and(|version| !version.starts_with(['1', '2']))
}

struct Writer<'a> {
    signs: bool,
    /// Names of the tools by the ids of their calls so far: results need both.
    names: HashMap<&'a str, &'a str>,
}

impl<'a> Writer<'a> {
    fn part(&mut self, part: &'a ContentPart) -> Option<Value> {
        Some(match part {
            ContentPart::Text { text } => json!({ "text": text }),
            ContentPart::Image { media_type, data } => {
                json!({ "inlineData": { "mimeType": media_type, "data": data } })
            }
            ContentPart::ToolCall { id, name, arguments } => {
                self.names.insert(id, name);
                // The API takes an object; what a model wrote as none becomes an empty one.
                let args: Map<String, Value> = serde_json::from_str(arguments).unwrap_or_default();
                let call = with_id(json!({ "name": name, "args": args }), id);
                let mut part = json!({ "functionCall": call });
                if self.signs {
                    part["thoughtSignature"] = NO_SIGNATURE.into();
                }
                part
            }
            ContentPart::ToolResult { id, text, is_error } => {
                let name = self.names.get(id.as_str()).copied().unwrap_or_default();
                let key = if *is_error { "error" } else { "output" };
                json!({ "functionResponse": with_id(json!({ "name": name, "response": { key: text } }), id) })
            }
            _ => return None,
        })
    }
}

fn with_id(mut object: Value, id: &str) -> Value {
    if !id.is_empty() && !id.starts_with(OWN_ID) {
        object["id"] = id.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{ChatMessage, Role};

    use super::*;

    #[test]
    fn nothing_is_sent_that_nobody_set() {
        let request = CompletionRequest::new(vec![
            ChatMessage::new(Role::System, "be brief"),
            ChatMessage::new(Role::User, "hi"),
            ChatMessage::new(Role::User, "there"),
            ChatMessage::new(Role::Assistant, "hello"),
        ]);
        let expected = json!({
            "systemInstruction": { "parts": [{ "text": "be brief" }] },
            "contents": [
                { "role": "user", "parts": [{ "text": "hi" }, { "text": "there" }] },
                { "role": "model", "parts": [{ "text": "hello" }] },
            ],
        });
        assert_eq!(body(&Settings::default(), "m", &request), expected);
    }

    #[test]
    fn request_wins_over_settings() {
        let settings = Settings {
            temperature: Some(0.5),
            max_tokens: Some(7),
            ..Settings::default()
        };
        let mut request = CompletionRequest::new(vec![ChatMessage::new(Role::User, "hi")]);
        request.sampling.temperature = Some(1.0);
        request.sampling.stop = vec!["END".into()];
        let expected = json!({ "temperature": 1.0, "maxOutputTokens": 7, "stopSequences": ["END"] });
        assert_eq!(body(&settings, "m", &request)["generationConfig"], expected);
    }

    #[test]
    fn pictures_and_tools_have_their_shapes() {
        let message = |role, parts| ChatMessage { role, parts };
        let call = |id: &str, name: &str, arguments: &str| ContentPart::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let result = |id: &str, is_error| ContentPart::ToolResult {
            id: id.into(),
            text: "no".into(),
            is_error,
        };
        let image = ContentPart::Image {
            media_type: "image/png".into(),
            data: "AAAA".into(),
        };
        let mut request = CompletionRequest::new(vec![
            message(Role::User, vec![image]),
            message(
                Role::Assistant,
                vec![call("c1", "zoom", r#"{"x":2}"#), call("call_1", "look", "none")],
            ),
            message(Role::Tool, vec![result("c1", false), result("call_1", true)]),
        ]);
        request.tools = vec![Tool {
            name: "zoom".into(),
            description: "d".into(),
            parameters: json!({ "type": "object" }),
        }];
        let body = |model| super::body(&Settings::default(), model, &request);
        let expected = json!([
            { "role": "user", "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AAAA" } }] },
            { "role": "model", "parts": [
                { "functionCall": { "id": "c1", "name": "zoom", "args": { "x": 2 } } },
                { "functionCall": { "name": "look", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "c1", "name": "zoom", "response": { "output": "no" } } },
                { "functionResponse": { "name": "look", "response": { "error": "no" } } },
            ] },
        ]);
        assert_eq!(body("gemini-2.5-flash")["contents"], expected);
        let declared = &body("m")["tools"][0]["functionDeclarations"][0];
        assert_eq!(declared["parametersJsonSchema"], json!({ "type": "object" }));
        for model in ["gemini-flash-latest", "models/gemini-3-pro"] {
            assert_eq!(
                body(model)["contents"][1]["parts"][0]["thoughtSignature"],
                NO_SIGNATURE
            );
        }
    }
}
