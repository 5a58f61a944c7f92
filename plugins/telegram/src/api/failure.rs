//! Why a call brought no result, and what is known of its effect.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use miniclaw_plugin_api::{Cause, Error};

/// Longest part of Telegram's description that is shown, in characters.
const DESCRIPTION_CAP: usize = 300;

/// Why a call to the Bot API brought no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no connection: the request was certainly not sent.
    Unreachable(String),
    /// The same, for the sake of the proxy of the settings.
    Proxy(String),
    /// The deadline passed after the request may have been sent.
    TimedOut,
    /// The connection broke after the request may have been sent.
    Interrupted(String),
    /// Telegram said no.
    Refused(Refusal),
    /// A 5xx, of the Bot API or of a gateway in front of it.
    Broken(u16),
    /// An answer with this status that is not the Bot API's.
    Garbled(u16),
    /// An answer of more than so many bytes.
    TooLarge(usize),
}

/// How Telegram said no.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// Empty where the answer was not Telegram's own.
    pub(crate) description: String,
    pub(crate) retry_after: Option<Duration>,
    /// The supergroup that the group became.
    pub(crate) migrate_to: Option<i64>,
}

impl Failure {
    /// Whether the token is not, or no longer, one of a bot.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused(refusal) if matches!(refusal.code, 401 | 404) && !refusal.is_unknown_method())
    }

    /// Blames the proxy of the settings, which the call went through, for what is its fault.
    pub(super) fn through_proxy(self) -> Self {
        match self {
            Self::Unreachable(reason) if reason.contains("certificate") => Self::Unreachable(reason),
            Self::Unreachable(reason) => {
                let own = ["(os error", "underlying connection", "lookup address"];
                if own.iter().any(|own| reason.contains(own)) {
                    return Self::Proxy(reason);
                }
                Self::Unreachable(format!("{reason}, on the way through the proxy of `proxy`"))
            }
            failure => failure,
        }
    }

    /// Takes `secret` out of what a server may have echoed, and bounds it.
    pub(super) fn without(mut self, secret: &str) -> Self {
        if let Self::Refused(refusal) = &mut self {
            let text = refusal.description.replace(secret, "[redacted]");
            refusal.description = text.chars().take(DESCRIPTION_CAP).collect();
        }
        self
    }

    /// The error of `method`, for a call that changes something.
    pub(crate) fn into_error(self, method: &str) -> Error {
        if self.is_unauthorized() {
            return unauthorized(&self);
        }
        let text = format!("{method}: {self}");
        match self {
            Self::Unreachable(_) | Self::Proxy(_) => Error::transient(text).because(Cause::Network),
            Self::TimedOut => Error::unknown(text).because(Cause::Timeout),
            Self::Interrupted(_) => Error::unknown(text).because(Cause::Network),
            Self::Broken(_) => Error::unknown(text).because(Cause::Unavailable),
            Self::Garbled(_) => Error::unknown(text).because(Cause::Protocol),
            Self::TooLarge(_) => Error::unknown(text).because(Cause::TooLarge),
            Self::Refused(refusal) => refusal.into_error(text),
        }
    }

    /// The error of `method`, for a call that changes nothing and can be made again.
    pub(crate) fn into_read_error(self, method: &str) -> Error {
        let error = self.into_error(method);
        match error.outcome {
            miniclaw_plugin_api::Outcome::Unknown => Error::transient(error.message).because(error.cause),
            _ => error,
        }
    }
}

impl Refusal {
    /// Whether it was the markup that Telegram did not like, so that the same text may pass without.
    pub(crate) fn is_about_markup(&self) -> bool {
        let description = self.description.to_ascii_lowercase();
        let says = |part: &str| description.contains(part);
        self.code == 400
            && (says("can't parse") || says("entit") || says("text is empty") || is_too_long(&description))
    }

    /// Whether it was the kind of a file that Telegram did not like, such as a photo of odd dimensions, so that the
    /// same bytes may pass as a document.
    pub(crate) fn is_about_media(&self) -> bool {
        let description = self.description.to_ascii_lowercase();
        let kinds = [
            "photo",
            "image",
            "voice",
            "audio",
            "video",
            "media",
            "file",
            "wrong type",
        ];
        self.code == 400 && kinds.iter().any(|kind| description.contains(kind))
    }

