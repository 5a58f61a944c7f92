//! `GET /v1beta/models`, <https://ai.google.dev/api/models#method:-models.list>.

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{Model, Result};
use serde_json::Value;

/// More than there are; a server that goes on for ever is not followed.
const MOST_PAGES: usize = 20;

/// The models that answer.
pub(crate) async fn list(client: &Client) -> Result<Vec<Model>> {
    let mut models = Vec::new();
    let mut path = "v1beta/models?pageSize=1000".to_owned();
    for _ in 0..MOST_PAGES {
        let response = client.get(&path).await?;
        let server = response.server().clone();
        let page: Value = response.json().await?;
        let Some(entries) = page["models"].as_array() else {
            return Err(server.garbled("JSON without a list of models in it"));
        };
        models.extend(entries.iter().filter_map(model));
        match page["nextPageToken"].as_str() {
            Some(token) if !token.is_empty() => {
                path = format!("v1beta/models?pageSize=1000&pageToken={}", escaped(token));
            }
            _ => break,
        }
    }
    Ok(models)
}

fn model(entry: &Value) -> Option<Model> {
    let methods = entry["supportedGenerationMethods"].as_array()?;
    if !methods.iter().any(|method| method == "generateContent") {
        return None;
    }
    let name = entry["name"].as_str()?;
    let mut model = Model::new(name.strip_prefix("models/").unwrap_or(name));
    model.context_tokens = entry["inputTokenLimit"].as_u64();
    Some(model)
}

/// For the query of an address, of which only these have a meaning of their own.
fn escaped(token: &str) -> String {
    token.replace('%', "%25").replace('&', "%26").replace('+', "%2B")
}
