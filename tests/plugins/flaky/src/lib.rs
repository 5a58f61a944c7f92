//! A provider that fails as its settings say.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use miniclaw_plugin_api::{
    ChunkSink, Completion, CompletionRequest, Context, Error, Manifest, Provider, Result, Role,
};
use serde::Deserialize;

/// Settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    mode: Mode,
    /// Failures before it works; without it there is no end.
    #[serde(default)]
    times: Option<u32>,
}

/// How it fails.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Panic,
    Permanent,
    Transient,
    /// Half of the answer, then a transient error.
    Halfway,
    /// The answer comes late: after `Slow(n)` milliseconds.
    Slow(u64),
}

/// The provider.
pub struct Flaky {
    settings: Settings,
    failures: AtomicU32,
}

impl Provider for Flaky {
    const MANIFEST: Manifest = Manifest::new("flaky", env!("CARGO_PKG_VERSION"))
        .description("A provider that fails as its settings say");
    type Config = Settings;

    async fn create(settings: Settings, _context: Context) -> Result<Self> {
        Ok(Self {
            settings,
            failures: AtomicU32::new(0),
        })
    }

    async fn complete(&self, request: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        let before = self.failures.fetch_add(1, Ordering::SeqCst);
        if self.settings.times.is_none_or(|times| before < times) {
            match self.settings.mode {
                Mode::Panic => panic!("a panic in complete, as asked"),
                Mode::Permanent => return Err(Error::permanent("a permanent error, as asked")),
                Mode::Transient => return Err(Error::transient("a transient error, as asked")),
                Mode::Halfway => {
                    sink.text("half of an ").await?;
                    return Err(Error::transient("an error halfway, as asked"));
                }
                Mode::Slow(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            }
        }
        let messages = request.messages.iter().rev();
        let asked = messages.clone().find(|message| message.role == Role::User);
        let text = asked.map(|message| message.text()).unwrap_or_default();
        sink.text(format!("flaky: {text}")).await?;
        Ok(Completion::default())
    }
}

miniclaw_plugin_api::export_plugin!(provider: Flaky);
