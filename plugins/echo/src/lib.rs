//! Provider that needs nothing: it repeats what it is told and says that it is no model.

use std::time::Duration;

use miniclaw_plugin_api::{
    Capability, ChunkSink, Completion, CompletionRequest, Context, Manifest, Provider, Result, Role,
};
use serde::Deserialize;

/// Stands before every answer.
const PREFIX: &str = "Offline echo (no model is configured):";
/// Most pieces of one answer: a long text is no flood of chunks.
const PIECES: usize = 64;

/// Settings of the `echo` plugin.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Milliseconds to wait before the answer, for trials of a gateway that is busy.
    pub delay_ms: u32,
}

/// The provider.
pub struct Echo {
    delay: Duration,
}

impl Provider for Echo {
    const MANIFEST: Manifest = Manifest::new("echo", env!("CARGO_PKG_VERSION"))
        .description("Offline echo: repeats the message, needs no model and no network.")
        .schema(include_str!("../schema.json"))
        .capabilities(&[Capability::Streaming]);

    type Config = Settings;

    async fn create(settings: Settings, _: Context) -> Result<Self> {
        Ok(Self {
            delay: Duration::from_millis(settings.delay_ms.into()),
        })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let heard = request
            .messages
            .iter()
            .rfind(|message| message.role == Role::User);
        let text = heard.map(|message| message.text()).unwrap_or_default();
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let answer = format!("{PREFIX} {text}");
        for piece in pieces(answer.trim_end()) {
            sink.text(piece).await?;
        }
        Ok(Completion::default())
    }
}

/// Cuts after words, in short texts after each one.
fn pieces(text: &str) -> Vec<&str> {
    let shortest = text.len() / PIECES;
    let mut pieces = Vec::new();
    let mut start = 0;
    for (index, _) in text.match_indices(char::is_whitespace) {
        // The white space goes before the next word.
        if index > start && index - start >= shortest {
            pieces.push(&text[start..index]);
            start = index;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::testkit::{ProviderKit, check_schema, conformance, text_of};
    use miniclaw_plugin_api::{Cause, ChatMessage, FinishReason};
    use serde_json::json;

    use super::*;

    async fn echo(messages: Vec<ChatMessage>) -> Vec<miniclaw_plugin_api::Chunk> {
        let kit = ProviderKit::new::<Echo>(json!({ "delay_ms": 1 }));
        kit.start().await.unwrap();
        let (chunks, completion) = kit.complete(CompletionRequest::new(messages)).await;
        assert_eq!(completion.unwrap().finish, FinishReason::Stop);
        chunks
    }

    #[tokio::test]
    async fn answer_repeats_the_last_message_and_says_what_it_is() {
        let chunks = echo(vec![
            ChatMessage::new(Role::User, "first"),
            ChatMessage::new(Role::Assistant, "answer"),
            ChatMessage::new(Role::User, "second  one"),
        ])
        .await;
        assert_eq!(
            text_of(&chunks),
            "Offline echo (no model is configured): second  one"
        );
        assert!(chunks.len() > 5, "it comes word by word");
    }

    #[tokio::test]
    async fn long_message_comes_in_few_pieces() {
        let text = "word ".repeat(50_000);
        let chunks = echo(vec![ChatMessage::new(Role::User, &text)]).await;
        assert_eq!(text_of(&chunks), format!("{PREFIX} {text}").trim_end());
        assert!(chunks.len() <= PIECES + 1, "{}", chunks.len());
    }

    #[tokio::test]
    async fn message_without_text_is_answered_too() {
        assert_eq!(text_of(&echo(vec![]).await), PREFIX);
    }

    #[tokio::test]
    async fn unknown_setting_is_refused() {
        let error = ProviderKit::new::<Echo>(json!({ "model": "x" }))
            .start()
            .await
            .unwrap_err();
        assert_eq!(error.cause, Cause::Config);
    }

    #[tokio::test]
    async fn provider_keeps_the_contract() {
        conformance::provider::<Echo>(json!({})).await.assert();
    }

    #[test]
    fn schema_file_is_what_the_settings_derive() {
        check_schema(&Echo::MANIFEST, &schemars::schema_for!(Settings).to_value());
    }
}
