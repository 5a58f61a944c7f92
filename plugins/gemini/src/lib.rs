//! Model provider for Google's Gemini API.

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
use serde_json::Value;

use crate::answer::Answer;
pub use crate::settings::Settings;

/// The provider.
pub struct Gemini {
    client: Client,
    settings: Settings,
}

impl Provider for Gemini {
    const MANIFEST: Manifest = Manifest::new("gemini", env!("CARGO_PKG_VERSION"))
        .description("Gemini models of Google.")
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
        let base = base.strip_suffix("/v1beta").unwrap_or(base);
        let client = Client::new(base, &http)?
            .key("x-goog-api-key", settings.api_key.as_deref().unwrap_or_default())?
            .headers(&settings.headers)?;
        Ok(Self { client, settings })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let model = request.model_or(&self.settings.model);
        let body = request::body(&self.settings, model, &request);
        self.answer(model, &body, sink)
            .await
            .map_err(|error| request.blame_pictures(settle(error), model))
    }

    async fn models(&self) -> Result<Vec<Model>> {
        models::list(&self.client).await.map_err(settle)
    }
}

impl Gemini {
    async fn answer(&self, model: &str, body: &Value, sink: ChunkSink) -> Result<Completion> {
        if !is_name(model) {
            return Err(
                Error::permanent(format!("`{}` is no name of a model", model.escape_debug()))
                    .because(Cause::NotFound),
            );
        }
        // Tuned models have a folder of their own.
        let folder = if model.contains('/') { "" } else { "models/" };
        let method = if self.settings.stream {
            "streamGenerateContent?alt=sse"
        } else {
            "generateContent"
        };
        let path = format!("v1beta/{folder}{model}:{method}");
        let response = self.client.post(&path, body).await?;
        let answer = Answer::new(response.server().clone(), sink);
        if response.is_stream(self.settings.stream)? {
            answer.stream(response.events()).await
        } else {
            answer.whole(&response.json().await?).await
        }
    }
}

/// Whether the name, which is part of the address, leads to a model and nowhere else.
fn is_name(model: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !br"?#%\".contains(&byte);
    model.bytes().all(plain) && model.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// To the API a wrong key, a conversation that is too long, and a place or an account that it does not serve are
/// requests like any other.
fn settle(mut error: Error) -> Error {
    if error.cause != Cause::Rejected {
        return error;
    }
    let code = error.meta.get("code").and_then(Value::as_str).unwrap_or_default();
    let said = |words: &str| error.message.contains(words);
    error.cause = if code == "API_KEY_INVALID" || said("API key not valid") || said("API key expired") {
        Cause::Auth
    } else if said("exceeds the maximum number of tokens") {
        Cause::TooLarge
    } else if code == "FAILED_PRECONDITION" {
        Cause::Config
    } else {
        Cause::Rejected
    };
    error
}
