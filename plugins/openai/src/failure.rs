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

/// The error as the host and the operator need it.
pub(crate) fn settle(error: Error) -> Error {
    let code = error.meta.get("code").and_then(|code| code.as_str());
    let code = code.unwrap_or_default().to_owned();
    let said = format!("{} {code}", error.words());
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let refused = matches!(
        error.cause,
        Cause::Rejected | Cause::Unavailable | Cause::NotFound
    );
    if UNPAID.contains(&code.as_str()) {
        let error = becomes(error, Cause::Auth).with("unpaid", true);
        return advised(error, "the account has no credit left");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(cause: Cause, said: &str) -> (Outcome, Cause) {
        let message = format!("https://models.example/v1 answered 400 Bad Request: {said}");
        let error = settle(Error::transient(message).because(cause));
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
        ];
        for (message, expected) in cases {
            let found = cause(Cause::Rejected, message);
            assert_eq!(found, (Outcome::Permanent, expected), "{message}");
        }
    }

    #[test]
    fn other_words_change_nothing() {
        let later = Outcome::Transient { retry_after: None };
        // The address of this server speaks of models.
        for message in ["the field does not exist", "no"] {
            let found = cause(Cause::Rejected, message);
            assert_eq!(found, (later, Cause::Rejected), "{message}");
        }
        let found = cause(Cause::RateLimited, "too many tokens for the context window");
        assert_eq!(found, (later, Cause::RateLimited));
    }
}
