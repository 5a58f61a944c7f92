//! Why an operation failed, and what is known about its effect.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::Meta;

/// The result of everything that a plugin does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a failed operation is known to have done. The host retries by this, never by the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "known", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It certainly did not happen, and may succeed later; not before `retry_after` where that is given.
    Transient {
        /// The wait that the platform asked for; in milliseconds on the wire.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "millis",
            rename = "retry_after_ms"
        )]
        retry_after: Option<Duration>,
    },
    /// It certainly did not happen, and never will as it stands.
    Permanent,
    /// It may have happened: a deadline, a panic, a cancellation, or a connection cut after the request.
    #[serde(other)]
    Unknown,
}

/// Why an operation failed. An operator's hint and a metric's label; the host decides by [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The plugin's settings are wrong; the operator must change them.
    Config,
    /// The platform refuses the credentials; the operator must change them.
    Auth,
    /// The platform does not know the thing that was asked for: a chat, a message, a model.
    NotFound,
    /// The platform asks for fewer requests.
    RateLimited,
    /// The request or the answer is larger than the platform or a cap allows.
    TooLarge,
    /// The platform understood the request and refuses it.
    Rejected,
    /// Another client holds what only one may hold, for example a second poller of one bot.
    Conflict,
    /// The platform could not be reached, or the connection broke.
    Network,
    /// The platform answered that it is at fault itself, or is overloaded.
    Unavailable,
    /// A deadline passed.
    Timeout,
    /// The platform's answer could not be understood.
    Protocol,
    /// The plugin does not implement the operation.
    Unsupported,
    /// The host has no room for more messages; `receive` ends and is started again later.
    Busy,
    /// The host is stopping; `receive` ends.
    Stopping,
    /// The host cancelled the operation.
    Cancelled,
    /// The plugin panicked.
    Panicked,
    /// None of the above, or a cause that this side does not know.
    #[serde(other)]
    Other,
}

/// A failure: what is known of its effect, why, and a sentence for the operator.
///
/// The sentence is lowercase without a period, says what was tried on what, and holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Error {
    /// What is known about the operation's effect.
    pub outcome: Outcome,
    /// Why it failed.
    pub cause: Cause,
    /// A sentence for the operator.
    pub message: String,
    /// Additional data, for example `migrate_to_chat`.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

impl Error {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            cause: Cause::Other,
            message: message.into(),
            meta: Meta::new(),
        }
    }

    /// The operation certainly did not happen and may succeed later.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Outcome::Transient { retry_after: None }, message)
    }

    /// The operation certainly did not happen and never will as it stands.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Outcome::Permanent, message)
    }

    /// The operation may have happened.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, message)
    }

    /// The plugin does not implement `operation`; [`Outcome::Permanent`], [`Cause::Unsupported`].
    pub fn unsupported(operation: &str) -> Self {
        Self::permanent(format!("the plugin does not support `{operation}`")).because(Cause::Unsupported)
    }

    /// The settings are wrong; [`Outcome::Permanent`], [`Cause::Config`]. The instance becomes *Failed*.
    pub fn config(message: impl Into<String>) -> Self {
        Self::permanent(message).because(Cause::Config)
    }

    /// Sets the cause.
    #[must_use]
    pub fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Makes the error transient with the wait that the platform asked for.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.outcome = Outcome::Transient {
            retry_after: Some(wait),
        };
        self
    }

    /// Adds a datum to `meta`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// The words of the message in lowercase without addresses, to look for what a server said: the name of a model in
    /// an address could be mistaken for it.
    pub fn words(&self) -> String {
        let words = self.message.split_whitespace();
        let words: Vec<&str> = words.filter(|word| !word.contains("://")).collect();
        words.join(" ").to_lowercase()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// `Option<Duration>` as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(wait: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
        match wait {
            Some(wait) => out.serialize_some(&u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            None => out.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(input)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_survives_the_wire() {
        let error = Error::transient("too fast")
            .because(Cause::RateLimited)
            .retry_after(Duration::from_millis(1500))
            .with("migrate_to_chat", "-100");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&text).unwrap(), error);
        for error in [Error::permanent("a"), Error::unknown("b"), Error::transient("c")] {
            let text = serde_json::to_string(&error).unwrap();
            assert_eq!(serde_json::from_str::<Error>(&text).unwrap(), error);
        }
    }

    #[test]
    fn unknown_names_fall_back_to_the_careful_reading() {
        let text = r#"{"outcome":{"known":"perhaps"},"cause":"moonphase","message":"m"}"#;
        let error: Error = serde_json::from_str(text).unwrap();
        assert_eq!((error.outcome, error.cause), (Outcome::Unknown, Cause::Other));
    }
}
