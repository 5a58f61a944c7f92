//! Model provider for Ollama, through its own API.

mod answer;
mod models;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{
    Capability, Cause, ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Model, Permission,
    Provider, Result,
};

use crate::answer::Answer;
pub use crate::settings::Settings;

/// The provider.
pub struct Ollama {
    client: Client,
    settings: Settings,
}

impl Provider for Ollama {
    const MANIFEST: Manifest = Manifest::new("ollama", env!("CARGO_PKG_VERSION"))
        .description("Models of an Ollama server.")
        .schema(include_str!("../schema.json"))
        .capabilities(&[
            Capability::Streaming,
            Capability::Tools,
            Capability::Vision,
            Capability::Models,
        ])
        .permissions(&[Permission::Network]);

    type Config = Settings;

    async fn create(settings: Settings, _: Context) -> Result<Self> {
        let client = Client::new(&settings.base_url, &settings.http)?
            .bearer(settings.api_key.as_deref().unwrap_or_default())?;
        Ok(Self { client, settings })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let model = request
            .model
            .as_deref()
            .filter(|model| !model.is_empty())
            .unwrap_or(&self.settings.model);
        let body = request::body(&self.settings, model, &request);
        let response = self
            .client
            .post("api/chat", &body)
            .await
            .map_err(|error| advise(error, Some(model)))?;
        Answer::new(response.server().clone(), sink)
            .read(response.lines())
            .await
    }

    async fn models(&self) -> Result<Vec<Model>> {
        let response = self
            .client
            .get("api/tags")
            .await
            .map_err(|error| advise(error, None))?;
        Ok(models::read(response.json().await?))
    }
}

/// Adds what a newcomer to Ollama has to do.
fn advise(mut error: Error, model: Option<&str>) -> Error {
    if error.meta.contains_key("connect") {
        error.message.push_str("; start it with `ollama serve`");
    } else if let (Cause::NotFound, Some(model)) = (error.cause, model) {
        error
            .message
            .push_str(&format!(", or fetch it with `ollama pull {model}`"));
    }
    error
}
