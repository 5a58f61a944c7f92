//! Model provider for Ollama, through its own API.

mod answer;
mod facts;
mod failure;
mod models;
mod request;
mod settings;
#[cfg(test)]
mod tests;
mod window;

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{
    Capability, Cause, ChunkSink, Completion, CompletionRequest, Context, Manifest, Model, Permission,
    Provider, Result,
};

use crate::answer::Answer;
use crate::facts::Library;
pub use crate::settings::Settings;
use crate::window::Windows;

/// The provider.
pub struct Ollama {
    client: Client,
    settings: Settings,
    library: Library,
    windows: Windows,
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
        Ok(Self {
            client,
            settings,
            library: Library::default(),
            windows: Windows::default(),
        })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let asked = request.model.as_deref().filter(|model| !model.is_empty());
        let model = asked.unwrap_or(&self.settings.model);
        let pictures = request::shows_pictures(&request);
        let facts = self.library.facts(&self.client, model).await?;
        if pictures && facts.as_ref().is_some_and(|facts| facts.is_blind()) {
            return Err(failure::blind(model));
        }
        let settle = |error| failure::settle(error, model, pictures);
        let mut window = self
            .windows
            .of(&self.settings, facts.as_ref(), model, request::tokens(&request));
        let response = loop {
            let body = request::body(&self.settings, model, window, &request);
            let error = match self.client.post("api/chat", &body).await {
                Ok(response) => break response,
                Err(error) => settle(error),
            };
            // The guess was too low.
            let wider =
                window.and_then(|window| self.windows.widen(&self.settings, facts.as_ref(), model, window));
            match (error.cause, wider) {
                (Cause::TooLarge, Some(wider)) => window = Some(wider),
                _ => return Err(error),
            }
        };
        Answer::new(response.server().clone(), sink)
            .read(response.lines())
            .await
            .map_err(settle)
    }

    async fn models(&self) -> Result<Vec<Model>> {
        let response = self.client.get("api/tags").await.map_err(failure::advise)?;
        let mut models = models::read(response.json().await?);
        self.library
            .describe(&self.client, &self.settings, &mut models)
            .await;
        Ok(models)
    }
}