    /// Whether the server, one of another make or an old one, has no such method.
    fn is_unknown_method(&self) -> bool {
        self.code == 404 && self.description.to_ascii_lowercase().contains("method")
    }

    /// Whether an edit changed nothing.
    pub(crate) fn is_not_modified(&self) -> bool {
        self.code == 400 && self.description.contains("message is not modified")
    }

    /// Whether the address of a webhook is at fault for as long as it stays the same.
    pub(crate) fn is_about_address(&self) -> bool {
        let description = self.description.to_ascii_lowercase();
        let always = ["https url must be provided", "can be set up only on ports"];
        self.code == 400 && always.iter().any(|always| description.contains(always))
    }

    /// Whether updates go to a webhook instead of to us.
    pub(crate) fn is_webhook(&self) -> bool {
        self.code == 409 && self.description.to_ascii_lowercase().contains("webhook")
    }

    fn into_error(self, text: String) -> Error {
        let description = self.description.to_ascii_lowercase();
        let error = match self.code {
            429 => {
                let error = Error::transient(text).because(Cause::RateLimited);
                return match self.retry_after {
                    Some(wait) => error.retry_after(wait),
                    None => error,
                };
            }
            409 => return Error::transient(text).because(Cause::Conflict),
            404 if self.is_unknown_method() => return Error::permanent(text).because(Cause::Unsupported),
            _ => Error::permanent(text + hint(&description)),
        };
        let gone = ["not found", "message can't be edited", "message_id_invalid"];
        if gone.iter().any(|gone| description.contains(gone)) {
            error.because(Cause::NotFound)
        } else if self.code == 413 || is_too_long(&description) || description.contains("too big") {
            error.because(Cause::TooLarge)
        } else {
            error.because(Cause::Rejected)
        }
    }
}

/// Some refusals come as Telegram's own servers word them: `MESSAGE_TOO_LONG`.
fn is_too_long(description: &str) -> bool {
    description.contains("too long") || description.contains("too_long")
}

/// What Telegram's own words leave to guess.
fn hint(description: &str) -> &'static str {
    if description.contains("message thread not found") {
        "; the topic was deleted, and with it this conversation"
    } else if description.contains("topic_closed") {
        "; open the topic again, or make the bot an administrator that manages topics"
    } else {
        ""
    }
}

/// The error for a token that Telegram does not take, or of a server that is none of the Bot API.
pub(crate) fn unauthorized(failure: &Failure) -> Error {
    let address = match failure {
        Failure::Refused(refusal) if refusal.code == 404 => ", and see whether `api_url` is right",
        _ => "",
    };
    Error::permanent(format!(
        "telegram does not take the bot's token: {failure}; get the token from @BotFather and set it as `token` \
         of this channel{address}"
    ))
    .because(Cause::Auth)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(f, "telegram cannot be reached: {reason}"),
            Self::Proxy(reason) => write!(f, "the proxy of `proxy` does not answer: {reason}"),
            Self::TimedOut => f.write_str("telegram did not answer in time"),
            Self::Interrupted(reason) => write!(f, "the connection to telegram broke: {reason}"),
            Self::Refused(Refusal {
                code, description, ..
            }) if description.is_empty() => {
                write!(f, "HTTP status {code}")
            }
            Self::Refused(Refusal {
                code, description, ..
            }) => write!(f, "{description} ({code})"),
            Self::Broken(code) => write!(f, "telegram is at fault (HTTP status {code})"),
            Self::Garbled(407) => {
                f.write_str("the proxy wants a user and a password, or others (HTTP status 407)")
            }
            Self::Garbled(status) => {
                write!(f, "the answer is not one of the Bot API (HTTP status {status})")
            }
            Self::TooLarge(cap) => write!(f, "the answer is larger than {cap} bytes"),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            Self::Unreachable(with_hint(chain(&error)))
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Interrupted(chain(&error))
        }
    }
}

/// The innermost cause says it best: `Connection refused (os error 111)`.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// What is left to guess of a handshake that failed.
fn with_hint(reason: String) -> String {
    if reason.contains("UnknownIssuer") || reason.contains("BadSignature") {
        reason + "; if the server's authority is a private one, name its certificate in `ca_file`"
    } else if reason.contains("CaUsedAsEndEntity") {
        reason
            + "; the server's certificate is its own authority, which nobody takes: let an authority sign one for the \
               server, and name that authority's in `ca_file`"
    } else {
        reason
    }
}

#[cfg(test)]
mod tests;
