//! What one server does and another does not.

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer, text_of};
use miniclaw_plugin_api::{Cause, ChatMessage, Chunk, CompletionRequest, ContentPart, Role, Usage};
use serde_json::{Value, json};

use super::{complete, hello, kit};
use crate::OpenAi;

fn good() -> Answer {
    Answer::events(&[r#"{"choices":[{"delta":{"content":"Hello"}}]}"#, "[DONE]"])
}

fn said(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "message": message } }))
}

#[tokio::test]
async fn server_that_refuses_a_field_is_asked_without_it_once_and_for_all() {
    let extra =
        json!({ "detail": [{ "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted" }] });
    let script = vec![
        Answer::json(422, &extra),
        said(
            400,
            "Unsupported value: 'temperature' does not support 0.5 with this model",
        ),
        said(
            400,
            "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        ),
        good(),
        good(),
    ];
    let server = ScriptedServer::start(script).await;
    let kit = kit(&server, json!({ "temperature": 0.5, "max_tokens": 9 })).await;
    for _ in 0..2 {
        let (chunks, completion) = kit.complete(hello()).await;
        completion.unwrap();
        assert_eq!(text_of(&chunks), "Hello");
    }
    let bodies: Vec<Value> = server.recorded().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies.len(), 5);
    assert_eq!(bodies[0]["stream_options"]["include_usage"], true);
    for body in &bodies[3..] {
        assert_eq!(body["max_completion_tokens"], 9);
        for field in ["stream_options", "temperature", "max_tokens"] {
            assert!(body.get(field).is_none(), "{body}");
        }
    }
}

#[tokio::test]
async fn refusal_of_what_was_not_sent_is_an_error() {
    let answer = said(400, "unknown field `stream_options`");
    let error = complete(answer, json!({ "stream_usage": false }))
        .await
        .1
        .unwrap_err();
    assert_eq!(error.cause, Cause::Rejected);
}

#[tokio::test]
async fn azure_is_told_the_key_and_the_version_as_it_wants_them() {
    let server = ScriptedServer::start(vec![good(), said(404, "no")]).await;
    let base = format!(
        "{}/openai/deployments/d/chat/completions?api-version=2024-10-21",
        server.url()
    );
    let settings = json!({ "base_url": base, "api_key_header": "api-key", "query": { "x": "a b" }, "api_key": "azure-secret" });
    let kit = ProviderKit::new::<OpenAi>(settings);
    kit.start().await.unwrap();
    kit.complete(hello()).await.1.unwrap();
    let head = server.recorded()[0].head.to_ascii_lowercase();
    let line = "post /openai/deployments/d/chat/completions?api-version=2024-10-21&x=a+b http/1.1";
    assert!(head.starts_with(line), "{head}");
    assert!(
        head.contains("api-key: azure-secret") && !head.contains("authorization"),
        "{head}"
    );
    let error = kit.models().await.unwrap_err();
    assert!(error.message.contains("one deployment"), "{error}");
}

#[tokio::test]
async fn thoughts_in_the_text_of_local_models_are_no_text() {
    let whole = json!({ "choices": [{ "message": { "content": "<think>hm</think>\n\nHello" }, "finish_reason": "stop" }] });
    let parts = json!({ "choices": [{ "message": { "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] }, { "type": "text", "text": "Hello" },
    ] }, "finish_reason": "stop" }] });
    let streamed = Answer::events(&[
        r#"{"choices":[{"delta":{"content":"<thi"}}]}"#,
        r#"{"choices":[{"delta":{"content":"nk>hm</think>\n"}}]}"#,
        r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":2}}}"#,
        "[DONE]",
    ]);
    for answer in [Answer::json(200, &whole), Answer::json(200, &parts), streamed] {
        let (chunks, completion) = complete(answer, json!({})).await;
        let usage = completion.unwrap().usage;
        assert_eq!(
            chunks,
            [
                Chunk::Reasoning { text: "hm".into() },
                Chunk::Text { text: "Hello".into() }
            ]
        );
        let counts = Usage {
            input_tokens: 3,
            output_tokens: 2,
        };
        assert!(usage.is_none_or(|usage| usage == counts));
    }
}

#[tokio::test]
async fn refusal_is_the_answer() {
    let body = json!({ "choices": [{ "message": { "content": null, "refusal": "I would rather not" }, "finish_reason": "stop" }] });
    let (chunks, completion) = complete(Answer::json(200, &body), json!({})).await;
    completion.unwrap();
    assert_eq!(text_of(&chunks), "I would rather not");
}

#[tokio::test]
async fn model_that_cannot_see_says_so() {
    let server =
        ScriptedServer::start(vec![said(400, "image_url is only supported by certain models")]).await;
    let image = ContentPart::Image {
        media_type: "image/png".into(),
        data: "AAAA".into(),
    };
    let asked = CompletionRequest::new(vec![ChatMessage {
        role: Role::User,
        parts: vec![image],
    }]);
    let error = kit(&server, json!({ "model": "m-1" }))
        .await
        .complete(asked)
        .await
        .1
        .unwrap_err();
    assert_eq!(error.cause, Cause::Unsupported);
    assert!(
        error.message.starts_with("the model `m-1` cannot see pictures: "),
        "{error}"
    );
}

#[tokio::test]
async fn conversation_over_the_window_is_too_large() {
    let answer = Answer::json(
        400,
        &json!({ "error": { "message": "no", "code": "context_length_exceeded" } }),
    );
    assert_eq!(
        complete(answer, json!({})).await.1.unwrap_err().cause,
        Cause::TooLarge
    );
}
