//! `GET /v1/models`, <https://platform.claude.com/docs/en/api/models/list>.

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{Model, Result};
use serde_json::Value;

/// Where Anthropic, llama.cpp, vLLM and OpenRouter tell what a model reads and writes together.
const CONTEXT: [&str; 4] = [
    "/max_input_tokens",
    "/meta/n_ctx",
    "/max_model_len",
    "/context_length",
];
/// More than there are; a server that goes on for ever is not followed.
const MOST_PAGES: usize = 20;

pub(crate) async fn list(client: &Client) -> Result<Vec<Model>> {
    let mut models = Vec::new();
    let mut path = "v1/models?limit=1000".to_owned();
    for _ in 0..MOST_PAGES {
        let response = client.get(&path).await?;
        let server = response.server().clone();
        let page: Value = response.json().await?;
        let Some(entries) = page["data"].as_array() else {
            return Err(server.garbled("JSON without a list of models in it"));
        };
        models.extend(entries.iter().filter_map(model));
        match page["last_id"].as_str() {
            Some(last) if page["has_more"] == true => {
                path = format!("v1/models?limit=1000&after_id={last}");
            }
            _ => break,
        }
    }
    Ok(models)
}

/// Some servers that speak alike tell the id alone; Anthropic itself has no model that calls no tools.
fn model(entry: &Value) -> Option<Model> {
    let mut model = Model::new(entry["id"].as_str()?);
    model.context_tokens = CONTEXT
        .iter()
        .filter_map(|place| entry.pointer(place)?.as_u64())
        .find(|tokens| *tokens > 0);
    let capabilities = &entry["capabilities"];
    model.vision = capabilities["image_input"]["supported"] == true;
    model.tools = capabilities.is_object();
    Some(model)
}
