//! The glue between an author's trait and the ABI, driven through the real vtables.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_plugin_api::{
    Account, Cause, Channel, ChatRef, Context, Error, InboundMessage, Inbox, Manifest, OutboundMessage,
    Outcome, Result, Sent, Stop, Verdict,
};
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument as _;

/// Whatever a test waits for comes at once or never.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    greeting: String,
    #[serde(default)]
    panic_in_create: bool,
}

/// Does what the text of a message says.
struct Puppet {
    greeting: String,
    context: Context,
}

static DROPPED: AtomicBool = AtomicBool::new(false);

struct NoteDrop;

impl Drop for NoteDrop {
    fn drop(&mut self) {
        DROPPED.store(true, Ordering::SeqCst);
    }
}

impl Channel for Puppet {
    const MANIFEST: Manifest = Manifest::new("puppet", "0.0.0");
    type Config = Settings;

    async fn create(config: Settings, context: Context) -> Result<Self> {
        assert!(!config.panic_in_create, "told to");
        Ok(Self {
            greeting: config.greeting,
            context,
        })
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new("puppet", self.context.instance()))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        let greeting = InboundMessage::new("7", "1", "42", &self.greeting);
        let next = format!("{}+", inbox.cursor().unwrap_or("none"));
        let verdicts = inbox.emit_batch(vec![greeting], Some(next)).await?;
        inbox.progress();
        tracing::info!(target: "glue", verdict = ?verdicts[0], "Handed over");
        stop.requested().await;
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        match message.text().as_str() {
            "panic" => panic!("told to"),
            "spawn a panic" => drop(self.context.spawn(async { panic!("told to, apart") })),
            "hang" => {
                let _note = NoteDrop;
                std::future::pending::<()>().await;
            }
            "ask" => {
                let status = self.context.ask("status", json!({})).await?;
                return Ok(Sent::one(status["version"].as_str().unwrap_or_default()));
            }
            "log" => log().instrument(tracing::info_span!("sending", chat = 7)).await,
            _ => {}
        }
        Ok(Sent::one("1"))
    }
}

async fn log() {
    tracing::warn!(target: "glue", u = 1_u64, i = -1, f = 0.5, b = true, s = "x", "Logged");
    tracing::trace!(target: "glue", "Too detailed");
}

fn kit() -> ChannelKit {
    ChannelKit::new::<Puppet>(json!({ "greeting": "hello" }))
}

async fn tell(kit: &ChannelKit, text: &str) -> Result<Sent> {
    let message = OutboundMessage::new(ChatRef::new("7"), text);
    tokio::time::timeout(DEADLINE, kit.send(message))
        .await
        .expect("an answer in time")
}

/// Waits for something that the instance's thread does on its own, one turn of it after the other.
async fn until(kit: &ChannelKit, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tell(kit, "nothing").await.expect("the instance lives");
    }
    panic!("it never came");
}

#[tokio::test]
async fn a_panic_in_send_is_unknown_and_the_instance_lives() {
    let kit = kit();
    kit.start().await.unwrap();
    let error = tell(&kit, "panic").await.unwrap_err();
    assert_eq!((error.outcome, error.cause), (Outcome::Unknown, Cause::Panicked));
    assert_eq!(error.message, "the plugin panicked: told to");
    assert!(tell(&kit, "nothing").await.is_ok());
    assert_eq!(kit.failure(), None);
}

#[tokio::test]
async fn a_panic_in_create_is_an_error_of_create() {
    let kit = ChannelKit::new::<Puppet>(json!({ "panic_in_create": true }));
    let error = kit.start().await.unwrap_err();
    assert_eq!(error.cause, Cause::Panicked);
    let error = tell(&kit, "nothing").await.unwrap_err();
    assert_eq!(error.message, "the instance was not created");
}

#[tokio::test]
async fn a_panic_in_a_spawned_task_fails_the_instance() {
    let kit = kit();
    kit.start().await.unwrap();
    tell(&kit, "spawn a panic").await.unwrap();
    until(&kit, || kit.failure().is_some()).await;
    let error = kit.failure().unwrap();
    assert_eq!(error.cause, Cause::Panicked);
    assert_eq!(error.message, "a task of the plugin panicked: told to, apart");
}

