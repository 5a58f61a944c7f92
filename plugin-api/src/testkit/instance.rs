//! The host's side of one instance, in a test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi_stable::sabi_trait::TD_Opaque;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::Emitted;
use crate::abi::{
    Birth, HostApi, HostApi_TO, HostBox, LogRecord, Payload, PluginBox, Reply, notice, request,
};
use crate::wire::{Batch, Named, decode_error, encode_reply};
use crate::{Chunk, Error, Result};

/// The entry of a plugin.
pub(super) type Instantiate = dyn Fn(Birth, HostBox) -> std::result::Result<PluginBox, Payload> + Send + Sync;

/// One instance, with this process as its host.
pub(super) struct Instance {
    plugin: Arc<PluginBox>,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) progress: AtomicU64,
    next_op: AtomicU64,
}

#[derive(Default)]
pub(super) struct State {
    plugin: Option<Arc<PluginBox>>,
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
    pub(super) chunks: HashMap<u64, Vec<Chunk>>,
    emitted: Option<mpsc::UnboundedSender<Emitted>>,
    pub(super) events: Option<mpsc::UnboundedSender<(String, Value)>>,
    pub(super) log: Vec<String>,
    /// What `ask` is answered, by name.
    pub(super) answers: HashMap<String, Value>,
    pub(super) failure: Option<Error>,
}

/// What a test's host gives an instance at its birth.
pub(super) fn birth(settings: &Value) -> Birth {
    Birth {
        instance: "test".into(),
        settings: settings.to_string().into(),
        log_level: 4,
        meta: "{}".into(),
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instance {
    pub(super) fn new(
        birth: Birth,
        emitted: Option<mpsc::UnboundedSender<Emitted>>,
        instantiate: &Instantiate,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                emitted,
                ..State::default()
            }),
            progress: AtomicU64::new(0),
            next_op: AtomicU64::new(1),
        });
        let host = HostApi_TO::from_value(FakeHost(shared.clone()), TD_Opaque);
        let plugin = instantiate(birth, host).map_err(|payload| decode_error(&payload))?;
        let plugin = Arc::new(plugin);
        shared.lock().plugin = Some(plugin.clone());
        Ok(Self { plugin, shared })
    }

    pub(super) fn begin<T: Serialize>(&self, method: u32, body: &T) -> (u64, oneshot::Receiver<Reply>) {
        self.begin_raw(method, Payload::encode(body))
    }

    fn begin_raw(&self, method: u32, body: Payload) -> (u64, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let op = self.shared.next_op.fetch_add(1, Ordering::Relaxed);
        self.shared.lock().waiting.insert(op, sender);
        self.plugin.call(op, method, body);
        (op, receiver)
    }

    /// Cancels an operation; its end is still told.
    pub(super) fn cancel(&self, op: u64) {
        self.plugin.cancel(op);
    }

    /// As in the host, dropping the future cancels the operation.
    pub(super) async fn call<T: Serialize>(&self, method: u32, body: &T) -> Result<Payload> {
        self.call_raw(method, Payload::encode(body)).await
    }

    /// A call whose body may be anything.
    pub(super) async fn call_raw(&self, method: u32, body: Payload) -> Result<Payload> {
        let (op, reply) = self.begin_raw(method, body);
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

pub(super) fn result(reply: std::result::Result<Reply, oneshot::error::RecvError>) -> Result<Payload> {
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
                    drop(emitted.send(Emitted::new(messages, cursor, ticket, plugin)));
                }
            }
            request::CHUNK => {
                if let Ok(chunk) = payload.decode() {
                    state.chunks.entry(op).or_default().push(chunk);
                }
                drop(state);
                plugin.answer(ticket, Reply::ROk(Payload::default()));
            }
            request::ASK => {
                let Named { name, .. } = payload.decode().unwrap_or_default();
                let known = state.answers.get(&name).cloned();
                drop(state);
                plugin.answer(
                    ticket,
                    encode_reply(&known.ok_or_else(|| Error::unsupported(&name))),
                );
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
