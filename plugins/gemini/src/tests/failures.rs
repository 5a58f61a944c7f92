//! What goes wrong with servers.

use std::time::Duration;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer};
use miniclaw_plugin_api::{Cause, ContentPart, Error, Outcome};
use serde_json::{Value, json};

use super::{KEY, complete, hello, kit, piece};
use crate::Gemini;

const LATER: Outcome = Outcome::Transient { retry_after: None };

async fn failure(answer: Answer, settings: Value) -> Error {
    let error = complete(answer, settings).await.1.unwrap_err();
    assert!(!format!("{error:?}").contains(KEY), "{error:?}");
    error
}

fn said(code: u16, status: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "status": status } })
}

fn half() -> String {
    piece(json!([{ "text": "Hel" }]))
}

#[tokio::test]
async fn status_says_whether_to_try_again() {
    for (status, name, outcome, cause) in [
        (400, "INVALID_ARGUMENT", Outcome::Permanent, Cause::Rejected),
        (400, "FAILED_PRECONDITION", Outcome::Permanent, Cause::Config),
        (403, "PERMISSION_DENIED", Outcome::Permanent, Cause::Auth),
        (404, "NOT_FOUND", Outcome::Permanent, Cause::NotFound),
        (429, "RESOURCE_EXHAUSTED", LATER, Cause::RateLimited),
        (500, "INTERNAL", LATER, Cause::Unavailable),
        (503, "UNAVAILABLE", LATER, Cause::Unavailable),
    ] {
        let body = said(status, name, &format!("no: {KEY}"));
        let halfway = Answer::events(&[&half(), &body.to_string()]);
        for answer in [Answer::json(status, &body), Answer::json(200, &body), halfway] {
            let error = failure(answer, json!({})).await;
            assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
            assert_eq!(error.meta["code"], name);
            assert!(error.message.contains(": no: [redacted]"), "{error}");
            assert!(
                error
                    .message
                    .contains("/v1beta/models/m-1:streamGenerateContent "),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn limit_names_its_wait_in_its_details() {
    let mut body = said(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota");
    body["error"]["details"] = json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.5s" },
    ]);
    let error = failure(Answer::json(429, &body), json!({})).await;
    let wait = Some(Duration::from_millis(22_500));
    assert_eq!(error.outcome, Outcome::Transient { retry_after: wait });
    assert_eq!(error.cause, Cause::RateLimited);
}

#[tokio::test]
async fn refusals_that_mean_more_are_told_from_others() {
    let mut key = said(400, "INVALID_ARGUMENT", "Key?");
    key["error"]["details"] = json!([{ "reason": "API_KEY_INVALID", "domain": "googleapis.com" }]);
    for (body, cause) in [
        (key, Cause::Auth),
        (
            said(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
            ),
            Cause::Auth,
        ),
        (
            said(
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ),
            Cause::TooLarge,
        ),
    ] {
        let error = failure(Answer::json(400, &body), json!({})).await;
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, cause),
            "{error}"
        );
    }
}

#[tokio::test]
async fn model_that_cannot_see_is_told_from_a_request_that_is_wrong() {
    let blind = said(
        400,
        "INVALID_ARGUMENT",
        "Image input modality is not enabled for models/m-1",
    );
    let server = ScriptedServer::start(vec![Answer::json(400, &blind)]).await;
    let mut request = hello();
    request.messages[0].parts.push(ContentPart::Image {
        media_type: "image/png".into(),
        data: "AAAA".into(),
    });
    let error = kit(&server, json!({}))
        .await
        .complete(request)
        .await
        .1
        .unwrap_err();
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
async fn answer_that_is_none_is_a_protocol_error_and_is_not_quoted() {
    for answer in [
        Answer::new(200, "application/json", &["{\"candidates\": \"private words\"}"]),
        Answer::new(200, "application/json", &["private words"]),
        Answer::new(200, "text/html", &["<p>private words</p>"]),
        Answer::json(200, &json!([["private"]])),
        Answer::json(200, &json!({ "candidates": [] })),
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
    let whole = Answer::new(200, "application/json", &["{\"candidates\":[{\"content\":{"]);
    for answer in [
        Answer::events(&[&half()]),
        Answer::events(&[&half()]).cut(),
        Answer::events(&[]),
        whole.cut(),
    ] {
        let error = failure(answer, json!({})).await;
        assert_eq!((error.outcome, error.cause), (LATER, Cause::Network), "{error}");
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
        (json!({ "api_key": "a\nb" }), "`x-goog-api-key`"),
        (json!({ "headers": { "a b": "c" } }), "`a b`"),
    ] {
        let error = ProviderKit::new::<Gemini>(settings).start().await.unwrap_err();
        assert_eq!(error.cause, Cause::Config);
        assert!(error.message.contains(key), "{error}");
    }
}

#[tokio::test]
async fn name_of_a_model_leads_nowhere_else() {
    let server = ScriptedServer::start(vec![]).await;
    for model in [
        "m?alt=json&key=x",
        "m#",
        "../../v1/files",
        "models/../m",
        "a%2fb",
        "m m",
        "m\\n",
    ] {
        let mut request = hello();
        request.model = Some(model.to_owned());
        let error = kit(&server, json!({}))
            .await
            .complete(request)
            .await
            .1
            .unwrap_err();
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, Cause::NotFound),
            "{model}"
        );
    }
    assert!(server.recorded().is_empty());
}
