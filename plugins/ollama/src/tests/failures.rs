//! What goes wrong with servers.

use std::time::Duration;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer};
use miniclaw_plugin_api::{Cause, Error, Outcome};
use serde_json::{Value, json};

use super::{complete, hello, kit};
use crate::Ollama;

const LATER: Outcome = Outcome::Transient { retry_after: None };
const BEGIN: &str = r#"{"message":{"content":"Hel"},"done":false}"#;

async fn failure(answer: Answer, settings: Value) -> Error {
    complete(answer, settings).await.1.unwrap_err()
}

#[tokio::test]
async fn model_that_was_not_pulled_says_how_to_pull_it() {
    let answer = Answer::json(404, &json!({ "error": "model 'llama3.2' not found" }));
    let error = failure(answer, json!({})).await;
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::NotFound)
    );
    assert!(error.message.contains("model 'llama3.2' not found"), "{error}");
    assert!(error.message.ends_with("`ollama pull llama3.2`"), "{error}");
}

#[tokio::test]
async fn server_that_is_not_there_says_how_to_start_it() {
    let server = ScriptedServer::start(vec![]).await;
    let kit = kit(&server, json!({})).await;
    drop(server);
    tokio::task::yield_now().await;
    for error in [
        kit.complete(hello()).await.1.unwrap_err(),
        kit.models().await.unwrap_err(),
    ] {
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
        assert!(
            error.message.starts_with("cannot connect to http://127.0.0.1:"),
            "{error}"
        );
        assert!(
            error
                .message
                .ends_with("connection refused; start it with `ollama serve`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn status_says_whether_to_try_again() {
    let said = json!({ "error": "no" });
    let after = Outcome::Transient {
        retry_after: Some(Duration::from_secs(3)),
    };
    let cases = [
        (Answer::json(401, &said), Outcome::Permanent, Cause::Auth),
        (Answer::json(400, &said), Outcome::Permanent, Cause::Rejected),
        (
            Answer::json(429, &said).header("retry-after", "3"),
            after,
            Cause::RateLimited,
        ),
        (Answer::json(500, &said), LATER, Cause::Unavailable),
    ];
    for (answer, outcome, cause) in cases {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
    }
}

#[tokio::test]
async fn key_never_stands_in_an_error() {
    let answer = Answer::json(401, &json!({ "error": "bad key very-secret" }));
    let error = failure(answer, json!({ "api_key": "very-secret" })).await;
    assert!(error.message.contains("bad key [redacted]"), "{error}");
    assert!(!format!("{error:?}").contains("very-secret"));
}

#[tokio::test]
async fn stream_without_its_end_is_never_an_answer() {
    for answer in [
        Answer::lines(&[BEGIN]),
        Answer::lines(&[BEGIN]).cut(),
        Answer::lines(&[]),
    ] {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
    }
}

#[tokio::test]
async fn error_inside_a_stream_is_an_error() {
    let error = failure(Answer::lines(&[BEGIN, r#"{"error":"out of memory"}"#]), json!({})).await;
    assert_eq!((error.outcome, error.cause), (LATER, Cause::Unavailable));
    assert!(error.message.ends_with(": out of memory"), "{error}");
}

#[tokio::test]
async fn garbage_is_a_protocol_error_and_is_not_quoted() {
    for line in ["private words", r#"{"message":"private words"}"#, "[1]"] {
        let error = failure(Answer::lines(&[BEGIN, line]), json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Protocol), "{error}");
        assert!(!error.message.contains("private"), "{error}");
    }
}

#[tokio::test]
async fn silent_server_is_given_up() {
    let cases = [
        (Answer::lines(&[]).stalled(), "first_byte_seconds"),
        (Answer::lines(&[BEGIN]).stalled(), "idle_seconds"),
        (Answer::lines(&[BEGIN]).stalled(), "total_seconds"),
    ];
    for (answer, key) in cases {
        let mut http = json!({});
        http[key] = json!(0.2);
        let error = failure(answer, json!({ "http": http })).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Timeout), "{error}");
        assert!(error.message.contains(key), "{error}");
    }
}

#[tokio::test]
async fn answer_over_the_cap_is_refused() {
    let line = format!(r#"{{"message":{{"content":"{}"}}}}"#, "x".repeat(3000));
    let error = failure(
        Answer::lines(&[&line]),
        json!({ "http": { "max_body_bytes": 2000 } }),
    )
    .await;
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Protocol),
        "{error}"
    );
}

#[tokio::test]
async fn settings_that_cannot_work_name_their_key() {
    for (settings, key) in [
        (json!({ "base_url": "localhost:11434" }), "base_url"),
        (json!({ "modell": "x" }), "modell"),
        (json!({ "keep_alive": true }), "keep_alive"),
    ] {
        let error = ProviderKit::new::<Ollama>(settings).start().await.unwrap_err();
        assert_eq!(error.cause, Cause::Config);
        assert!(error.message.contains(key), "{error}");
    }
}
