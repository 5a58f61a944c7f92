//! Deadlines and caps, as an operator sets them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest deadline that the settings take, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// Deadlines and caps for talking to a server. Errors name its keys as they are called where it stands in a
/// plugin's settings under `http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "testkit", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Most seconds to connect, name lookup and TLS included.
    #[cfg_attr(feature = "testkit", schemars(extend("exclusiveMinimum" = 0)))]
    pub connect_seconds: f64,
    /// Most seconds from the request to the first byte of the answer.
    #[cfg_attr(feature = "testkit", schemars(extend("exclusiveMinimum" = 0)))]
    pub first_byte_seconds: f64,
    /// Most seconds without a byte once the answer has begun.
    #[cfg_attr(feature = "testkit", schemars(extend("exclusiveMinimum" = 0)))]
    pub idle_seconds: f64,
    /// Most seconds for the whole answer.
    #[cfg_attr(feature = "testkit", schemars(extend("exclusiveMinimum" = 0)))]
    pub total_seconds: f64,
    /// Most bytes of the answer.
    pub max_body_bytes: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_seconds: 5.0,
            first_byte_seconds: 60.0,
            idle_seconds: 30.0,
            total_seconds: 300.0,
            max_body_bytes: 16 * 1024 * 1024,
        }
    }
}

impl HttpSettings {
    /// For a server that is asked not to stream: it says nothing until its whole answer is written.
    #[must_use]
    pub fn for_whole_answers(self) -> Self {
        Self {
            first_byte_seconds: self.total_seconds,
            ..self
        }
    }
}

/// [`HttpSettings`] after the check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    pub(super) total: Duration,
    pub(super) max_body_bytes: u64,
}

impl Limits {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self> {
        Ok(Self {
            connect: duration("connect_seconds", settings.connect_seconds)?,
            first_byte: duration("first_byte_seconds", settings.first_byte_seconds)?,
            idle: duration("idle_seconds", settings.idle_seconds)?,
            total: duration("total_seconds", settings.total_seconds)?,
            max_body_bytes: settings.max_body_bytes,
        })
    }
}

fn duration(key: &str, seconds: f64) -> Result<Duration> {
    if seconds > 0.0 && seconds <= MAX_SECONDS {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Error::config(format!(
            "settings.http.{key}: {seconds} is no deadline, give seconds above 0 and up to {MAX_SECONDS}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_that_are_no_deadline_are_refused_with_their_key() {
        for idle_seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let settings = HttpSettings {
                idle_seconds,
                ..HttpSettings::default()
            };
            let error = Limits::new(&settings).unwrap_err();
            assert!(
                error.message.starts_with("settings.http.idle_seconds: "),
                "{error}"
            );
        }
        assert!(Limits::new(&HttpSettings::default()).is_ok());
    }
}
