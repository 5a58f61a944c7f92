//! What Ollama says of a failure, in the contract's terms, with what a newcomer has to do.

use miniclaw_plugin_api::{Cause, Error, Outcome};

/// How the server and its runners say that a conversation is longer than the model can read.
const TOO_LONG: [&str; 4] = [
    "context length",
    "context size",
    "context window",
    "exceeds the available context",
];

/// The error as the host and the operator need it.
pub(crate) fn settle(error: Error, model: &str) -> Error {
    let said = error.words();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let refused = matches!(error.cause, Cause::Rejected | Cause::Unavailable);
    if refused && says(&TOO_LONG) {
        return becomes(error, Cause::TooLarge);
    }
    if error.cause == Cause::NotFound {
        let mut error = error;
        error
            .message
            .push_str(&format!(", or fetch it with `ollama pull {model}`"));
        return error;
    }
    advise(error)
}

/// The model takes no pictures.
pub(crate) fn blind(model: &str) -> Error {
    Error::permanent(format!(
        "the model `{model}` cannot see pictures; `miniclaw models` lists those that can"
    ))
    .because(Cause::Unsupported)
}

/// Says how to start the server where it is not there.
pub(crate) fn advise(mut error: Error) -> Error {
    if error.meta.contains_key("connect") {
        error.message.push_str("; start it with `ollama serve`");
    }
    error
}

fn becomes(mut error: Error, cause: Cause) -> Error {
    error.outcome = Outcome::Permanent;
    error.because(cause)
}
