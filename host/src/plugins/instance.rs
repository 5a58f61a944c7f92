//! One running instance of a plugin, as the host drives it: operations with deadlines, requests with answers.

mod blueprint;
mod deadlines;
mod host_api;
mod outage;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::abi::{Birth, LogRecord, Payload, PluginBox, Reply, method};
use miniclaw_plugin_api::wire::{Named, decode_error, encode_reply};
use miniclaw_plugin_api::{Cause, Chunk, Error, Verdict};
use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::sync::lock;

pub(crate) use blueprint::{Blueprint, Runner};
pub(crate) use deadlines::Method;
pub(crate) use host_api::Host;
pub(crate) use outage::Outage;

/// `emit`s of one instance that may wait for the intake; more are answered `Busy` at once.
const INBOUND_QUEUE: usize = 256;
/// Chunks of one completion that may wait for the agent; the glue keeps fewer on their way, so that more can
/// only come from a plugin that is broken, whose completion then fails.
const CHUNK_QUEUE: usize = 64;

/// Marks, in an error's `meta`, a deadline of the host rather than of the plugin.
const HOST_DEADLINE: &str = "host_deadline";

/// Whether an error says that the plugin itself did not answer, as against its platform.
pub(crate) fn is_unresponsive(error: &Error) -> bool {
    error.cause == Cause::Timeout && error.meta.contains_key(HOST_DEADLINE)
}

/// Where a plugin's log goes.
pub(crate) type LogSink = Arc<dyn Fn(LogRecord) + Send + Sync>;

/// Where an instance's events go.
pub(crate) type EventSink = Arc<dyn Fn(Named) + Send + Sync>;

/// Where an instance's questions go.
pub(crate) type AskSink = Arc<dyn Fn(Named, Answer) + Send + Sync>;

/// What the host hears of an instance beside answers; called on the plugin's thread.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub(crate) log: LogSink,
    pub(crate) event: EventSink,
    /// `None` where there is nobody to answer.
    pub(crate) ask: Option<AskSink>,
}

/// One running instance. Dropping it ends its thread, unless the plugin blocks it.
pub(crate) struct Instance {
    shared: Arc<Shared>,
    pub(crate) blueprint: Blueprint,
    pub(crate) born: Instant,
    account: OnceLock<String>,
}

/// Both sides of an instance hold this; the plugin's side through its box of the host.
struct Shared {
    name: Arc<str>,
    /// Taken when the instance is given up, since plugin and host hold each other.
    plugin: Mutex<Option<Arc<PluginBox>>>,
    operations: Mutex<Operations>,
    /// An operation ended.
    ended: Notify,
    next_op: AtomicU64,
    inbound: Mutex<Option<mpsc::Sender<InboundRequest>>>,
    failure: watch::Sender<Option<Error>>,
    progress: watch::Sender<Option<Instant>>,
    /// What the plugin says of its platform: in an outage it is waiting, not dead.
    outage: Mutex<Option<Outage>>,
    /// Batches that wait for their verdicts.
    unanswered: AtomicUsize,
    hooks: Hooks,
    /// Whether it may ask what the gateway knows.
    observes: bool,
}

/// What is under way.
#[derive(Default)]
struct Operations {
    open: HashMap<u64, Operation>,
    /// Another instance does what comes: nothing begins here but the end.
    retired: bool,
}

/// An operation under way. Bounded: sends by the channel's limit, completions by the limit of turns, the others
/// by one each.
struct Operation {
    reply: oneshot::Sender<Reply>,
    chunks: Option<mpsc::Sender<(u64, Payload)>>,
}

/// A batch that a channel handed over and that waits for its verdicts.
pub(crate) struct InboundRequest {
    pub(crate) payload: Payload,
    pub(crate) answer: Answer,
}

/// The way back to a request. Dropping it unanswered answers that the host is stopping.
pub(crate) struct Answer {
    shared: Arc<Shared>,
    ticket: u64,
    open: bool,
    /// Whether it is a batch that waits.
    batch: bool,
}

impl Answer {
    fn of_batch(shared: Arc<Shared>, ticket: u64) -> Self {
        shared.unanswered.fetch_add(1, Ordering::Relaxed);
        Self {
            shared,
            ticket,
            open: true,
            batch: true,
        }
    }

    fn of_question(shared: Arc<Shared>, ticket: u64) -> Self {
        Self {
            shared,
            ticket,
            open: true,
            batch: false,
        }
    }

    pub(crate) fn verdicts(mut self, verdicts: &[Verdict]) {
        self.reply(Reply::ROk(Payload::encode(&verdicts)));
    }

    pub(crate) fn give(mut self, answer: Result<serde_json::Value, Error>) {
        self.reply(encode_reply(&answer));
    }

    pub(crate) fn refuse(mut self, error: Error) {
        self.reply(encode_reply::<()>(&Err(error)));
    }

