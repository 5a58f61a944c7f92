//! The bodies of calls and requests that are not messages themselves. Authors never see them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::abi::{Payload, Reply};
use crate::error::{Cause, Error, Result};
use crate::message::{Change, ChatRef, InboundMessage, MessageRef, Signal};

/// Longest message of an error that is read, in bytes.
const MESSAGE_BYTES: usize = 4 * 1024;

/// Body of `INBOUND`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    /// To be committed together, in order.
    pub messages: Vec<InboundMessage>,
    /// To be committed with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Body of `RECEIVE`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Receive {
    /// The cursor that was committed last for this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Body of `UPDATE`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Update {
    /// The message to change.
    pub target: MessageRef,
    /// The change.
    pub change: Change,
}

/// Body of `SIGNAL`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignalTo {
    /// Where.
    pub chat: ChatRef,
    /// What.
    pub signal: Signal,
}

/// Body of `INVOKE`, `EVENT` and `ASK`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Named {
    /// What is meant.
    pub name: String,
    /// Its data.
    #[serde(default)]
    pub data: Value,
}

/// The question at which a plugin's glue panics, so that a check sees the panic stay inside.
pub const CHECK_PANIC: &str = "check.panic";

impl Named {
    /// Reads the body of `INVOKE`.
    ///
    /// # Errors
    /// As for [`Payload::decode`].
    ///
    /// # Panics
    /// At [`CHECK_PANIC`].
    pub(crate) fn of_invoke(payload: &Payload) -> Result<Self> {
        let named: Self = payload.decode()?;
        assert!(named.name != CHECK_PANIC, "a check asked for it");
        Ok(named)
    }
}

impl Payload {
    /// A body as JSON text.
    pub fn encode<T: Serialize>(body: &T) -> Self {
        match serde_json::to_string(body) {
            Ok(json) => Self {
                json: json.into(),
                bytes: Vec::new().into(),
            },
            Err(error) => {
                tracing::error!(%error, "Body cannot be written as JSON");
                Self::default()
            }
        }
    }

    /// Bytes alone.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            json: "".into(),
            bytes: bytes.into(),
        }
    }

    /// Reads the body.
    ///
    /// # Errors
    /// Permanent, [`Cause::Protocol`], where the text is not of this shape.
    pub fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T> {
        serde_json::from_str(&self.json).map_err(|error| {
            Error::permanent(format!(
                "a body that crossed the plugin border cannot be read: {error}"
            ))
            .because(Cause::Protocol)
        })
    }
}

/// An operation's result as it crosses.
pub fn encode_reply<T: Serialize>(result: &Result<T>) -> Reply {
    match result {
        Ok(value) => Reply::ROk(Payload::encode(value)),
        Err(error) => Reply::RErr(Payload::encode(error)),
    }
}

/// Reads a reply's error; an unreadable one is [`Outcome::Unknown`](crate::Outcome::Unknown).
pub fn decode_error(payload: &Payload) -> Error {
    let mut error: Error = payload
        .decode()
        .unwrap_or_else(|error| Error::unknown(error.message).because(Cause::Protocol));
    error
        .message
        .truncate(error.message.floor_char_boundary(MESSAGE_BYTES));
    error
}
