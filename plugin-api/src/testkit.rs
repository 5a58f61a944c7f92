//! Runs a plugin in a test through the real ABI, with the test as its host.
//!
//! ```no_run
//! # use miniclaw_plugin_api::{testkit::ChannelKit, Channel, ChatRef, OutboundMessage};
//! # async fn f<Echo: Channel>() -> miniclaw_plugin_api::Result<()> {
//! let kit = ChannelKit::new::<Echo>(serde_json::json!({}));
//! let account = kit.start().await?;
//! let receiving = kit.receive(None);
//! let emitted = kit.emitted().await;
//! emitted.accept();
//! kit.send(OutboundMessage::new(ChatRef::new("7"), "hello")).await?;
//! kit.stop_receiving().await?;
//! receiving.ended().await?;
//! # Ok(()) }
//! ```

mod server;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi_stable::sabi_trait::TD_Opaque;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::abi::{
    Birth, HostApi, HostApi_TO, HostBox, LogRecord, Payload, PluginBox, Reply, method, notice, request,
};
use crate::glue::{instantiate_channel, instantiate_provider};
use crate::wire::{Batch, Named, Receive, SignalTo, Update, decode_error, encode_reply};
use crate::{
    Account, Attachment, Change, Channel, ChatRef, Chunk, Completion, CompletionRequest, Error,
    InboundMessage, Manifest, MessageRef, Model, OutboundMessage, Provider, Result, Sent, Signal, Verdict,
};

pub use server::{Answer, Recorded, ScriptedServer};

/// A channel under test.
pub struct ChannelKit {
    instance: Instance,
    emitted: tokio::sync::Mutex<mpsc::UnboundedReceiver<Emitted>>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Value)>>,
}

/// A provider under test.
pub struct ProviderKit {
    instance: Instance,
}

/// What a channel handed over; its `emit` waits until the test answers.
pub struct Emitted {
    /// The messages, in order.
    pub messages: Vec<InboundMessage>,
    /// The cursor to commit with them.
    pub cursor: Option<String>,
    ticket: u64,
    plugin: Arc<PluginBox>,
}

/// A `receive` under way.
pub struct Receiving(oneshot::Receiver<Reply>);

impl Emitted {
    /// Answers `Accepted` for every message.
    pub fn accept(self) {
        let verdicts = vec![Verdict::Accepted; self.messages.len()];
        self.answer(&verdicts);
    }

    /// Answers with these verdicts, one for each message.
    pub fn answer(self, verdicts: &[Verdict]) {
        self.plugin
            .answer(self.ticket, Reply::ROk(Payload::encode(&verdicts)));
    }

    /// Answers with an error.
    pub fn refuse(self, error: Error) {
        self.plugin.answer(self.ticket, encode_reply::<()>(&Err(error)));
    }
}

impl Receiving {
    /// Waits for the end of `receive`.
    ///
    /// # Errors
    /// What `receive` returned.
    pub async fn ended(self) -> Result<()> {
        result(self.0.await).map(drop)
    }
}

