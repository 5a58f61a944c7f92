//! What servers say of a failure, in the contract's terms.

use miniclaw_plugin_api::{Cause, Error, Outcome};

/// Codes of an account that has to be paid for first. OpenAI reports them like a limit that passes by itself.
const UNPAID: [&str; 4] = [
    "insufficient_quota",
    "billing_not_active",
    "billing_hard_limit_reached",
    "insufficient_balance",
];

/// How servers say that a conversation is longer than the model can read.
const TOO_LONG: [&str; 8] = [
    "context_length_exceeded",
    "exceed_context_size",
    "string_above_max_length",
    "context length",
    "context size",
    "context window",
    "context the overflows",
    "prompt is too long",
];

/// How servers say that they know no such model where they do not answer 404.
const NO_MODEL: [&str; 6] = [
    "model_not_found",
    "model not exist",
    "does not exist",
    "not a valid model",
    "model not found",
    "unknown model",
];

/// How servers say that a model takes no pictures, if they speak of pictures at all.
const BLIND: [&str; 8] = [
    "support",
    "not a multimodal",
    "unknown variant",
    "only text",
    "does not accept",
    "cannot",
    "no endpoints",
    "mmproj",
];

/// The error as the host and the operator need it. `pictures`: the request had some.
pub(crate) fn settle(error: Error, model: &str, pictures: bool) -> Error {
    let code = error.meta.get("code").and_then(|code| code.as_str());
    let code = code.unwrap_or_default().to_owned();
    let said = format!("{} {code}", error.message.to_lowercase());
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let refused = matches!(
        error.cause,
        Cause::Rejected | Cause::Unavailable | Cause::NotFound
    );
    if UNPAID.contains(&code.as_str()) {
        let error = becomes(error, Cause::Auth).with("unpaid", true);
        return advised(error, "the account has no credit left");
    }
    if pictures && refused && is_blind(&said) {
        let mut error = becomes(error, Cause::Unsupported);
        error.message = format!("the model `{model}` cannot see pictures: {}", error.message);
        return error;
    }
    if refused && says(&TOO_LONG) {
        return becomes(error, Cause::TooLarge);
    }
    if error.cause != Cause::Rejected {
        return error;
    }
    if said.contains("model") && says(&NO_MODEL) {
        return advised(becomes(error, Cause::NotFound), "check the model's name");
    }
    if said.contains("api key") && (said.contains("invalid") || said.contains("not valid")) {
        return advised(becomes(error, Cause::Auth), "check the key");
    }
    if code == "content_filter" || code == "content_policy_violation" {
        return advised(error, "the server's filter held its answer back");
    }
    error
}

fn becomes(mut error: Error, cause: Cause) -> Error {
    error.outcome = Outcome::Permanent;
    error.because(cause)
}

fn advised(mut error: Error, advice: &str) -> Error {
    error.message = format!("{}; {advice}", error.message);
    error
}

/// A picture that is broken or too large is no matter of the model.
fn is_blind(said: &str) -> bool {
    let about_pictures = ["image", "multimodal", "vision", "picture"];
    let about_the_file = [
        "format",
        "base64",
        "too large",
        "download",
        "media type",
        "decode",
    ];
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let plain =
        said.contains("content") && (said.contains("must be a string") || said.contains("valid string"));
    plain || (has(&about_pictures) && has(&BLIND) && !has(&about_the_file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(cause: Cause, message: &str, pictures: bool) -> (Outcome, Cause) {
        let error = settle(Error::transient(message).because(cause), "m", pictures);
        (error.outcome, error.cause)
    }

    #[test]
    fn servers_words_become_causes() {
        let cases = [
            (
                "This model's maximum context length is 8192 tokens",
                Cause::TooLarge,
            ),
            (
                "the request exceeds the available context size, try increasing it",
                Cause::TooLarge,
            ),
            ("Model Not Exist", Cause::NotFound),
            ("grok is not a valid model ID", Cause::NotFound),
            ("API key not valid. Please pass a valid API key.", Cause::Auth),
            (
                "Invalid content type. image_url is only supported by certain models.",
                Cause::Unsupported,
            ),
            (
                "image input is not supported - hint: you may need to provide the mmproj",
                Cause::Unsupported,
            ),
            ("m is not a multimodal model", Cause::Unsupported),
            (
                "messages[0]: unknown variant `image_url`, expected `text`",
                Cause::Unsupported,
            ),
            ("messages.0.content must be a string", Cause::Unsupported),
        ];
        for (message, expected) in cases {
            let found = cause(Cause::Rejected, message, true);
            assert_eq!(found, (Outcome::Permanent, expected), "{message}");
        }
    }

    #[test]
    fn other_words_change_nothing() {
        let later = Outcome::Transient { retry_after: None };
        for (message, pictures) in [
            ("unsupported image format", true),
            ("image is too large and not supported", true),
            ("image input is not supported", false),
            ("no", true),
        ] {
            let found = cause(Cause::Rejected, message, pictures);
            assert_eq!(found, (later, Cause::Rejected), "{message}");
        }
        let found = cause(
            Cause::RateLimited,
            "too many tokens for the context window",
            false,
        );
        assert_eq!(found, (later, Cause::RateLimited));
    }
}
