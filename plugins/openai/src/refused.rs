//! Fields that a server refuses, and does without from then on.

use std::sync::{Mutex, PoisonError};

use miniclaw_plugin_api::{Cause, Error};

use crate::request::Body;

/// Most pairs of model and field that are remembered; with more the oldest is forgotten, which costs a request.
const REMEMBERED: usize = 64;

/// Fields that not every server knows, or not for every model: an answer without them is better than none.
const OPTIONAL: [&str; 9] = [
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "prompt_cache_key",
    "stream",
];

/// By words, since servers have no common code for it; a value out of range must stay an error.
const UNKNOWN: [&str; 7] = [
    "support",
    "unknown",
    "unrecogni",
    "unexpected",
    "extra ",
    "permitted",
    "not allowed",
];

/// What servers refused, by model, oldest first.
#[derive(Default)]
pub(crate) struct Refused(Mutex<Vec<(String, &'static str)>>);

impl Refused {
    /// Takes out of `body` what `model` is known to refuse.
    pub(crate) fn apply(&self, model: &str, body: &mut Body<'_>) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, field) in all.iter().filter(|(name, _)| name == model) {
            body.do_without(field);
        }
    }

    /// Learns from an error; whether `body` has changed and is worth another request.
    pub(crate) fn learn(&self, model: &str, error: &Error, body: &mut Body<'_>) -> bool {
        let Some(field) = field(error, body) else {
            return false;
        };
        if !body.do_without(field) {
            return false;
        }
        tracing::info!(
            model,
            field,
            "Server refuses a field of the request, which goes without it"
        );
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.remove(0);
        }
        all.push((model.to_owned(), field));
        true
    }
}

/// The field that the server refuses to know, where one of ours is to blame.
fn field(error: &Error, body: &Body<'_>) -> Option<&'static str> {
    if error.cause != Cause::Rejected {
        return None;
    }
    let param = error.meta.get("param").and_then(|param| param.as_str());
    let said = error.words();
    if said.contains("stream_options") || said.contains("include_usage") {
        return body.asks_for("stream_options").then_some("stream_options");
    }
    let unknown = UNKNOWN.iter().any(|word| said.contains(word));
    let named = |field: &str| match param {
        Some(param) => param == field,
        // "This server does not stream" has the word as well.
        None => field != "stream" && is_named(&said, field),
    };
    let unverified = param == Some("stream");
    OPTIONAL
        .into_iter()
        .find(|field| body.asks_for(field) && named(field) && (unknown || unverified))
}

/// Whether the name stands there as a word: `stop` is not in "stopped".
fn is_named(said: &str, field: &str) -> bool {
    let part_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    said.match_indices(field).any(|(at, _)| {
        !said[..at].ends_with(part_of_name) && !said[at + field.len()..].starts_with(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{ChatMessage, CompletionRequest, Role};

    use super::*;
    use crate::request;
    use crate::settings::Settings;

    #[test]
    fn a_field_is_to_blame_only_where_it_was_sent_and_is_not_known() {
        let mut asked = CompletionRequest::new(vec![ChatMessage::new(Role::User, "hi")]);
        asked.sampling.temperature = Some(0.5);
        asked.sampling.max_tokens = Some(9);
        let settings = Settings::default();
        let body = request::body(&settings, false, &asked);
        let cases = [
            (
                "unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead",
                Some("max_tokens"),
            ),
            (
                "Unsupported value: 'temperature' does not support 0.5 with this model",
                Some("temperature"),
            ),
            (
                "`body.stream_options`: Extra inputs are not permitted",
                Some("stream_options"),
            ),
            ("temperature must be at most 2", None),
            ("unknown field: seed", None),
            ("unsupported: low_temperature_mode", None),
            ("this model does not support stream", None),
        ];
        for (message, expected) in cases {
            let error = Error::permanent(message).because(Cause::Rejected);
            assert_eq!(field(&error, &body), expected, "{message}");
        }
        let error = Error::permanent("your organization must be verified to stream this model");
        let error = error.because(Cause::Rejected).with("param", "stream");
        assert_eq!(field(&error, &body), Some("stream"));
        let error = Error::permanent("'temperature' is not supported").because(Cause::Unavailable);
        assert_eq!(field(&error, &body), None);
    }
}