#[tokio::test]
async fn a_cancelled_operation_is_dropped_where_it_waits() {
    let kit = kit();
    kit.start().await.unwrap();
    let hang = kit.send(OutboundMessage::new(ChatRef::new("7"), "hang"));
    tokio::select! {
        biased;
        _ = hang => panic!("it hangs"),
        () = async { tell(&kit, "nothing").await.unwrap(); } => {}
    }
    until(&kit, || DROPPED.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn emit_waits_for_the_verdict() {
    let kit = kit();
    kit.start().await.unwrap();
    let receiving = kit.receive(Some("41"));
    let emitted = tokio::time::timeout(DEADLINE, kit.emitted()).await.unwrap();
    assert_eq!(emitted.messages[0].text(), "hello");
    assert_eq!(emitted.cursor.as_deref(), Some("41+"));
    for _ in 0..10 {
        tell(&kit, "nothing").await.unwrap();
    }
    assert_eq!(kit.progress(), 0);
    emitted.answer(&[Verdict::Duplicate]);
    until(&kit, || kit.progress() == 1).await;
    kit.stop_receiving().await.unwrap();
    tokio::time::timeout(DEADLINE, receiving.ended())
        .await
        .unwrap()
        .unwrap();
    assert!(
        kit.log()
            .iter()
            .any(|line| line.contains(r#""verdict":"Duplicate""#)),
        "{:?}",
        kit.log()
    );
}

#[tokio::test]
async fn an_emit_that_is_refused_ends_receive_with_its_error() {
    let kit = kit();
    kit.start().await.unwrap();
    let receiving = kit.receive(None);
    let emitted = tokio::time::timeout(DEADLINE, kit.emitted()).await.unwrap();
    emitted.refuse(Error::transient("full").because(Cause::Busy));
    let error = tokio::time::timeout(DEADLINE, receiving.ended())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!((error.cause, kit.progress()), (Cause::Busy, 0));
}

#[tokio::test]
async fn another_number_of_verdicts_than_messages_is_an_error() {
    let kit = kit();
    kit.start().await.unwrap();
    let receiving = kit.receive(None);
    let emitted = tokio::time::timeout(DEADLINE, kit.emitted()).await.unwrap();
    emitted.answer(&[]);
    let error = tokio::time::timeout(DEADLINE, receiving.ended())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!((error.outcome, error.cause), (Outcome::Unknown, Cause::Protocol));
}

#[tokio::test]
async fn logs_arrive_with_level_target_typed_fields_and_spans() {
    let kit = kit();
    kit.start().await.unwrap();
    tell(&kit, "log").await.unwrap();
    assert_eq!(
        kit.log(),
        [
            r#"2 glue {"b":true,"f":0.5,"i":-1,"message":"Logged","s":"x","u":1} [{"fields":{"chat":7},"name":"sending"}]"#
        ]
    );
}

#[tokio::test]
async fn what_is_logged_about_a_message_has_its_id() {
    let kit = kit();
    kit.start().await.unwrap();
    let mut message = OutboundMessage::new(ChatRef::new("7"), "log");
    message.meta.insert("inbound".into(), 12.into());
    kit.send(message).await.unwrap();
    let spans = r#"[{"fields":{"inbound":12},"name":"send"},{"fields":{"chat":7},"name":"sending"}]"#;
    assert!(kit.log()[0].ends_with(spans), "{:?}", kit.log());
}

#[tokio::test]
async fn settings_that_do_not_fit_name_their_key() {
    for (settings, expected) in [
        (
            json!({ "greeting": 7 }),
            "settings.greeting: invalid type: integer `7`, expected a string",
        ),
        (
            json!({ "gretting": "x" }),
            "unknown field `gretting`, expected `greeting` or `panic_in_create`",
        ),
    ] {
        let error = ChannelKit::new::<Puppet>(settings).start().await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Config));
        assert!(
            error.message.starts_with("settings") && error.message.ends_with(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_a_channel_does_not_implement_is_unsupported() {
    let kit = kit();
    kit.start().await.unwrap();
    let error = kit.invoke("moonphase", json!({})).await.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Unsupported)
    );
    assert_eq!(error.message, "the plugin does not support `moonphase`");
}

#[tokio::test]
async fn a_plugin_hears_what_the_host_answers_or_that_it_does_not_know() {
    let kit = kit();
    kit.start().await.expect("it starts");
    let error = tell(&kit, "ask").await.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Unsupported)
    );
    kit.answer_asked("status", json!({ "version": "9.9.9" }));
    let sent = tell(&kit, "ask").await.expect("it is answered");
    assert_eq!(sent.ids, ["9.9.9"]);
}
