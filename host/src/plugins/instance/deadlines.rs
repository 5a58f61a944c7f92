//! What the host calls, and how long that may take.

use std::time::Duration;

use miniclaw_plugin_api::abi::method;

/// A method with the time that it may take.
#[derive(Clone, Copy)]
pub(crate) struct Method {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) deadline: Option<Duration>,
}

impl Method {
    pub(crate) const CREATE: Self = Self::new(method::CREATE, "create", 10);
    pub(crate) const START: Self = Self::new(method::START, "start", 30);
    pub(crate) const RECEIVE: Self = Self {
        number: method::RECEIVE,
        name: "receive",
        deadline: None,
    };
    pub(crate) const STOP_RECEIVING: Self = Self::new(method::STOP_RECEIVING, "stop receiving", 2);
    pub(crate) const SEND: Self = Self::new(method::SEND, "send", 60);
    pub(crate) const FETCH: Self = Self::new(method::FETCH, "fetch", 60);
    pub(crate) const UPDATE: Self = Self::new(method::UPDATE, "update", 60);
    pub(crate) const SIGNAL: Self = Self::new(method::SIGNAL, "signal", 5);
    pub(crate) const INVOKE: Self = Self::new(method::INVOKE, "invoke", 60);
    pub(crate) const MODELS: Self = Self::new(method::MODELS, "models", 30);
    pub(crate) const SHUTDOWN: Self = Self::new(method::SHUTDOWN, "shutdown", 5);

    const fn new(number: u32, name: &'static str, seconds: u64) -> Self {
        Self {
            number,
            name,
            deadline: Some(Duration::from_secs(seconds)),
        }
    }

    /// A method that no plugin has: the glue itself answers, as long as the instance's thread lives.
    pub(crate) const HEARTBEAT: Self = Self::new(u32::MAX, "heartbeat", 10);

    /// The same with a shorter deadline.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.deadline = Some(self.deadline.map_or(limit, |deadline| deadline.min(limit)));
        self
    }
}
