//! The trait that a channel plugin implements.

use std::future::{Future, ready};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::{Context, Stop};
use crate::error::{Error, Result};
use crate::inbox::Inbox;
use crate::manifest::Manifest;
use crate::message::{Account, Attachment, Change, ChatRef, MessageRef, OutboundMessage, Sent, Signal};

/// A way to reach people: brings their messages in and carries replies out.
///
/// # Threads
/// Every instance has one thread with one tokio runtime of its own. All methods of an instance run there, as
/// tasks beside each other: `send` is called while `receive` runs, and several `send`s of different
/// conversations may be under way at once. A method that blocks the thread blocks its own instance and nothing
/// else; the host's deadline then ends it. Work that blocks belongs on a thread of the author's.
///
/// # Errors
/// A returned [`Error`] says what is known ([`Outcome`](crate::Outcome)); the host acts on that alone. A panic
/// counts as [`Outcome::Unknown`](crate::Outcome::Unknown) and does not end the instance, except in `create`,
/// `start` and `receive`, where it is a crash: the instance is restarted with backoff.
///
/// # Cancellation
/// When a deadline passes or the gateway stops, the host drops the method's future. Every `.await` is a place
/// where that may happen.
pub trait Channel: Sized + Send + Sync + 'static {
    /// What the plugin says of itself.
    const MANIFEST: Manifest;

    /// The settings: the `settings` object of the instance's configuration, with secrets resolved. What serde
    /// refuses makes the instance *Failed* with a line that names the key.
    type Config: DeserializeOwned + Send + 'static;

    /// Makes an instance; no network yet. Deadline 10 s.
    ///
    /// # Errors
    /// Permanent: the instance is *Failed*, its siblings go on. Otherwise it is tried again with backoff.
    fn create(config: Self::Config, context: Context) -> impl Future<Output = Result<Self>> + Send;

    /// Connects and says who the channel speaks as; receives nothing yet. Deadline 30 s.
    ///
    /// # Errors
    /// As for `create`.
    fn start(&self) -> impl Future<Output = Result<Account>> + Send;

    /// Receives until `stop` is requested, then returns `Ok` within 2 s. It is called again after a pause, so
    /// it keeps nothing that a second call would miss. No deadline, but see [`Inbox::progress`].
    ///
    /// A message is confirmed to the platform only after [`Inbox::emit`] returned `Ok` for it. Where that
    /// returns an error, `receive` returns too, without confirming.
    ///
    /// # Errors
    /// Permanent: the instance is *Failed*. Otherwise it is restarted with backoff; errors of the network that
    /// will pass are better waited out inside.
    fn receive(&self, inbox: Inbox, stop: Stop) -> impl Future<Output = Result<()>> + Send;

    /// Sends one message and returns the platform's ids of it. Deadline 60 s.
    ///
    /// # Errors
    /// Transient: sent again after a backoff, or after `retry_after`, for up to 24 h. Unknown: the same, with the risk
    /// of a duplicate that the operator chose. Permanent: a dead letter at once.
    fn send(&self, message: OutboundMessage) -> impl Future<Output = Result<Sent>> + Send;

    /// Changes a message that was sent. Deadline 60 s. Called only with
    /// [`Capability::Edit`](crate::Capability::Edit), `Delete` or `React`.
    ///
    /// # Errors
    /// As for `send`; [`Cause::NotFound`](crate::Cause::NotFound) where the message is gone.
    fn update(&self, target: MessageRef, change: Change) -> impl Future<Output = Result<()>> + Send {
        let _ = (target, change);
        ready(Err(Error::unsupported("update")))
    }

    /// Shows a sign of life. Deadline 5 s. Called only with [`Capability::Typing`](crate::Capability::Typing).
    ///
    /// # Errors
    /// Logged at DEBUG, and otherwise without effect.
    fn signal(&self, chat: ChatRef, signal: Signal) -> impl Future<Output = Result<()>> + Send {
        let _ = (chat, signal);
        ready(Err(Error::unsupported("signal")))
    }

    /// Brings the bytes of an inbound attachment. Deadline 60 s. Called only with
    /// [`Capability::Fetch`](crate::Capability::Fetch).
    ///
    /// # Errors
    /// As for `send`.
    fn fetch(&self, attachment: Attachment) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let _ = attachment;
        ready(Err(Error::unsupported("fetch")))
    }

    /// Answers a question that this version of the contract has no method for. Deadline 60 s.
    ///
    /// # Errors
    /// [`Cause::Unsupported`](crate::Cause::Unsupported) for names that the plugin does not know.
    fn invoke(&self, name: String, arguments: Value) -> impl Future<Output = Result<Value>> + Send {
        let _ = arguments;
        ready(Err(Error::unsupported(&name)))
    }

    /// Hears of something that it may ignore. Deadline 5 s.
    fn event(&self, name: String, data: Value) -> impl Future<Output = ()> + Send {
        let _ = (name, data);
        ready(())
    }

    /// Lets go of what must be let go of in order: logs out, flushes. Called exactly once, last, after
    /// `receive` ended or was cancelled. Deadline 5 s.
    ///
    /// # Errors
    /// Logged.
    fn shutdown(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}
