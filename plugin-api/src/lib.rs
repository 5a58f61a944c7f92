//! Everything that the author of a miniclaw plugin writes against.
#![deny(missing_docs)]

#[doc(hidden)]
pub mod abi;
mod channel;
mod completion;
mod context;
mod error;
mod export;
mod glue;
#[cfg(feature = "http")]
pub mod http;
mod inbox;
mod link;
pub mod manifest;
mod message;
mod provider;
mod sink;
#[cfg(feature = "testkit")]
pub mod testkit;
#[doc(hidden)]
pub mod wire;

pub use channel::Channel;
pub use completion::{
    ChatMessage, Chunk, Completion, CompletionRequest, ContentPart, FinishReason, Model, Role, Sampling,
    Tool, Usage,
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