impl ChannelKit {
    /// An instance of `C`; its thread runs from here on.
    ///
    /// # Panics
    /// Where no thread can be had.
    pub fn new<C: Channel>(settings: Value) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let instance = Instance::new(settings, Some(sender), |birth, host| {
            instantiate_channel::<C>(birth, host, false).into_result()
        });
        let (events, event_receiver) = mpsc::unbounded_channel();
        instance.shared.lock().events = Some(events);
        Self {
            instance,
            emitted: tokio::sync::Mutex::new(receiver),
            events: tokio::sync::Mutex::new(event_receiver),
        }
    }

    /// `create` and `start`.
    ///
    /// # Errors
    /// Theirs.
    pub async fn start(&self) -> Result<Account> {
        self.instance.call(method::CREATE, &()).await?;
        self.instance.call(method::START, &()).await?.decode()
    }

    /// Starts `receive`.
    pub fn receive(&self, cursor: Option<&str>) -> Receiving {
        let body = Receive {
            cursor: cursor.map(str::to_owned),
        };
        Receiving(self.instance.begin(method::RECEIVE, &body).1)
    }

    /// Requests the stop of `receive`; it may still take a moment.
    ///
    /// # Errors
    /// None of a working instance.
    pub async fn stop_receiving(&self) -> Result<()> {
        self.instance.call(method::STOP_RECEIVING, &()).await.map(drop)
    }

    /// Waits for the next `emit` or `emit_batch`.
    ///
    /// # Panics
    /// Where the instance is gone.
    pub async fn emitted(&self) -> Emitted {
        self.emitted
            .lock()
            .await
            .recv()
            .await
            .unwrap_or_else(|| panic!("the instance is gone"))
    }

    /// Waits for the next event that the channel told the host through its context: name and data.
    ///
    /// # Panics
    /// Where the instance is gone.
    pub async fn event(&self) -> (String, Value) {
        self.events
            .lock()
            .await
            .recv()
            .await
            .unwrap_or_else(|| panic!("the instance is gone"))
    }

    /// How often the channel reported progress.
    pub fn progress(&self) -> u64 {
        self.instance.shared.progress.load(Ordering::Relaxed)
    }

    /// `send`.
    ///
    /// # Errors
    /// Its own.
    pub async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.instance.call(method::SEND, &message).await?.decode()
    }

    /// `update`.
    ///
    /// # Errors
    /// Its own.
    pub async fn update(&self, target: MessageRef, change: Change) -> Result<()> {
        self.instance
            .call(method::UPDATE, &Update { target, change })
            .await
            .map(drop)
    }

    /// `signal`.
    ///
    /// # Errors
    /// Its own.
    pub async fn signal(&self, chat: ChatRef, signal: Signal) -> Result<()> {
        self.instance
            .call(method::SIGNAL, &SignalTo { chat, signal })
            .await
            .map(drop)
    }

    /// `fetch`.
    ///
    /// # Errors
    /// Its own.
    pub async fn fetch(&self, attachment: Attachment) -> Result<Vec<u8>> {
        Ok(self
            .instance
            .call(method::FETCH, &attachment)
            .await?
            .bytes
            .into_vec())
    }

    /// `invoke`.
    ///
    /// # Errors
    /// Its own.
    pub async fn invoke(&self, name: &str, data: Value) -> Result<Value> {
        self.instance
            .call(
                method::INVOKE,
                &Named {
                    name: name.to_owned(),
                    data,
                },
            )
            .await?
            .decode()
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// Its own.
    pub async fn shutdown(&self) -> Result<()> {
        self.instance.call(method::SHUTDOWN, &()).await.map(drop)
    }

    /// Everything logged so far, a line each: level, target, fields.
    pub fn log(&self) -> Vec<String> {
        self.instance.shared.lock().log.clone()
    }

    /// The failure of a task that the author spawned.
    pub fn failure(&self) -> Option<Error> {
        self.instance.shared.lock().failure.clone()
    }
}

impl ProviderKit {
    /// An instance of `P`; its thread runs from here on.
    ///
    /// # Panics
    /// Where no thread can be had.
    pub fn new<P: Provider>(settings: Value) -> Self {
        Self {
            instance: Instance::new(settings, None, |birth, host| {
                instantiate_provider::<P>(birth, host, false).into_result()
            }),
        }
    }

    /// `create` and `start`.
    ///
    /// # Errors
    /// Theirs.
    pub async fn start(&self) -> Result<()> {
        self.instance.call(method::CREATE, &()).await?;
        self.instance.call(method::START, &()).await.map(drop)
    }

    /// `complete`, with all its chunks.
    pub async fn complete(&self, request: CompletionRequest) -> (Vec<Chunk>, Result<Completion>) {
        let (op, reply) = self.instance.begin(method::COMPLETE, &request);
        let result = result(reply.await).and_then(|payload| payload.decode());
        (
            self.instance.shared.lock().chunks.remove(&op).unwrap_or_default(),
            result,
        )
    }

