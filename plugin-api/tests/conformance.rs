//! The conformance kit as an author uses it, in a test.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Mutex;
use std::time::Duration;

use miniclaw_plugin_api::testkit::conformance::{self, Finding, Report};
use miniclaw_plugin_api::{
    Account, Channel, ChunkSink, Completion, CompletionRequest, Context, Error, InboundMessage, Inbox,
    Manifest, OutboundMessage, Provider, Result, Sent, Stop,
};
use serde::Deserialize;
use serde_json::{Value, json};

const SCHEMA: &str = r#"{"additionalProperties":false,"properties":{"deaf":{"type":"boolean"}}}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Whether `receive` hears no stop.
    #[serde(default)]
    deaf: bool,
}

/// Receives what it is asked for.
struct Sound {
    settings: Settings,
    waiting: Mutex<Vec<InboundMessage>>,
    next: std::sync::atomic::AtomicU64,
}

impl Channel for Sound {
    const MANIFEST: Manifest = Manifest::new("sound", "1").schema(SCHEMA);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        assert!(context.data_dir().is_some_and(|folder| folder.is_dir()));
        Ok(Self {
            settings,
            waiting: Mutex::default(),
            next: 1.into(),
        })
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new("1", "sound"))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        loop {
            loop {
                let first = self.waiting.lock().expect("no panic").first().cloned();
                let Some(message) = first else { break };
                inbox.emit(message).await?;
                self.waiting.lock().expect("no panic").remove(0);
            }
            tokio::select! {
                () = stop.requested(), if !self.settings.deaf => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        Ok(Sent::one(message.idempotency_key))
    }

    async fn invoke(&self, name: String, arguments: Value) -> Result<Value> {
        if name != "check.emit" {
            return Err(Error::unsupported(&name));
        }
        for number in 1..=arguments["count"].as_u64().unwrap_or_default() {
            let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let message = InboundMessage::new("7", id.to_string(), "42", format!("check {number}"));
            self.waiting.lock().expect("no panic").push(message);
        }
        Ok(Value::Null)
    }
}

/// Has no server.
struct Mute;

impl Provider for Mute {
    const MANIFEST: Manifest = Manifest::new("mute", "1");
    type Config = Value;

    async fn create(_: Value, _: Context) -> Result<Self> {
        Ok(Self)
    }

    async fn complete(&self, _: CompletionRequest, _: ChunkSink) -> Result<Completion> {
        Err(Error::transient("the server is not there"))
    }
}

fn numbers(report: &Report, wanted: fn(&Finding) -> bool) -> Vec<u32> {
    let stages = report.stages.iter();
    stages
        .filter(|stage| wanted(&stage.finding))
        .map(|stage| stage.number)
        .collect()
}

#[tokio::test]
async fn a_sound_channel_passes_every_stage() {
    let report = conformance::channel::<Sound>(json!({})).await;
    report.assert();
    let passed = numbers(&report, |finding| matches!(finding, Finding::Passed { .. }));
    assert_eq!(passed, [4, 5, 6, 7, 8, 9, 10], "{report}");
}

#[tokio::test]
async fn a_broken_rule_fails_the_test_with_what_to_do() {
    let check = conformance::channel::<Sound>(json!({ "deaf": true }));
    let report = check.patience(Duration::from_millis(500)).await;
    let failed = numbers(&report, |finding| matches!(finding, Finding::Failed { .. }));
    assert_eq!(failed, [5, 6, 9], "{report}");
    let panic = std::panic::catch_unwind(|| report.assert()).expect_err("it fails");
    let text = panic.downcast_ref::<String>().expect("a formatted message");
    assert!(
        text.contains(" 5  FAILED  starts and stops") && text.contains("fix: "),
        "{text}"
    );
}

#[tokio::test]
async fn what_a_provider_cannot_be_asked_is_skipped() {
    let report = conformance::provider::<Mute>(json!({})).await;
    report.assert();
    let skipped = numbers(&report, |finding| matches!(finding, Finding::Skipped { .. }));
    assert_eq!(skipped, [4, 6, 7], "{report}");
}
