//! What goes wrong with servers.

use std::time::Duration;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer};
use miniclaw_plugin_api::{Cause, ContentPart, Error, Outcome};
use serde_json::{Value, json};

use super::{KEY, START, complete, delta, hello, kit};
use crate::Anthropic;

const LATER: Outcome = Outcome::Transient { retry_after: None };

async fn failure(answer: Answer, settings: Value) -> Error {
    let error = complete(answer, settings).await.1.unwrap_err();
    assert!(!format!("{error:?}").contains(KEY), "{error:?}");
    error
}

fn said(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
}

#[tokio::test]
async fn status_says_whether_to_try_again() {
    let wait = Outcome::Transient {
        retry_after: Some(Duration::from_secs(3)),
    };
    let cases = [
        (401, "authentication_error", Outcome::Permanent, Cause::Auth),
        (403, "permission_error", Outcome::Permanent, Cause::Auth),
        (404, "not_found_error", Outcome::Permanent, Cause::NotFound),
        (400, "invalid_request_error", Outcome::Permanent, Cause::Rejected),
        (413, "request_too_large", Outcome::Permanent, Cause::TooLarge),
        (429, "rate_limit_error", wait, Cause::RateLimited),
        (500, "api_error", wait, Cause::Unavailable),
        (529, "overloaded_error", wait, Cause::Unavailable),
    ];
    for (status, kind, outcome, cause) in cases {
        let answer = Answer::json(status, &said(kind, &format!("no: {KEY}"))).header("retry-after", "3");
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        assert_eq!(error.meta["code"], kind);
        assert!(error.message.contains(": no: [redacted]"), "{error}");
        assert!(error.message.contains("/v1/messages answered"), "{error}");
    }
}

#[tokio::test]
async fn refusals_that_mean_more_are_told_from_others() {
    for (kind, message) in [
        (
            "invalid_request_error",
            "prompt is too long: 200001 tokens > 200000 maximum",
        ),
        (
            "exceed_context_size_error",
            "request (731 tokens) exceeds the available context size (512 tokens), try increasing it",
        ),
    ] {
        let error = failure(Answer::json(400, &said(kind, message)), json!({})).await;
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, Cause::TooLarge),
            "{error}"
        );
    }
    let poor = said(
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
    );
    let error = failure(Answer::json(400, &poor), json!({})).await;
    assert_eq!((error.cause, &error.meta["unpaid"]), (Cause::Auth, &json!(true)));
    assert!(
        error.message.ends_with("; the account has no credit left"),
        "{error}"
    );
}

#[tokio::test]
async fn model_that_cannot_see_is_told_from_a_request_that_is_wrong() {
    let blind = said(
        "invalid_request_error",
        "messages.0: this model does not support image input",
    );
    let server = ScriptedServer::start(vec![Answer::json(400, &blind)]).await;
    let mut request = hello();
    request.messages[0].parts.push(ContentPart::Image {
        media_type: "image/png".into(),
        data: "AAAA".into(),
    });
    let kit = kit(&server, json!({ "model": "m-1" })).await;
    let error = kit.complete(request).await.1.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Unsupported)
    );
    assert!(
        error.message.starts_with("the model `m-1` cannot see pictures: "),
        "{error}"
    );
}

#[tokio::test]
async fn error_inside_a_body_is_an_error_of_its_type() {
    for (kind, outcome, cause) in [
        ("overloaded_error", LATER, Cause::Unavailable),
        ("rate_limit_error", LATER, Cause::RateLimited),
        ("api_error", LATER, Cause::Unavailable),
        ("later_error", LATER, Cause::Unavailable),
        ("authentication_error", Outcome::Permanent, Cause::Auth),
        ("invalid_request_error", Outcome::Permanent, Cause::Rejected),
    ] {
        let body = said(kind, "no");
        let halfway = Answer::events(&[START, &delta("Hel"), &body.to_string()]);
        for answer in [halfway, Answer::json(200, &body)] {
            let error = failure(answer, json!({})).await;
            assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        }
    }
    let untyped = Answer::events(&[START, r#"{"error":"out of memory"}"#]);
    let error = failure(untyped, json!({})).await;
    assert_eq!(error.cause, Cause::Unavailable);
    assert!(error.message.ends_with(": out of memory"), "{error}");
}

#[tokio::test]
async fn answer_that_is_none_is_a_protocol_error_and_is_not_quoted() {
    for answer in [
        Answer::new(200, "application/json", &["{\"content\": \"private words\"}"]),
        Answer::new(200, "application/json", &["private words"]),
        Answer::new(200, "text/html", &["<p>private words</p>"]),
        Answer::json(200, &json!([["private"]])),
        Answer::events(&["private words"]),
        Answer::events(&["[1]"]),
    ] {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Protocol), "{error}");
        assert!(!error.message.contains("private"), "{error}");
    }
}

#[tokio::test]
async fn cut_stream_is_never_an_answer() {
    let whole = Answer::new(
        200,
        "application/json",
        &["{\"content\":[{\"type\":\"text\",\"text\":\"Hel"],
    );
    for answer in [
        Answer::events(&[START, &delta("Hel")]),
        Answer::events(&[START, &delta("Hel")]).cut(),
        Answer::events(&[START, &delta("Hel"), "[DONE]"]),
        Answer::events(&[]),
        whole.cut(),
    ] {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
    }
}

#[tokio::test]
async fn whole_answer_has_all_the_time_there_is() {
    let http = json!({ "first_byte_seconds": 0.1, "total_seconds": 0.4 });
    for (stream, key) in [(true, "first_byte_seconds"), (false, "total_seconds")] {
        let settings = json!({ "stream": stream, "http": http });
        let error = failure(Answer::events(&[]).stalled(), settings).await;
        assert_eq!(error.cause, Cause::Timeout);
        assert!(error.message.contains(key) || !stream, "{error}");
        assert_eq!(error.message.contains("0.1 s"), stream, "{error}");
    }
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
        (json!({ "api_key": "a\nb" }), "`x-api-key`"),
        (json!({ "headers": { "a b": "c" } }), "`a b`"),
    ] {
        let error = ProviderKit::new::<Anthropic>(settings).start().await.unwrap_err();
        assert_eq!(error.cause, Cause::Config);
        assert!(error.message.contains(key), "{error}");
    }
}
