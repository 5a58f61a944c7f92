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

use miniclaw_plugin_api::http::{Client, Response};
use miniclaw_plugin_api::{
    Capability, Cause, ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Model, Permission,
    Provider, Result,
};

use crate::answer::Answer;
use crate::facts::{Facts, Library};
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
        let model = request.model_or(&self.settings.model);
        let facts = self.library.facts(&self.client, model).await?;
        if request.has_pictures() && facts.as_ref().is_some_and(|facts| facts.is_blind()) {
            return Err(failure::blind(model));
        }
        let settle = |error| failure::settle(request.blame_pictures(error, model), model);
        let response = self.ask(model, facts.as_ref(), &request, settle).await?;
        Answer::new(response.server().clone(), sink)
            .read(response.lines())
            .await
            .map_err(settle)
    }

    async fn models(&self) -> Result<Vec<Model>> {
        let response = self.client.get("api/tags").await.map_err(failure::advise)?;
        let server = response.server().clone();
        let mut models = models::read(&response.json().await?)
            .ok_or_else(|| server.garbled("JSON that is no list of models"))?;
        self.library
            .describe(&self.client, &self.settings, &mut models)
            .await;
        Ok(models)
    }
}

impl Ollama {
    /// Asks, again with a wider window where the conversation turns out not to fit.
    async fn ask(
        &self,
        model: &str,
        facts: Option<&Facts>,
        request: &CompletionRequest,
        settle: impl Fn(Error) -> Error,
    ) -> Result<Response> {
        let needed = request::tokens(request);
        let mut window = self.windows.of(&self.settings, facts, model, needed);
        loop {
            let body = request::body(&self.settings, model, window, request);
            let error = match self.client.post("api/chat", &body).await {
                Ok(response) => return Ok(response),
                Err(error) => settle(error),
            };
            // A server that takes no request of that size says 413, against which no window helps.
            let unfit = error.cause == Cause::TooLarge
                && error.meta.get("status").is_none_or(|status| *status != 413);
            let wider = window
                .filter(|_| unfit)
                .and_then(|window| self.windows.widen(&self.settings, facts, model, window));
            let Some(wider) = wider else {
                return Err(error);
            };
            window = Some(wider);
        }
    }
}
