//! What goes wrong with servers.

use std::time::Duration;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer};
use miniclaw_plugin_api::{Cause, Error, Outcome};
use serde_json::{Value, json};

use super::{KEY, complete, hello, kit};
use crate::OpenAi;

const LATER: Outcome = Outcome::Transient { retry_after: None };

fn after(millis: u64) -> Outcome {
    Outcome::Transient {
        retry_after: Some(Duration::from_millis(millis)),
    }
}

async fn failure(answer: Answer, settings: Value) -> Error {
    let error = complete(answer, settings).await.1.unwrap_err();
    assert!(!format!("{error:?}").contains(KEY), "{error:?}");
    error
}

#[tokio::test]
async fn status_says_whether_to_try_again() {
    let said = json!({ "error": { "message": format!("no: {KEY}"), "type": "t" } });
    let wait = |answer: Answer, value: &str| answer.header("retry-after", value);
    let cases = [
        (Answer::json(401, &said), Outcome::Permanent, Cause::Auth),
        (Answer::json(404, &said), Outcome::Permanent, Cause::NotFound),
        (Answer::json(400, &said), Outcome::Permanent, Cause::Rejected),
        (
            wait(Answer::json(429, &said), "3"),
            after(3000),
            Cause::RateLimited,
        ),
        (
            Answer::json(429, &said).header("retry-after-ms", "20"),
            after(20),
            Cause::RateLimited,
        ),
        (Answer::json(500, &said), LATER, Cause::Unavailable),
        (
            wait(Answer::json(503, &said), "1"),
            after(1000),
            Cause::Unavailable,
        ),
    ];
    for (answer, outcome, cause) in cases {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        assert!(error.message.contains(": no: [redacted]"), "{error}");
        assert!(error.message.contains("/v1/chat/completions answered"), "{error}");
    }
}

#[tokio::test]
async fn empty_account_is_no_rate_limit() {
    let said = json!({ "error": { "message": "pay first", "code": "insufficient_quota" } });
    let error = failure(Answer::json(429, &said).header("retry-after", "1"), json!({})).await;
    assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Auth));
    assert_eq!(error.meta["unpaid"], true);
    assert!(
        error
            .message
            .ends_with("pay first; the account has no credit left"),
        "{error}"
    );
}

#[tokio::test]
async fn answer_that_is_none_is_a_protocol_error_and_is_not_quoted() {
    let cases = [
        Answer::new(200, "application/json", &["{\"choices\": \"private words\"}"]),
        Answer::new(200, "application/json", &["private words"]),
        Answer::new(200, "text/html", &["<p>private words</p>"]),
        Answer::json(200, &json!({ "private": "words" })),
        Answer::events(&["private words"]),
        Answer::events(&["[1]"]),
    ];
    for answer in cases {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Protocol), "{error}");
        assert!(!error.message.contains("private"), "{error}");
    }
}

#[tokio::test]
async fn error_inside_a_body_is_an_error() {
    let begin = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
    let cases = [
        (
            Answer::events(&[begin, r#"{"error":{"code":429,"message":"slow down"}}"#]),
            Cause::RateLimited,
        ),
        (
            Answer::events(&[begin, r#"{"error":{"message":"out of memory"}}"#]),
            Cause::Unavailable,
        ),
        (
            Answer::events(&[r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#]),
            Cause::Unavailable,
        ),
        (
            Answer::json(200, &json!({ "error": { "code": 400, "message": "no" } })),
            Cause::Rejected,
        ),
    ];
    for (answer, cause) in cases {
        assert_eq!(failure(answer, json!({})).await.cause, cause);
    }
}

#[tokio::test]
async fn cut_stream_is_never_an_answer() {
    let begin = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
    let whole = Answer::new(
        200,
        "application/json",
        &["{\"choices\":[{\"message\":{\"content\":\"Hel"],
    );
    for answer in [
        Answer::events(&[begin]),
        Answer::events(&[begin]).cut(),
        Answer::events(&[]),
        whole.cut(),
    ] {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
    }
}

#[tokio::test]
async fn silent_server_is_given_up() {
    let begin = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
    let cases = [
        (Answer::events(&[]).stalled(), "first_byte_seconds"),
        (Answer::events(&[begin]).stalled(), "idle_seconds"),
        (Answer::events(&[begin]).stalled(), "total_seconds"),
    ];
    for (answer, key) in cases {
        let mut http = json!({});
        http[key] = json!(0.2);
        let error = failure(answer, json!({ "http": http })).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Timeout), "{error}");
        assert!(
            error.message.ends_with(&format!("within 0.2 s (`http.{key}`)")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn answer_over_the_cap_is_refused() {
    let text = "x".repeat(3000);
    let settings = json!({ "http": { "max_body_bytes": 2000 } });
    for answer in [
        Answer::json(200, &json!({ "choices": [{ "message": { "content": text } }] })),
        Answer::events(&[&text]),
    ] {
        let error = failure(answer, settings.clone()).await;
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, Cause::Protocol),
            "{error}"
        );
    }
}

#[tokio::test]
async fn server_that_is_not_there_is_a_network_error() {
    let server = ScriptedServer::start(vec![]).await;
    let kit = kit(&server, json!({})).await;
    drop(server);
    tokio::task::yield_now().await;
    let error = kit.complete(hello()).await.1.unwrap_err();
    assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
    assert!(
        error.message.starts_with("cannot connect to http://127.0.0.1:"),
        "{error}"
    );
    assert!(error.message.ends_with(": connection refused"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_work_name_their_key() {
    for (settings, key) in [
        (json!({ "base_url": "models.example" }), "base_url"),
        (json!({ "base_ulr": "x" }), "base_ulr"),
        (
            json!({ "http": { "idle_seconds": 0 } }),
            "settings.http.idle_seconds",
        ),
        (json!({ "http": { "idle": 1 } }), "settings.http.idle"),
        (json!({ "headers": { "a b": "c" } }), "`a b`"),
    ] {
        let error = ProviderKit::new::<OpenAi>(settings).start().await.unwrap_err();
        assert_eq!(error.cause, Cause::Config);
        assert!(error.message.contains(key), "{error}");
    }
}
