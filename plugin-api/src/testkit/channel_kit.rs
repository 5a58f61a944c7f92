//! A channel with the test as its host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::instance::{Instance, Instantiate, birth, result};
use crate::abi::{Birth, Payload, PluginBox, Reply, method};
use crate::glue::instantiate_channel;
use crate::wire::{Named, Receive, SignalTo, Update, encode_reply};
use crate::{
    Account, Attachment, Change, Channel, ChatRef, Error, InboundMessage, MessageRef, Meta, OutboundMessage,
    Result, Sent, Signal, Verdict,
};

/// A channel under test.
pub struct ChannelKit {
    pub(super) instance: Instance,
    emitted: tokio::sync::Mutex<mpsc::UnboundedReceiver<Emitted>>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, Value)>>,
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
pub struct Receiving(pub(super) oneshot::Receiver<Reply>);

impl ChannelKit {
    /// An instance of `C`; its thread runs from here on.
    ///
    /// # Panics
    /// Where no thread can be had.
    pub fn new<C: Channel>(settings: Value) -> Self {
        Self::born::<C>(birth(&settings))
    }

    /// The same with data beside the settings, as [`Context::meta`](crate::Context::meta) gives them.
    ///
    /// # Panics
    /// As for [`ChannelKit::new`].
    pub fn with_meta<C: Channel>(settings: Value, meta: &Meta) -> Self {
        let meta = Value::Object(meta.clone()).to_string().into();
        Self::born::<C>(Birth {
            meta,
            ..birth(&settings)
        })
    }

    fn born<C: Channel>(birth: Birth) -> Self {
        let instantiate: &Instantiate =
            &|birth, host| instantiate_channel::<C>(birth, host, false).into_result();
        Self::of(birth, instantiate).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An instance that `instantiate` makes.
    pub(super) fn of(birth: Birth, instantiate: &Instantiate) -> Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let instance = Instance::new(birth, Some(sender), instantiate)?;
        let (events, event_receiver) = mpsc::unbounded_channel();
        instance.shared.lock().events = Some(events);
        Ok(Self {
            instance,
            emitted: tokio::sync::Mutex::new(receiver),
            events: tokio::sync::Mutex::new(event_receiver),
        })
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

    /// What [`Context::ask`](crate::Context::ask) is answered from here on; names without an answer are unsupported.
    pub fn answer_asked(&self, name: &str, answer: Value) {
        let mut state = self.instance.shared.lock();
        state.answers.insert(name.to_owned(), answer);
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

impl Emitted {
    pub(super) fn new(
        messages: Vec<InboundMessage>,
        cursor: Option<String>,
        ticket: u64,
        plugin: Arc<PluginBox>,
    ) -> Self {
        Self {
            messages,
            cursor,
            ticket,
            plugin,
        }
    }

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
