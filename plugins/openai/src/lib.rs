//! Model provider for every server with a `POST {base_url}/chat/completions`: OpenAI, OpenRouter, llama.cpp,
//! vLLM, Ollama's `/v1`, and many more.

mod answer;
mod models;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use miniclaw_plugin_api::http::{Client, HttpSettings, Response};
use miniclaw_plugin_api::{
    Capability, ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Model, Outcome,
    Permission, Provider, Result,
};

use crate::answer::Answer;
pub use crate::settings::Settings;

/// The provider.
pub struct OpenAi {
    client: Client,
    settings: Settings,
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
        let mut http = settings.http.clone();
        if !settings.stream {
            http = whole_answers(http);
        }
        let mut client = Client::new(&settings.base_url, &http)?
            .bearer(settings.api_key.as_deref().unwrap_or_default())?;
        for (name, value) in &settings.headers {
            client = client.header(name, value)?;
        }
        Ok(Self { client, settings })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let body = request::body(&self.settings, self.is_official(), &request);
        let response = self
            .client
            .post("chat/completions", &body)
            .await
            .map_err(settle)?;
        let answer = Answer::new(response.server().clone(), sink);
        let completion = if is_stream(&response, self.settings.stream)? {
            answer.stream(response.events()).await
        } else {
            answer.whole(response.json().await?).await
        };
        completion.map_err(settle)
    }

    async fn models(&self) -> Result<Vec<Model>> {
        let response = self.client.get("models").await?;
        Ok(models::read(response.json().await?))
    }
}

impl OpenAi {
    /// Whether this is OpenAI itself, which knows fields that others refuse and refuses fields that others know.
    fn is_official(&self) -> bool {
        self.client.host() == "api.openai.com"
    }
}

/// A server that does not stream says nothing until its whole answer is written.
fn whole_answers(http: HttpSettings) -> HttpSettings {
    HttpSettings {
        first_byte_seconds: http.total_seconds,
        ..http
    }
}

/// Servers stream where they were not asked to, and the reverse: the media type says which it is.
fn is_stream(response: &Response, asked: bool) -> Result<bool> {
    match response.content_type() {
        "text/event-stream" => Ok(true),
        "application/json" => Ok(false),
        "text/html" => Err(response
            .server()
            .garbled("a web page; check `base_url`, which often ends in /v1")),
        _ => Ok(asked),
    }
}

/// OpenAI reports an empty account like a limit that passes by itself; no retry helps against it.
fn settle(mut error: Error) -> Error {
    if error
        .meta
        .get("code")
        .is_some_and(|code| code == "insufficient_quota")
    {
        error.outcome = Outcome::Permanent;
    }
    error
}
