//! Model provider for Anthropic's Messages API and servers that speak alike.

mod answer;
mod failure;
mod models;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use miniclaw_plugin_api::http::Client;
use miniclaw_plugin_api::{
    Capability, ChunkSink, Completion, CompletionRequest, Context, Manifest, Model, Permission, Provider,
    Result,
};

use crate::answer::Answer;
use crate::failure::settle;
pub use crate::settings::Settings;

/// The version of the API, <https://platform.claude.com/docs/en/api/versioning>.
const VERSION: &str = "2023-06-01";

/// The provider.
pub struct Anthropic {
    client: Client,
    settings: Settings,
}

impl Provider for Anthropic {
    const MANIFEST: Manifest = Manifest::new("anthropic", env!("CARGO_PKG_VERSION"))
        .description("Claude models, or others behind a server that speaks the API of Anthropic.")
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
        let mut http = settings.http.clone();
        if !settings.stream {
            http = http.for_whole_answers();
        }
        // Some give the address with its version.
        let base = settings.base_url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let client = Client::new(base, &http)?
            .header("anthropic-version", VERSION)?
            .key("x-api-key", settings.api_key.as_deref().unwrap_or_default())?
            .headers(&settings.headers)?;
        Ok(Self { client, settings })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let model = request.model_or(&self.settings.model);
        let body = request::body(&self.settings, model, &request);
        self.answer(body, sink)
            .await
            .map_err(|error| request.blame_pictures(settle(error), model))
    }

    async fn models(&self) -> Result<Vec<Model>> {
        models::list(&self.client).await
    }
}

impl Anthropic {
    async fn answer(&self, body: request::Body<'_>, sink: ChunkSink) -> Result<Completion> {
        let response = self.client.post("v1/messages", &body).await?;
        let answer = Answer::new(response.server().clone(), sink);
        if response.is_stream(self.settings.stream)? {
            answer.stream(response.events()).await
        } else {
            answer.whole(response.json().await?).await
        }
    }
}
