//! The trait that a provider plugin implements.

use std::future::{Future, ready};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::completion::{Completion, CompletionRequest, Model};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::sink::ChunkSink;

/// A way to reach models.
///
/// Threads, errors and cancellation are as for [`Channel`](crate::Channel): one thread and one tokio runtime for
/// each instance, and any number of `complete` calls beside each other on it.
pub trait Provider: Sized + Send + Sync + 'static {
    /// What the plugin says of itself.
    const MANIFEST: Manifest;

    /// The settings: the `settings` object of the instance's configuration, with secrets resolved.
    type Config: DeserializeOwned + Send + 'static;

    /// Makes an instance; no network yet. Deadline 10 s.
    ///
    /// # Errors
    /// Permanent: the instance is *Failed*. Otherwise it is tried again with backoff.
    fn create(config: Self::Config, context: Context) -> impl Future<Output = Result<Self>> + Send;

    /// Connects where there is something to keep connected. Deadline 30 s. A server that is not up yet is no
    /// reason to fail here.
    ///
    /// # Errors
    /// As for `create`.
    fn start(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }

    /// Continues a conversation. The answer goes through `sink` piece by piece, as it comes; the return value
    /// says how it ended. The host ends it by a deadline to the first chunk, between chunks, and in total.
    ///
    /// # Errors
    /// Transient: tried again, after `retry_after` where given, then the fallback. Permanent: the fallback at
    /// once. What was sent to `sink` before an error is discarded.
    fn complete(
        &self,
        request: CompletionRequest,
        sink: ChunkSink,
    ) -> impl Future<Output = Result<Completion>> + Send;

    /// Lists the models. Deadline 30 s. Called only with [`Capability::Models`](crate::Capability::Models).
    ///
    /// # Errors
    /// As for `complete`.
    fn models(&self) -> impl Future<Output = Result<Vec<Model>>> + Send {
        ready(Err(Error::unsupported("models")))
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

    /// Lets go of what must be let go of in order. Called exactly once, last. Deadline 5 s.
    ///
    /// # Errors
    /// Logged.
    fn shutdown(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}