    fn reply(&mut self, reply: Reply) {
        self.open = false;
        self.shared.answer(self.ticket, reply);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.open {
            let error = Error::transient("the gateway is stopping").because(Cause::Stopping);
            self.reply(encode_reply::<()>(&Err(error)));
        }
        if self.batch {
            self.shared.unanswered.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Instance {
    /// Starts the instance's thread or process; needs a runtime. The receiver gets what a channel hands over, in order.
    ///
    /// # Errors
    /// Transient where no thread or no process can be had.
    pub(crate) fn spawn(
        blueprint: Blueprint,
        name: Arc<str>,
        settings: &str,
        log_level: u8,
        hooks: Hooks,
    ) -> Result<(Arc<Self>, mpsc::Receiver<InboundRequest>), Error> {
        let (inbound, requests) = mpsc::channel(INBOUND_QUEUE);
        let shared = Arc::new(Shared {
            name: name.clone(),
            plugin: Mutex::new(None),
            operations: Mutex::default(),
            ended: Notify::new(),
            next_op: AtomicU64::new(1),
            inbound: Mutex::new(Some(inbound)),
            failure: watch::channel(None).0,
            progress: watch::channel(None).0,
            outage: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            hooks,
            observes: blueprint.observes,
        });
        let birth = Birth {
            instance: (*name).into(),
            settings: settings.into(),
            log_level,
            meta: serde_json::json!({
                "host_version": env!("CARGO_PKG_VERSION"),
                "data_dir": blueprint.data_dir.to_str(),
                "commands": crate::hub::menu(),
            })
            .to_string()
            .into(),
        };
        let plugin = blueprint.runner.instantiate(birth, Host(shared.clone()))?;
        *lock(&shared.plugin) = Some(Arc::new(plugin));
        let instance = Self {
            shared,
            blueprint,
            born: Instant::now(),
            account: OnceLock::new(),
        };
        Ok((Arc::new(instance), requests))
    }

    /// The most detailed level that it forwards from here on, as [`telemetry::Handle::max_level`](crate::telemetry::Handle).
    pub(crate) fn set_log_level(&self, level: u8) {
        let plugin = lock(&self.shared.plugin).clone();
        if let Some(plugin) = plugin {
            plugin.set_log_level(level);
        }
    }

    /// Runs one method to its end. A passed deadline cancels it.
    ///
    /// # Errors
    /// The plugin's; Unknown and [`Cause::Timeout`] after the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the operation in the plugin.
    pub(crate) async fn call<T: Serialize>(&self, method: Method, body: &T) -> Result<Payload, Error> {
        let (mut guard, reply) = self.begin(method.number, Payload::encode(body), None)?;
        let result = match method.deadline {
            Some(deadline) => tokio::time::timeout(deadline, reply)
                .await
                .map_err(|_| self.timeout(&method, deadline))?,
            None => reply.await,
        };
        guard.done = true;
        self.result(result)
    }

    /// Starts a completion: chunks come through the receiver, the end through the future.
    ///
    /// # Errors
    /// Transient where the instance is over.
    pub(crate) fn complete(&self, request: &impl Serialize) -> Result<Completing<'_>, Error> {
        let (sender, chunks) = mpsc::channel(CHUNK_QUEUE);
        let (guard, reply) = self.begin(method::COMPLETE, Payload::encode(request), Some(sender))?;
        Ok(Completing {
            instance: self,
            guard,
            reply,
            chunks,
        })
    }

    /// Waits until a task of the plugin panicked, or its thread or its process ended.
    pub(crate) async fn failed(&self) -> Error {
        let mut failure = self.shared.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            _ => std::future::pending().await,
        }
    }

    /// When the channel last heard its platform; `None` until it does.
    pub(crate) fn progress(&self) -> watch::Receiver<Option<Instant>> {
        self.shared.progress.subscribe()
    }

    /// Whether the plugin said that its platform is down.
    pub(crate) fn in_outage(&self) -> bool {
        self.outage().is_some_and(|outage| outage.ended.is_none())
    }

    /// The last outage that the plugin told of.
    pub(crate) fn outage(&self) -> Option<Outage> {
        lock(&self.shared.outage).clone()
    }

    /// The name of its account on the platform, as far as it has one.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.get().map(String::as_str)
    }

    pub(crate) fn set_account(&self, name: &str) {
        // An instance starts once.
        let _ = self.account.set(name.to_owned());
    }

    /// Whether the channel waits for the host.
    pub(crate) fn awaits_verdicts(&self) -> bool {
        self.shared.unanswered.load(Ordering::Relaxed) > 0
    }

    /// Waits until nothing is under way; nothing begins from then on but the shutdown.
    pub(crate) async fn settled(&self) {
        loop {
            let ended = self.shared.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            {
                let mut operations = lock(&self.shared.operations);
                if operations.open.is_empty() {
                    operations.retired = true;
                    return;
                }
            }
            ended.await;
        }
    }

