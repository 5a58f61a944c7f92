//! What an instance gets from its host beside the settings.

use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::abi::{Payload, notice, request};
use crate::error::{Cause, Error, Result};
use crate::link::HostLink;
use crate::message::Meta;
use crate::wire::Named;

/// What an instance gets from its host beside the settings. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    link: Arc<HostLink>,
    instance: Arc<str>,
    meta: Arc<Meta>,
}

impl Context {
    pub(crate) fn new(link: Arc<HostLink>, instance: &str, meta: Meta) -> Self {
        Self {
            link,
            instance: instance.into(),
            meta: Arc::new(meta),
        }
    }

    /// The instance's name, as the configuration has it.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Additional data from the host, for example `host_version`.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Where the instance may keep files of its own; no other instance has this folder. It is made where it is
    /// missing. `None` from a host that has none to give, as the test kit.
    pub fn data_dir(&self) -> Option<PathBuf> {
        let path = PathBuf::from(self.meta.get("data_dir")?.as_str()?);
        // Where it cannot be made, what is written there tells.
        let _ = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path);
        Some(path)
    }

    /// Runs a task beside the methods, on the instance's thread. A panic in it ends the instance visibly: it is
    /// restarted with backoff. The task is dropped with the instance.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        // Boxed, so that what runs a task is compiled once.
        tokio::spawn(guarded(self.link.clone(), task.boxed()))
    }

    /// Asks the host what it knows; needs [`Permission::Observe`](crate::Permission::Observe). Spans are milliseconds.
    ///
    /// | `name` | `data` | answer |
    /// |---|---|---|
    /// | `status` | | what `miniclaw status --json` prints |
    /// | `sessions.list` | | what `miniclaw sessions list --json` prints |
    /// | `sessions.show` | `{"key": "…"}` | an array of the conversation's messages, empty for an unknown one |
    ///
    /// # Errors
    /// Permanent and [`Cause::Unsupported`] for a name that the host does not know, and from an older host; permanent and
    /// [`Cause::Auth`] without the permission; transient and [`Cause::Busy`] where too much is asked at once.
    pub async fn ask(&self, name: &str, data: serde_json::Value) -> Result<serde_json::Value> {
        let body = Named {
            name: name.to_owned(),
            data,
        };
        let answer = self.link.request(0, request::ASK, Payload::encode(&body));
        answer.await?.decode()
    }

    /// Tells the host what this version of the contract has no method for; a host that does not know `name`
    /// ignores it.
    pub fn event(&self, name: &str, data: serde_json::Value) {
        self.link.notify(
            notice::EVENT,
            Payload::encode(&Named {
                name: name.to_owned(),
                data,
            }),
        );
    }
}

/// Tells `receive` to return.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Waits until the stop is requested; returns at once when it was.
    ///
    /// # Cancel safety
    /// Cancel safe: made for `tokio::select!`.
    pub async fn requested(&mut self) {
        // An error means that the instance is gone, which is a stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the stop was requested.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

async fn guarded(link: Arc<HostLink>, task: BoxFuture<'static, ()>) {
    if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
        let error = panic_error("a task of the plugin", panic.as_ref());
        link.notify(notice::FAILED, Payload::encode(&error));
    }
}

/// The error for a panic in `what`: it may have happened.
pub(crate) fn panic_error(what: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::unknown(format!("{what} panicked: {text}")).because(Cause::Panicked)
}
