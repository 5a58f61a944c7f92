//! A provider waits for a host that is behind.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use abi_stable::sabi_trait::TD_Opaque;
use miniclaw_plugin_api::abi::{Birth, HostApi, HostApi_TO, LogRecord, Payload, PluginBox, Reply, method};
use miniclaw_plugin_api::{
    __private, ChatMessage, ChunkSink, Completion, CompletionRequest, Context, Manifest, Provider, Result,
    Role,
};
use tokio::sync::mpsc;

const CHUNKS: usize = 100;
/// The window that the contract states for a completion.
const WINDOW: usize = 32;

struct Fast;

impl Provider for Fast {
    const MANIFEST: Manifest = Manifest::new("fast", "0.0.0");
    type Config = serde_json::Value;

    async fn create(_: Self::Config, _: Context) -> Result<Self> {
        Ok(Self)
    }

    async fn complete(&self, _: CompletionRequest, sink: ChunkSink) -> Result<Completion> {
        for index in 0..CHUNKS {
            sink.text(index.to_string()).await?;
        }
        Ok(Completion::default())
    }
}

/// Answers no chunk by itself.
struct Slow {
    tickets: mpsc::UnboundedSender<u64>,
    done: Arc<Mutex<Vec<u64>>>,
    ended: mpsc::UnboundedSender<u64>,
}

impl HostApi for Slow {
    fn request(&self, ticket: u64, _: u64, _: u32, _: Payload) {
        self.tickets.send(ticket).unwrap();
    }
    fn done(&self, op: u64, _: Reply) {
        self.done.lock().unwrap().push(op);
        self.ended.send(op).unwrap();
    }
    fn log(&self, _: LogRecord) {}
    fn notify(&self, _: u32, _: Payload) {}
}

struct Run {
    plugin: PluginBox,
    tickets: mpsc::UnboundedReceiver<u64>,
    ended: mpsc::UnboundedReceiver<u64>,
    done: Arc<Mutex<Vec<u64>>>,
}

impl Run {
    fn new() -> Self {
        let (to_tickets, tickets) = mpsc::unbounded_channel();
        let (to_ended, ended) = mpsc::unbounded_channel();
        let done = Arc::new(Mutex::new(Vec::new()));
        let host = Slow {
            tickets: to_tickets,
            done: done.clone(),
            ended: to_ended,
        };
        let birth = Birth {
            instance: "fast".into(),
            settings: "{}".into(),
            log_level: 0,
            meta: "{}".into(),
        };
        let plugin =
            __private::instantiate_provider::<Fast>(birth, HostApi_TO::from_value(host, TD_Opaque), false);
        Self {
            plugin: plugin.into_result().unwrap_or_else(|_| panic!("no instance")),
            tickets,
            ended,
            done,
        }
    }

    /// Runs a call to its end, which also gives every task of the instance its turn.
    async fn call(&mut self, op: u64, method: u32) {
        self.plugin.call(op, method, Payload::encode(&()));
        assert_eq!(next(&mut self.ended).await, op);
    }
}

async fn next(queue: &mut mpsc::UnboundedReceiver<u64>) -> u64 {
    tokio::time::timeout(Duration::from_secs(20), queue.recv())
        .await
        .expect("it comes in time")
        .expect("the instance lives")
}

#[tokio::test]
async fn no_more_chunks_than_the_window_are_under_way() {
    let mut run = Run::new();
    run.call(1, method::CREATE).await;
    let request = CompletionRequest::new(vec![ChatMessage::new(Role::User, "count")]);
    run.plugin.call(2, method::COMPLETE, Payload::encode(&request));
    let mut waiting = Vec::new();
    for _ in 0..WINDOW {
        waiting.push(next(&mut run.tickets).await);
    }
    for op in 10..20 {
        run.call(op, method::MODELS).await;
    }
    assert!(run.tickets.try_recv().is_err(), "the window was overrun");
    assert!(!run.done.lock().unwrap().contains(&2));

    run.plugin
        .answer(waiting.remove(0), Reply::ROk(Payload::default()));
    waiting.push(next(&mut run.tickets).await);
    run.call(20, method::MODELS).await;
    assert!(run.tickets.try_recv().is_err(), "one credit, one chunk");

    let mut seen = WINDOW + 1;
    while !waiting.is_empty() {
        run.plugin
            .answer(waiting.remove(0), Reply::ROk(Payload::default()));
        if seen < CHUNKS {
            waiting.push(next(&mut run.tickets).await);
            seen += 1;
        }
    }
    assert_eq!(next(&mut run.ended).await, 2);
}
