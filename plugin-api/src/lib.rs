//! Everything that the author of a miniclaw plugin writes against.
//!
//! A plugin is a shared library that brings messages in and carries replies out (a [`Channel`]), or that talks to
//! models (a [`Provider`]). It implements one trait with plain async functions and ends with one line,
//! [`export_plugin!`]. This is a whole one, a channel that hears what it is told:
//!
//! ```
#![doc = include_str!("../examples/echo_channel.rs")]
//! ```
//!
//! # Building it
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! miniclaw-plugin-api = { path = "../miniclaw/plugin-api" } # where you have its source
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["sync", "macros"] }
//!
//! [profile.release]
//! panic = "unwind"
//! ```
//!
//! `panic = "unwind"` is Rust's default and must stay: a library built with `"abort"` is refused. Any recent
//! compiler will do, it need not be the host's. Build on the oldest glibc that the library shall run on.
//!
//! `miniclaw plugin info target/release/libirc.so` shows what the host sees in the file, without running it. Put the
//! library into a directory that only its owner can write, name that directory with `--plugins` or in
//! `plugins.paths`, and name the plugin in an entry of `channels` or `providers`. A library that is only there is not
//! run. Replace a library by renaming another one over it, never by writing into it.
//!
//! Each plugin is best a library crate with the code and its tests, and a `cdylib` crate of one line beside it: two
//! plugins in one binary, as in a test, must not both export.
//!
//! # An instance's life
//!
//! The configuration may name several instances of one plugin. Each has a thread of its own with a tokio runtime,
//! and all its methods run there as tasks beside each other. Timers, sockets and [`Context::spawn`] work in all of
//! them; what blocks the thread blocks its own instance, so that work belongs on a thread of the author's.
//!
//! | method | called | deadline | an error or a panic means |
//! |---|---|---|---|
//! | `create` | first | 10 s | permanent: *Failed*, until the configuration changes; otherwise again with backoff |
//! | `start` | after `create` | 30 s | as for `create` |
//! | `receive` | after `start`, again after every pause | none; 2 s once [`Stop`] is requested | permanent: *Failed*; otherwise a restart with backoff |
//! | `send` | any time, several at once | 60 s | transient: again after a backoff or `retry_after`; unknown: the same, or held back, as the operator chose; permanent: a dead letter |
//! | `update`, `fetch` | any time, where the manifest declares it | 60 s | as for `send` |
//! | `signal` | any time, where the manifest declares it | 5 s | logged at DEBUG |
//! | `complete` | any time, several at once | to the first chunk, between chunks, in total | transient: again, then the fallback; permanent: the fallback; the chunks until then are discarded |
//! | `models` | where the manifest declares it | 30 s | shown to who asked |
//! | `invoke` | any time | 60 s | shown to who asked |
//! | `event` | any time | 5 s | a panic is logged |
//! | `shutdown` | once, last | 5 s | logged |
//! | a task of [`Context::spawn`] | | none | a panic is a crash of the instance: a restart with backoff |
//!
//! When a deadline passes or the gateway stops, the host drops the method's future: every `.await` is a place where
//! that may happen. A method that never awaits cannot be stopped; its instance is left behind with its thread.
//!
//! An [`Error`] says what is known of its effect, which is what the host acts on: [`Error::transient`] certainly did not happen
//! and may succeed later, [`Error::permanent`] never will, [`Error::unknown`] may have happened. Say *unknown* when a
//! connection broke after the request was written. The [`Cause`] and the sentence are for the operator; no secret belongs
//! into them.
//!
//! # Receiving without losing anything
//!
//! [`Inbox::emit`] returns when the message is on disk. Only then confirm it to the platform: advance the offset, answer
//! the webhook, acknowledge the mail. Where it returns an error, return that error from `receive` and confirm nothing.
//! What was accepted before is a [`Verdict::Duplicate`], so when in doubt hand it over again. A platform with a
//! position in a stream passes it as the cursor of [`Inbox::emit_batch`] and finds it in [`Inbox::cursor`] at the next
//! `receive`. Call [`Inbox::progress`] whenever the platform was heard, also when it had nothing to say.
//!
//! Whether a sender may speak to the agent is the host's decision, by [`Sender::id`]: pass everyone on, with the platform's
//! stable id and never a name that another person could take.
//!
//! # Settings
//!
//! [`Channel::Config`] is read with serde from the instance's `settings`, with `${env:}` and `${file:}` resolved. What does
//! not fit makes the instance *Failed* with a line that names the key. The schema of the settings is a file in the plugin's
//! crate, so that the host can check a configuration without running the plugin; a test keeps the two equal:
//!
//! ```
//! use miniclaw_plugin_api::{Capability, Manifest, Permission, TextUnit};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     server: String,
//!     #[serde(default)]
//!     tls: bool,
//! }
//!
//! const MANIFEST: Manifest = Manifest::new("irc", env!("CARGO_PKG_VERSION"))
//!     .description("Internet Relay Chat.")
//!     .schema(r#"{"type":"object"}"#) // include_str!("../settings.schema.json")
//!     .capabilities(&[Capability::Typing])
//!     .permissions(&[Permission::Network])
//!     .text_limit(400, TextUnit::Bytes);
//! # let settings: Settings = serde_json::from_str(r#"{"server":"irc.example.org"}"#).unwrap();
//! # assert!(settings.server.starts_with("irc") && !settings.tls && format!("{MANIFEST:?}").contains("irc"));
//! ```
//!
//! The [`Manifest`] is all that is known before the plugin runs. The host calls no method whose [`Capability`] is not
//! declared, splits longer texts than the limit, and, where the plugin has a process of its own, allows what its
//! [`Permission`]s say and nothing else.
//!
//! # Logging
//!
//! `tracing` just works, and so does `log`: events reach the host's log with their target, level, fields and spans, and
//! with the instance's name, under the host's filters (`RUST_LOG=my_crate=debug`: targets are the names of your crates). Do not install a subscriber. Never
//! log the text of a message above `TRACE`, nor a secret at any level. stdout belongs to the host.
//!
//! # Testing
//!
//! With the feature `testkit`, `testkit::ChannelKit` and `testkit::ProviderKit` run an instance through the real ABI with the
//! test as its host, and `testkit::check_schema` compares the schema file with the settings struct. `testkit::conformance`
//! holds a plugin against this contract, stage by stage; `miniclaw plugin check` runs the same on a library, in a child
//! process. `docs/writing-a-plugin.md` goes the whole way, from `miniclaw plugin new` on.
//!
//! # How this contract changes
//!
//! While the version is 0.x, another minor version breaks compiled plugins and another patch does not; from 1.0 on, that is
//! the major version and the minor one. Within such a range an older plugin runs in a newer host and the other way round:
//! methods have default bodies that answer [`Cause::Unsupported`], structs and enums are `non_exhaustive`, a field
//! that one side does not know is ignored, and one that is missing takes its default. For what no version has foreseen there are
//! `invoke`, `event`, [`Context::event`] and the `meta` of every message.
#![deny(missing_docs)]

