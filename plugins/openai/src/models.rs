//! `GET /models` in the shapes of many servers.

use miniclaw_plugin_api::Model;
use serde_json::Value;

/// Where servers tell what a model reads and writes together: llama.cpp as it was started and as it was trained, LM
/// Studio, OpenRouter, Together, Fireworks, vLLM, Mistral, Groq.
const CONTEXT: [&str; 8] = [
    "/meta/n_ctx",
    "/loaded_context_length",
    "/context_length",
    "/max_model_len",
    "/max_context_length",
    "/context_window",
    "/top_provider/context_length",
    "/meta/n_ctx_train",
];
const VISION: [&str; 6] = [
    "/capabilities/vision",
    "/supports_image_input",
    "/supports_image_in",
    "/supports_vision",
    "/capabilities/multimodal",
    "/multimodal",
];
const TOOLS: [&str; 3] = [
    "/capabilities/function_calling",
    "/supports_tools",
    "/supports_function_calling",
];
/// Lists of what a model can do, with the words for it.
const ABILITIES: [&str; 3] = [
    "/architecture/input_modalities",
    "/supported_parameters",
    "/capabilities",
];
const SEES: [&str; 3] = ["image", "vision", "multimodal"];
const CALLS: [&str; 3] = ["tools", "tool_use", "function_calling"];

/// The models of a list as it stands, or inside `data`; `None` where it is no list of models.
pub(crate) fn read(list: &Value) -> Option<Vec<Model>> {
    let data = list.get("data").unwrap_or(list).as_array()?;
    // llama.cpp tells what a model can do in a second list.
    let more = list.get("models").and_then(Value::as_array);
    let models = data.iter().filter_map(|entry| {
        let id = entry.get("id")?.as_str()?;
        let named = |entry: &&Value| {
            entry
                .get("name")
                .or(entry.get("model"))
                .is_some_and(|name| name == id)
        };
        let more = more.into_iter().flatten().find(named);
        Some(model(id, entry, more.unwrap_or(&Value::Null)))
    });
    Some(models.collect())
}

/// What a model of OpenAI's own reads and writes together, which its list does not tell
/// (<https://platform.openai.com/docs/models>, read 2026-11). Of two names the longer one counts.
const OFFICIAL: [(&str, u64); 11] = [
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("chatgpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4", 8_192),
    ("gpt-3.5-turbo", 16_385),
    ("o1", 200_000),
    ("o1-mini", 128_000),
    ("o3", 200_000),
    ("o4", 200_000),
];

/// Adds what OpenAI's own list does not tell.
pub(crate) fn complete_official(models: &mut [Model]) {
    for model in models.iter_mut().filter(|model| model.context_tokens.is_none()) {
        let named = OFFICIAL.iter().filter(|(name, _)| model.id.starts_with(name));
        model.context_tokens = named
            .max_by_key(|(name, _)| name.len())
            .map(|(_, tokens)| *tokens);
    }
}

fn model(id: &str, entry: &Value, more: &Value) -> Model {
    let is_true = |place: &str| entry.pointer(place) == Some(&Value::Bool(true));
    let able = |words: [&str; 3]| {
        let lists = ABILITIES
            .iter()
            .flat_map(|place| [entry.pointer(place), more.pointer(place)]);
        let mut items = lists.flatten().filter_map(Value::as_array).flatten();
        items.any(|item| item.as_str().is_some_and(|item| words.contains(&item)))
    };
    let mut model = Model::new(id);
    model.context_tokens = CONTEXT
        .iter()
        .filter_map(|place| entry.pointer(place)?.as_u64())
        .find(|tokens| *tokens > 0);
    // LM Studio calls a model that sees `vlm`.
    model.vision = VISION.iter().any(|place| is_true(place))
        || able(SEES)
        || entry.pointer("/type") == Some(&"vlm".into());
    model.tools = TOOLS.iter().any(|place| is_true(place)) || able(CALLS);
    model
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn openai_s_own_models_have_the_window_of_the_longest_name_that_fits() {
        let names = [
            "gpt-4o-mini",
            "gpt-4-0613",
            "gpt-4.1-nano",
            "o1-mini",
            "o1",
            "whisper-1",
        ];
        let mut models: Vec<_> = names.into_iter().map(Model::new).collect();
        complete_official(&mut models);
        let windows: Vec<_> = models.iter().map(|model| model.context_tokens).collect();
        let expected = [128_000, 8_192, 1_047_576, 128_000, 200_000].map(Some);
        assert_eq!((&windows[..5], windows[5]), (&expected[..], None));
    }

    #[test]
    fn every_server_is_understood() {
        let cases = [
            (json!({ "id": "openai" }), (None, false, false)),
            (
                json!({ "id": "vllm", "max_model_len": 8192 }),
                (Some(8192), false, false),
            ),
            (
                json!({ "id": "openrouter", "context_length": 9, "architecture": { "input_modalities": ["text", "image"] },
                    "supported_parameters": ["tools", "seed"] }),
                (Some(9), true, true),
            ),
            (
                json!({ "id": "groq", "context_window": 7 }),
                (Some(7), false, false),
            ),
            (
                json!({ "id": "mistral", "max_context_length": 5, "capabilities": { "vision": true, "function_calling": true } }),
                (Some(5), true, true),
            ),
            (
                json!({ "id": "lm", "type": "vlm", "max_context_length": 5, "loaded_context_length": 4, "capabilities": ["tool_use"] }),
                (Some(4), true, true),
            ),
            (
                json!({ "id": "llama.cpp", "meta": { "n_ctx_train": 3 } }),
                (Some(3), true, false),
            ),
            (
                json!({ "id": "odd", "context_length": "many", "capabilities": 3 }),
                (None, false, false),
            ),
        ];
        let (entries, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
        let list = json!({ "data": entries, "models": [{ "name": "llama.cpp", "capabilities": ["completion", "multimodal"] }] });
        let models = read(&list).unwrap();
        for (model, expected) in models.iter().zip(expected) {
            assert_eq!(
                (model.context_tokens, model.vision, model.tools),
                expected,
                "{}",
                model.id
            );
        }
        assert_eq!(
            read(&json!([{ "id": "together" }, { "no": "id" }]))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(read(&json!({ "detail": "no" })), None);
    }
}
