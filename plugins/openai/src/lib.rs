//! Model provider for every server with a `POST {base_url}/chat/completions`: OpenAI, OpenRouter, llama.cpp,
//! vLLM, Ollama's `/v1`, and many more.

mod address;
mod answer;
mod failure;
mod models;
mod refused;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use miniclaw_plugin_api::http::{Client, Response};
use miniclaw_plugin_api::{
    Capability, ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Model, Permission,
    Provider, Result,
};

use crate::answer::Answer;
use crate::refused::Refused;
pub use crate::settings::Settings;

/// The provider.
pub struct OpenAi {
    client: Client,
    settings: Settings,
    refused: Refused,
}

impl Provider for OpenAi {
    const MANIFEST: Manifest = Manifest::new("openai", env!("CARGO_PKG_VERSION"))
        .description("Models behind any server that speaks the API of OpenAI.")
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
        Ok(Self {
            client: address::client(&settings)?,
            settings,
            refused: Refused::default(),
        })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let model = request.model_or(&self.settings.model);
        let settle = |error| failure::settle(request.blame_pictures(error, model));
        let (response, stream) = self.ask(model, &request).await.map_err(settle)?;
        let answer = Answer::new(response.server().clone(), sink);
        let streams = response.is_stream(stream).map_err(|mut error| {
            error.message.push_str(", which often ends in /v1");
            error
        })?;
        let completion = if streams {
            answer.stream(response.events()).await
        } else {
            answer.whole(&response.json().await?).await
        };
        completion.map_err(settle)
    }

    async fn models(&self) -> Result<Vec<Model>> {
        if address::is_deployment(&self.client) {
            return Err(Error::permanent(
                "the address is that of one deployment, which lists no models; `/openai/v1` of the same host lists them",
            ));
        }
        let response = self.client.get("models").await?;
        let server = response.server().clone();
        let mut models = models::read(&response.json().await?)
            .ok_or_else(|| server.garbled("JSON that is no list of models"))?;
        if self.is_official() {
            models::complete_official(&mut models);
        }
        Ok(models)
    }
}

impl OpenAi {
    /// Asks, again where the server refuses a field that it can be asked without. Says whether a stream was asked for.
    async fn ask(&self, model: &str, request: &CompletionRequest) -> Result<(Response, bool)> {
        let mut body = request::body(&self.settings, self.is_official(), request);
        self.refused.apply(model, &mut body);
        loop {
            match self.client.post(address::CHAT, &body).await {
                Ok(response) => return Ok((response, body.asks_for("stream"))),
                Err(error) if self.refused.learn(model, &error, &mut body) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether this is OpenAI itself, which knows fields that others refuse and refuses fields that others know.
    fn is_official(&self) -> bool {
        self.client.host() == "api.openai.com"
    }
}
