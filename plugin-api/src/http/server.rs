//! Sentences and types for what goes wrong with a server.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::error_body::{code, detail, parse, said, stated_status, stated_wait};
use super::retry_after::retry_after;
use crate::error::{Cause, Error};

/// Most characters of a server's own words in an error.
const QUOTE_CHARS: usize = 300;
/// Longest code of a server that an error carries on, in bytes.
const CODE_BYTES: usize = 64;

/// The server that a request went to, for errors about its answer. Cheap to clone; its `Debug` shows the
/// address alone.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    address: String,
    secrets: Vec<String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.0.address).finish()
    }
}

/// `scheme://host:port/path` without credentials, query and fragment.
pub(super) fn address(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses without a host, which carry no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

impl Server {
    pub(super) fn new(url: &Url, secrets: &[String]) -> Self {
        Self(Arc::new(Inner {
            address: address(url),
            secrets: secrets.to_vec(),
        }))
    }

    /// `scheme://host:port/path`, without credentials and query.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The stream ended before the answer did; Transient, [`Cause::Network`].
    pub fn cut(&self) -> Error {
        Error::transient(format!("{} cut the answer off before its end", self.address()))
            .because(Cause::Network)
    }

    /// The answer is not what the format says; Transient, [`Cause::Protocol`]. `what` is a noun phrase and
    /// holds nothing of the answer.
    pub fn garbled(&self, what: &str) -> Error {
        Error::transient(format!("{} answered with {what}", self.address())).because(Cause::Protocol)
    }

    /// Like [`Server::garbled`] for JSON that does not parse; says where, without quoting the answer.
    pub fn bad_json(&self, error: &serde_json::Error) -> Error {
        let what = match error.classify() {
            serde_json::error::Category::Data => "JSON of another shape",
            _ => "something that is no JSON",
        };
        let (line, column) = (error.line(), error.column());
        self.garbled(&format!("{what} (line {line}, column {column})"))
    }

    /// The error that the server reports inside a body that began well: `body` is the JSON object with an
    /// `error` in it. A numeric code counts like that HTTP status; without one it is Transient,
    /// [`Cause::Unavailable`].
    pub fn reported(&self, body: &Value) -> Error {
        let status = stated_status(body);
        let text = self.quote(said(body).unwrap_or_default().as_str());
        let message = format!(
            "{} reported an error in its answer{}",
            self.address(),
            after_colon(&text)
        );
        let error = typed(status.unwrap_or(500), message);
        self.named(with_wait(error, stated_wait(body)), body)
    }

    /// The error for an HTTP status that is no success; `body` is the begin of what came with it.
    pub(super) fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Error {
        let json = parse(body);
        let text = match said(&json) {
            Some(text) => text,
            None => {
                let text = String::from_utf8_lossy(body);
                let text = text.trim();
                // A page of markup says nothing that the status does not.
                if text.starts_with(['<', '{', '[']) {
                    String::new()
                } else {
                    text.to_owned()
                }
            }
        };
        let reason = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason())
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default();
        let quote = after_colon(&self.quote(&text));
        let hint = hint(status);
        let error = typed(
            status,
            format!("{} answered {status}{reason}{quote}{hint}", self.address()),
        );
        let wait = retry_after(headers, std::time::SystemTime::now()).or_else(|| stated_wait(&json));
        self.named(with_wait(error, wait), &json)
    }

    /// A deadline passed.
    pub(super) fn timeout(&self, what: &str, after: Duration, key: &str) -> Error {
        Error::transient(format!(
            "{} {what} within {} s (`http.{key}`)",
            self.address(),
            after.as_secs_f64()
        ))
        .because(Cause::Timeout)
    }

    /// The answer is over a cap.
    pub(super) fn too_large(&self, what: &str, bytes: u64) -> Error {
        Error::permanent(format!(
            "{} sent {what} of more than {bytes} bytes",
            self.address()
        ))
        // `TooLarge` would be taken for a word about the request, and a person told to send less.
        .because(Cause::Protocol)
    }

    /// The request failed below HTTP; `connect_deadline` is for the sentence.
    pub(super) fn transport(&self, error: reqwest::Error, connect_deadline: Duration) -> Error {
        let error = error.without_url();
        if error.is_builder() {
            return Error::config(format!(
                "cannot make a request to {}: {}",
                self.address(),
                self.root(&error)
            ));
        }
        if error.is_connect() {
            let error = if error.is_timeout() {
                self.timeout("did not accept a connection", connect_deadline, "connect_seconds")
            } else {
                let message = format!("cannot connect to {}: {}", self.address(), self.root(&error));
                Error::transient(message).because(Cause::Network)
            };
            return error.with("connect", true);
        }
        let message = format!("lost the connection to {}: {}", self.address(), self.root(&error));
        Error::transient(message).because(Cause::Network)
    }

    /// The innermost cause: the layers above it only say that a request failed.
    fn root(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        match cause.downcast_ref::<std::io::Error>() {
            Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
            _ => self.quote(&cause.to_string()),
        }
    }

    /// With the server's code, and the field of the request that it complains of.
    fn named(&self, mut error: Error, body: &Value) -> Error {
        let inner = |member: &str| body.get("error")?.get(member);
        let short = |value: Option<&Value>| {
            let text = value?.as_str()?;
            (text.len() <= CODE_BYTES).then(|| self.quote(text))
        };
        let code = short(code(body))
            .or_else(|| short(detail(body, "reason")))
            .or_else(|| short(inner("status")));
        for (name, value) in [("code", code), ("param", short(inner("param")))] {
            if let Some(value) = value {
                error = error.with(name, value);
            }
        }
        error
    }

    /// Somebody else's words on one line: without secrets, without control characters, not too many.
    fn quote(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0.secrets {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        let text: String = text
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let text = text.trim();
        match text.char_indices().nth(QUOTE_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {}", text.trim_end_matches('.'))
    }
}

fn with_wait(error: Error, wait: Option<Duration>) -> Error {
    match (error.outcome, wait) {
        (crate::Outcome::Transient { .. }, Some(wait)) => error.retry_after(wait),
        _ => error,
    }
}

fn typed(status: u16, message: String) -> Error {
    let error = match status {
        401 | 403 => Error::permanent(message).because(Cause::Auth),
        402 => Error::permanent(message)
            .because(Cause::Auth)
            .with("unpaid", true),
        404 => Error::permanent(message).because(Cause::NotFound),
        413 => Error::permanent(message).because(Cause::TooLarge),
        408 => Error::transient(message).because(Cause::Timeout),
        429 => Error::transient(message).because(Cause::RateLimited),
        500.. => Error::transient(message).because(Cause::Unavailable),
        300..=399 => Error::config(message),
        _ => Error::permanent(message).because(Cause::Rejected),
    };
    error.with("status", status)
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; check the key and what it may do",
        402 => "; the account has no credit left",
        404 => "; check the base address and the model's name",
        300..=399 => "; redirects are not followed, set the base address to where it leads",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Outcome;

    fn server() -> Server {
        let url = Url::parse("https://user:pass-word@models.example:8443/v1/chat?key=hidden#part").unwrap();
        Server::new(&url, &["sk-secret".into()])
    }

    fn refused(status: u16, body: &str) -> Error {
        let headers = [("retry-after".parse().unwrap(), "7".parse().unwrap())];
        server().refused(status, &headers.into_iter().collect(), body.as_bytes())
    }

    #[test]
    fn each_status_has_its_type() {
        let wait = Some(Duration::from_secs(7));
        let cases = [
            (400, Outcome::Permanent, Cause::Rejected),
            (401, Outcome::Permanent, Cause::Auth),
            (402, Outcome::Permanent, Cause::Auth),
            (403, Outcome::Permanent, Cause::Auth),
            (404, Outcome::Permanent, Cause::NotFound),
            (408, Outcome::Transient { retry_after: wait }, Cause::Timeout),
            (413, Outcome::Permanent, Cause::TooLarge),
            (422, Outcome::Permanent, Cause::Rejected),
            (429, Outcome::Transient { retry_after: wait }, Cause::RateLimited),
            (500, Outcome::Transient { retry_after: wait }, Cause::Unavailable),
            (529, Outcome::Transient { retry_after: wait }, Cause::Unavailable),
            (307, Outcome::Permanent, Cause::Config),
        ];
        for (status, outcome, cause) in cases {
            let error = refused(status, "");
            assert_eq!((error.outcome, error.cause), (outcome, cause), "{status}");
            assert_eq!(error.meta["status"], status);
        }
    }

    #[test]
    fn sentence_names_the_server_without_its_secrets() {
        let error = refused(
            401,
            r#"{"error":{"message":"no such key: sk-secret.","code":"bad_key"}}"#,
        );
        assert_eq!(
            error.message,
            "https://models.example:8443/v1/chat answered 401 Unauthorized: no such key: [redacted]; \
             check the key and what it may do"
        );
        assert_eq!(error.meta["code"], "bad_key");
        assert_eq!(
            format!("{:?}", server()),
            r#"Server("https://models.example:8443/v1/chat")"#
        );
    }

    #[test]
    fn names_in_an_error_hold_no_secret_either() {
        let error = refused(
            401,
            r#"{"error":{"message":"no","code":"sk-secret","param":"key sk-secret\n"}}"#,
        );
        assert_eq!(error.meta["code"], "[redacted]");
        assert_eq!(error.meta["param"], "key [redacted]");
    }

    #[test]
    fn server_is_quoted_from_every_shape_and_never_at_length() {
        for body in [
            r#"{"error":{"message":"over there"}}"#,
            r#"{"error":"over there"}"#,
            r#"{"message":"over there"}"#,
            r#"{"detail":"over there"}"#,
            r#"{"detail":{"error":"","msg":"over there"}}"#,
            r#"{"errors":[{"code":7003,"message":"over there"}],"success":false}"#,
            "over\u{1b}there\n",
        ] {
            let message = refused(500, body).message;
            assert!(
                message.ends_with("500 Internal Server Error: over there"),
                "{message}"
            );
        }
        assert!(
            refused(502, "<html>bad</html>")
                .message
                .ends_with("502 Bad Gateway")
        );
        let long = refused(500, &"\u{e4}".repeat(1000)).message;
        assert_eq!(long.chars().filter(|char| *char == '\u{e4}').count(), 300);
    }

    #[test]
    fn complaints_about_fields_name_them() {
        let list = r#"[{"type":"extra_forbidden","loc":["body","messages",0],"msg":"Extra inputs are not permitted"}]"#;
        for body in [
            format!(r#"{{"detail":{list}}}"#),
            format!(r#"{{"object":"error","message":{{"detail":{list}}}}}"#),
        ] {
            let message = refused(422, &body).message;
            assert!(
                message.ends_with("`body.messages.0`: Extra inputs are not permitted"),
                "{message}"
            );
        }
        let error = refused(400, r#"{"error":{"message":"no","param":"top_p","code":null}}"#);
        assert_eq!(error.meta["param"], "top_p");
    }

    #[test]
    fn details_of_google_give_the_wait_and_the_name() {
        let body = |code: u16| {
            json!({"error": {"code": code, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
            ]}})
        };
        let wait = Some(Duration::from_millis(34_500));
        let refused = server().refused(429, &HeaderMap::new(), body(429).to_string().as_bytes());
        for error in [refused, server().reported(&body(503))] {
            assert_eq!(error.outcome, Outcome::Transient { retry_after: wait });
            assert_eq!(error.meta["code"], "RESOURCE_EXHAUSTED");
        }
        let key = json!({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}});
        assert_eq!(server().reported(&key).meta["code"], "API_KEY_INVALID");
        let odd = json!({"error": {"code": 503, "details": [{"retryDelay": "soon"}, 7]}});
        assert_eq!(
            server().reported(&odd).outcome,
            Outcome::Transient { retry_after: None }
        );
    }

    #[test]
    fn error_in_a_list_and_one_that_is_passed_on_are_read() {
        // Google's server that speaks like OpenAI's.
        let listed = r#"[{"error":{"code":429,"message":"over there","details":[{"retryDelay":"2s"}]}}]"#;
        let error = server().refused(429, &HeaderMap::new(), listed.as_bytes());
        assert!(
            error.message.ends_with("429 Too Many Requests: over there"),
            "{error}"
        );
        let wait = Some(Duration::from_secs(2));
        assert_eq!(error.outcome, Outcome::Transient { retry_after: wait });
        // OpenRouter.
        for raw in [
            json!(r#"{"error":{"message":"over there"}}"#),
            json!("over there"),
        ] {
            let passed_on = json!({"error": {"code": 400, "message": "Provider returned error",
                "metadata": {"raw": raw, "provider_name": "P"}}});
            let error = server().refused(400, &HeaderMap::new(), passed_on.to_string().as_bytes());
            assert!(
                error
                    .message
                    .ends_with("400 Bad Request: Provider returned error: over there"),
                "{error}"
            );
        }
    }

    #[test]
    fn error_inside_a_body_counts_like_the_status_it_names() {
        let cases = [
            (
                json!({"error": {"code": 429, "message": "slow down"}}),
                Cause::RateLimited,
            ),
            (
                json!({"error": {"code": "400", "message": "no"}}),
                Cause::Rejected,
            ),
            (
                json!({"error": {"code": null, "type": "server_error"}}),
                Cause::Unavailable,
            ),
            (json!({"error": "out of memory"}), Cause::Unavailable),
        ];
        for (body, cause) in cases {
            assert_eq!(server().reported(&body).cause, cause, "{body}");
        }
    }
}