    /// Ends what is under way as a crash.
    pub(crate) fn end_operations(&self, error: &Error) {
        let error = Error::unknown(error.message.clone()).because(Cause::Panicked);
        self.shared.end_all(&error);
    }

    /// Lets go of the plugin: its thread ends when nothing blocks it. Operations under way end as cancelled.
    pub(crate) fn abandon(&self) {
        lock(&self.shared.inbound).take();
        let plugin = lock(&self.shared.plugin).take();
        lock(&self.shared.operations).open.clear();
        drop(plugin);
    }

    fn begin(
        &self,
        method: u32,
        payload: Payload,
        chunks: Option<mpsc::Sender<(u64, Payload)>>,
    ) -> Result<(CancelOnDrop, oneshot::Receiver<Reply>), Error> {
        let Some(plugin) = self.shared.plugin() else {
            return Err(Error::transient(format!("`{}` is over", self.shared.name)).because(Cause::Cancelled));
        };
        let op = self.shared.next_op.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        let operation = Operation {
            reply: sender,
            chunks,
        };
        {
            let mut operations = lock(&self.shared.operations);
            if operations.retired && method != method::SHUTDOWN {
                let error = Error::transient(format!("`{}` was replaced", self.shared.name));
                return Err(error.because(Cause::Cancelled));
            }
            operations.open.insert(op, operation);
        }
        plugin.call(op, method, payload);
        Ok((
            CancelOnDrop {
                shared: self.shared.clone(),
                op,
                done: false,
            },
            reply,
        ))
    }

    fn result(&self, reply: Result<Reply, oneshot::error::RecvError>) -> Result<Payload, Error> {
        match reply {
            Ok(Reply::ROk(payload)) => Ok(payload),
            Ok(Reply::RErr(payload)) => Err(error_of(&payload)),
            Err(_) => Err(
                Error::unknown(format!("`{}` ended before it answered", self.shared.name))
                    .because(Cause::Cancelled),
            ),
        }
    }

    fn timeout(&self, method: &Method, deadline: Duration) -> Error {
        let (name, what) = (&self.shared.name, method.name);
        Error::unknown(format!("`{what}` of `{name}` took longer than {deadline:?}"))
            .because(Cause::Timeout)
            .with(HOST_DEADLINE, true)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// A completion under way.
pub(crate) struct Completing<'a> {
    instance: &'a Instance,
    guard: CancelOnDrop,
    reply: oneshot::Receiver<Reply>,
    chunks: mpsc::Receiver<(u64, Payload)>,
}

impl Completing<'_> {
    /// The next chunk; `None` when there are no more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Chunk> {
        let (ticket, payload) = self.chunks.recv().await?;
        self.guard.shared.answer(ticket, Reply::ROk(Payload::default()));
        Some(payload.decode().unwrap_or(Chunk::Other))
    }

    /// How it ended; to be awaited after `next` gave `None`.
    ///
    /// # Errors
    /// The plugin's.
    pub(crate) async fn end(mut self) -> Result<Payload, Error> {
        let reply = (&mut self.reply).await;
        self.guard.done = true;
        self.instance.result(reply)
    }
}

impl Drop for Completing<'_> {
    /// What nobody reads any more is answered all the same: the plugin keeps a ticket for it.
    fn drop(&mut self) {
        self.chunks.close();
        while let Ok((ticket, _)) = self.chunks.try_recv() {
            self.guard.shared.answer(ticket, Reply::ROk(Payload::default()));
        }
    }
}

struct CancelOnDrop {
    shared: Arc<Shared>,
    op: u64,
    done: bool,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if !self.done
            && self.shared.end(self.op).is_some()
            && let Some(plugin) = self.shared.plugin()
        {
            plugin.cancel(self.op);
        }
    }
}

impl Shared {
    /// Takes an operation out of those under way.
    fn end(&self, op: u64) -> Option<Operation> {
        let operation = lock(&self.operations).open.remove(&op);
        self.ended.notify_waiters();
        operation
    }

    fn end_all(&self, error: &Error) {
        let operations = std::mem::take(&mut lock(&self.operations).open);
        self.ended.notify_waiters();
        for operation in operations.into_values() {
            // Nobody waits where the caller was dropped at this moment.
            let _ = operation.reply.send(encode_reply::<()>(&Err(error.clone())));
        }
    }

    fn plugin(&self) -> Option<Arc<PluginBox>> {
        lock(&self.plugin).clone()
    }

    fn answer(&self, ticket: u64, reply: Reply) {
        if let Some(plugin) = self.plugin() {
            plugin.answer(ticket, reply);
        }
    }
}

/// An error as a plugin tells it. What servers and platforms say may repeat a secret, and an error is stored and shown.
fn error_of(payload: &Payload) -> Error {
    let mut error = decode_error(payload);
    error.message = crate::telemetry::without_secrets(error.message);
    error
}
