//! Errors by their type, <https://platform.claude.com/docs/en/api/errors>.

use miniclaw_plugin_api::http::Server;
use miniclaw_plugin_api::{Cause, Error};
use serde_json::{Value, json};

/// How Anthropic, llama.cpp, vLLM and others say that a conversation is longer than the model can read.
const TOO_LONG: [&str; 5] = [
    "prompt is too long",
    "exceed context limit",
    "context size",
    "context length",
    "context window",
];

/// The error that a body holds, `{"type": "error", "error": {"type": …, "message": …}}`.
pub(crate) fn reported(server: &Server, body: &Value) -> Error {
    let error = &body["error"];
    let status = match error["type"].as_str().unwrap_or_default() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    let message = error["message"].as_str().or(error.as_str()).unwrap_or_default();
    server.reported(&json!({ "error": { "code": status, "message": message } }))
}

/// A conversation that is too long and an account without credit are requests like any other to the API.
pub(crate) fn settle(mut error: Error) -> Error {
    if error.cause != Cause::Rejected {
        return error;
    }
    let said = |words: &str| error.message.contains(words);
    if TOO_LONG.iter().any(|words| said(words)) {
        error.cause = Cause::TooLarge;
    } else if said("credit balance") {
        error.cause = Cause::Auth;
        error.message.push_str("; the account has no credit left");
        return error.with("unpaid", true);
    }
    error
}
