//! What crosses between host and library. Authors never see it.
//!
//! Two vtables and one root module. Calls name their method by number and carry JSON text, so that what is
//! added later, be it a method or a field, changes no layout: a side that does not know a method answers
//! [`Cause::Unsupported`](crate::Cause::Unsupported), one that does not know a field ignores it.
//!
//! Every call returns at once. The host starts an operation with [`Plugin::call`] and hears of its end through
//! [`HostApi::done`]; a plugin starts a request with [`HostApi::request`] and hears of its end through
//! [`Plugin::answer`]. Nothing in these bodies may panic: it would end the process.
#![allow(non_local_definitions, reason = "expansion of sabi_trait")]
#![allow(missing_docs, clippy::allow_attributes, reason = "expansion of StableAbi")]

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, RResult, RString, RVec};

/// JSON text, and bytes beside it where JSON is no place for them.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default)]
pub struct Payload {
    pub json: RString,
    pub bytes: RVec<u8>,
}

/// How an operation or a request ended. The error is a [`crate::Error`] as JSON.
pub type Reply = RResult<Payload, Payload>;

/// One event of a plugin's log.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct LogRecord {
    /// 1 error … 5 trace.
    pub level: u8,
    pub line: u32,
    pub target: RString,
    pub file: RString,
    /// JSON object: the fields with their types, the message among them.
    pub fields: RString,
    /// JSON array of `{name, fields}`, outermost first; empty text where there is none.
    pub spans: RString,
}

/// What the host gives an instance at its birth.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Birth {
    /// The instance's name.
    pub instance: RString,
    /// The settings as JSON text.
    pub settings: RString,
    /// First log level, as in [`LogRecord::level`]; 0 for none.
    pub log_level: u8,
    /// Additional data as a JSON object.
    pub meta: RString,
}

/// The host calls the plugin.
#[abi_stable::sabi_trait]
pub trait Plugin: Send + Sync {
    /// Starts operation `op`; `method` is one of [`method`].
    fn call(&self, op: u64, method: u32, payload: Payload);
    /// Drops operation `op`; `done` is called all the same.
    fn cancel(&self, op: u64);
    /// Ends the plugin's request `ticket`.
    fn answer(&self, ticket: u64, reply: Reply);
    /// Sets the most detailed level to forward, as in [`LogRecord::level`]; 0 for none.
    #[sabi(last_prefix_field)]
    fn set_log_level(&self, level: u8);
}

/// The plugin calls the host.
#[abi_stable::sabi_trait]
pub trait HostApi: Send + Sync {
    /// Starts request `ticket`, on behalf of operation `op`; `method` is one of [`request`].
    fn request(&self, ticket: u64, op: u64, method: u32, payload: Payload);
    /// Ends the host's operation `op`.
    fn done(&self, op: u64, reply: Reply);
    /// Hands over an event of the log.
    fn log(&self, record: LogRecord);
    /// Tells what needs no answer; `notice` is one of [`notice`].
    #[sabi(last_prefix_field)]
    fn notify(&self, notice: u32, payload: Payload);
}

pub type PluginBox = Plugin_TO<'static, RBox<()>>;
pub type HostBox = HostApi_TO<'static, RBox<()>>;

/// Methods of [`Plugin::call`].
pub mod method {
    pub const CREATE: u32 = 1;
    pub const START: u32 = 2;
    pub const RECEIVE: u32 = 3;
    /// Requests the stop of the `RECEIVE` under way; done at once, `RECEIVE` is done when it ends.
    pub const STOP_RECEIVING: u32 = 4;
    pub const SEND: u32 = 5;
    pub const UPDATE: u32 = 6;
    pub const SIGNAL: u32 = 7;
    pub const FETCH: u32 = 8;
    pub const SHUTDOWN: u32 = 9;
    pub const INVOKE: u32 = 10;
    pub const EVENT: u32 = 11;
    pub const COMPLETE: u32 = 12;
    pub const MODELS: u32 = 13;
}

/// Methods of [`HostApi::request`].
pub mod request {
    /// [`crate::wire::Batch`] in; a JSON array of [`crate::Verdict`] out.
    pub const INBOUND: u32 = 1;
    /// [`crate::Chunk`] in; nothing out.
    pub const CHUNK: u32 = 2;
    /// [`crate::wire::Named`] in; JSON out.
    pub const ASK: u32 = 3;
}

/// Notices of [`HostApi::notify`].
pub mod notice {
    /// The channel received something, or heard that there is nothing.
    pub const PROGRESS: u32 = 1;
    /// A task that the author spawned panicked: the instance is over. Payload: a [`crate::Error`].
    pub const FAILED: u32 = 2;
    /// [`crate::wire::Named`]: what this version has no notice for.
    pub const EVENT: u32 = 3;
}

/// The root module of a library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModRef)))]
#[sabi(missing_field(option))]
pub struct PluginMod {
    /// Starts the instance's thread and returns at once.
    #[sabi(last_prefix_field)]
    pub instantiate: extern "C" fn(birth: Birth, host: HostBox) -> RResult<PluginBox, Payload>,
}

impl RootModule for PluginModRef {
    abi_stable::declare_root_module_statics! {PluginModRef}
    const BASE_NAME: &'static str = "miniclaw_plugin";
    const NAME: &'static str = "miniclaw plugin";
    const VERSION_STRINGS: VersionStrings = abi_stable::package_version_strings!();
}
