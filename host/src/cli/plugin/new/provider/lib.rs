//! A provider of miniclaw.

mod settings;
#[cfg(test)]
mod tests;

use std::time::Duration;

use miniclaw_plugin_api::{
    Capability, ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Model,
    Provider, Result, Role, export_plugin,
};

use settings::Settings;

/// The only model, where the request names none.
const MODEL: &str = "parrot-1";

/// One instance of the provider. The configuration may have several.
pub struct Plugin {
    settings: Settings,
}

impl Provider for Plugin {
    const MANIFEST: Manifest = Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .description(env!("CARGO_PKG_DESCRIPTION"))
        .schema(include_str!("../settings.schema.json"))
        // With a server on the network: `.permissions(&[Permission::Network])`, and the feature `http` of
        // miniclaw-plugin-api has a client.
        .capabilities(&[Capability::Streaming, Capability::Models]);

    type Config = Settings;

    /// Looks at the settings; connects to nothing yet.
    async fn create(settings: Settings, _: Context) -> Result<Self> {
        Ok(Self { settings })
    }

    /// Answers the last message, piece by piece. Put the call of your server here.
    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let mut messages = request.messages.iter().rev();
        let asked = messages.find(|message| message.role == Role::User);
        let asked = asked.ok_or_else(|| Error::permanent("nobody asked anything"))?;
        sink.text(&self.settings.greeting).await?;
        for word in asked.text().split_inclusive(' ') {
            // A server that writes its answer would be awaited here.
            tokio::time::sleep(Duration::from_millis(self.settings.pause_ms.into())).await;
            sink.text(word).await?;
        }
        let mut completion = Completion::default();
        completion.model = request.model.or_else(|| Some(MODEL.to_owned()));
        Ok(completion)
    }

    /// Lists what `model` in the configuration may name.
    async fn models(&self) -> Result<Vec<Model>> {
        Ok(vec![Model::new(MODEL)])
    }
}

export_plugin!(provider: Plugin);