#[doc(hidden)]
pub mod abi;
mod channel;
mod completion;
mod context;
mod error;
mod export;
#[cfg(all(feature = "http", any(fuzzing, test)))]
#[doc(hidden)]
pub mod fuzzing;
mod glue;
#[cfg(feature = "http")]
pub mod http;
mod inbox;
mod link;
pub mod manifest;
mod message;
mod provider;
mod sink;
#[cfg(feature = "conformance")]
pub mod testkit;
mod thoughts;
#[doc(hidden)]
pub mod wire;

pub use channel::Channel;
pub use completion::{
    ChatMessage, Chunk, Completion, CompletionRequest, ContentPart, FinishReason, Model, Role, Sampling,
    Tool, Turn, Turns, Usage,
};
pub use context::{Context, Stop};
pub use error::{Cause, Error, Outcome, Result};
#[doc(hidden)]
pub use export::__private;
pub use inbox::Inbox;
pub use manifest::{Capability, Kind, Manifest, Permission, TextUnit};
pub use message::{
    Account, Attachment, AttachmentKind, Change, ChatKind, ChatRef, Command, InboundMessage, MessageRef,
    Meta, OutboundMessage, Part, ReplyTo, Sender, SenderKind, Sent, Signal, TextFormat, Verdict,
};
pub use provider::Provider;
pub use sink::ChunkSink;
pub use thoughts::{Said, Thoughts};