    /// `models`.
    ///
    /// # Errors
    /// Its own.
    pub async fn models(&self) -> Result<Vec<Model>> {
        self.instance.call(method::MODELS, &()).await?.decode()
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// Its own.
    pub async fn shutdown(&self) -> Result<()> {
        self.instance.call(method::SHUTDOWN, &()).await.map(drop)
    }

    /// Everything logged so far, a line each: level, target, fields.
    pub fn log(&self) -> Vec<String> {
        self.instance.shared.lock().log.clone()
    }
}

/// All text among chunks.
pub fn text_of(chunks: &[Chunk]) -> String {
    chunks
        .iter()
        .filter_map(|chunk| match chunk {
            Chunk::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Holds the schema in the manifest against the one that the settings struct derives, for example
/// `schemars::schema_for!(Settings).to_value()`.
///
/// # Panics
/// Where they differ; the message is the text that the schema file should have.
pub fn check_schema(manifest: &Manifest, derived: &Value) {
    let stated: Value = serde_json::from_str(manifest.schema).unwrap_or(Value::Null);
    let pretty = serde_json::to_string_pretty(derived).unwrap_or_default();
    assert!(
        stated == *derived,
        "the schema file of `{}` should be:\n{pretty}",
        manifest.name
    );
}

struct Instance {
    plugin: Arc<PluginBox>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    progress: AtomicU64,
    next_op: AtomicU64,
}

#[derive(Default)]
struct State {
    plugin: Option<Arc<PluginBox>>,
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
    chunks: HashMap<u64, Vec<Chunk>>,
    emitted: Option<mpsc::UnboundedSender<Emitted>>,
    events: Option<mpsc::UnboundedSender<(String, Value)>>,
    log: Vec<String>,
    failure: Option<Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instance {
    fn new(
        settings: Value,
        emitted: Option<mpsc::UnboundedSender<Emitted>>,
        instantiate: impl FnOnce(Birth, HostBox) -> std::result::Result<PluginBox, Payload>,
    ) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                emitted,
                ..State::default()
            }),
            progress: AtomicU64::new(0),
            next_op: AtomicU64::new(1),
        });
        let birth = Birth {
            instance: "test".into(),
            settings: settings.to_string().into(),
            log_level: 4,
            meta: "{}".into(),
        };
        let host = HostApi_TO::from_value(FakeHost(shared.clone()), TD_Opaque);
        let plugin = match instantiate(birth, host) {
            Ok(plugin) => Arc::new(plugin),
            Err(payload) => panic!("{}", decode_error(&payload)),
        };
        shared.lock().plugin = Some(plugin.clone());
        Self { plugin, shared }
    }

    fn begin<T: Serialize>(&self, method: u32, body: &T) -> (u64, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let op = self.shared.next_op.fetch_add(1, Ordering::Relaxed);
        self.shared.lock().waiting.insert(op, sender);
        self.plugin.call(op, method, Payload::encode(body));
        (op, receiver)
    }

    /// As in the host, dropping the future cancels the operation.
    async fn call<T: Serialize>(&self, method: u32, body: &T) -> Result<Payload> {
        let (op, reply) = self.begin(method, body);
        let _cancel = CancelOnDrop {
            plugin: &self.plugin,
            op,
        };
        result(reply.await)
    }
}

/// Of no effect once the operation is done.
struct CancelOnDrop<'a> {
    plugin: &'a PluginBox,
    op: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.plugin.cancel(self.op);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // The two hold each other.
        self.shared.lock().plugin = None;
    }
}

fn result(reply: std::result::Result<Reply, oneshot::error::RecvError>) -> Result<Payload> {
    match reply {
        Ok(Reply::ROk(payload)) => Ok(payload),
        Ok(Reply::RErr(payload)) => Err(decode_error(&payload)),
        Err(_) => Err(Error::unknown("the instance is gone")),
    }
}

struct FakeHost(Arc<Shared>);

impl HostApi for FakeHost {
    fn request(&self, ticket: u64, op: u64, method: u32, payload: Payload) {
        let mut state = self.0.lock();
        let Some(plugin) = state.plugin.clone() else {
            return;
        };
        match method {
            request::INBOUND => {
                let Batch { messages, cursor } = payload.decode().unwrap_or_default();
                if let Some(emitted) = &state.emitted {
                    drop(emitted.send(Emitted {
                        messages,
                        cursor,
                        ticket,
                        plugin,
                    }));
                }
            }
            request::CHUNK => {
                if let Ok(chunk) = payload.decode() {
                    state.chunks.entry(op).or_default().push(chunk);
                }
                drop(state);
                plugin.answer(ticket, Reply::ROk(Payload::default()));
            }
            _ => plugin.answer(ticket, encode_reply::<()>(&Err(Error::unsupported("request")))),
        }
    }

    fn done(&self, op: u64, reply: Reply) {
        let waiter = self.0.lock().waiting.remove(&op);
        if let Some(waiter) = waiter {
            drop(waiter.send(reply));
        }
    }

    fn log(&self, record: LogRecord) {
        let line = format!(
            "{} {} {} {}",
            record.level, record.target, record.fields, record.spans
        );
        self.0.lock().log.push(line);
    }

    fn notify(&self, notice: u32, payload: Payload) {
        match notice {
            notice::PROGRESS => drop(self.0.progress.fetch_add(1, Ordering::Relaxed)),
            notice::EVENT => {
                let Named { name, data } = payload.decode().unwrap_or_default();
                if let Some(events) = &self.0.lock().events {
                    drop(events.send((name, data)));
                }
            }
            notice::FAILED => self.0.lock().failure = Some(decode_error(&payload)),
            _ => {}
        }
    }
}
