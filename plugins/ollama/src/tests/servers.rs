//! What the server tells of a model, and what follows from it.

use miniclaw_plugin_api::testkit::{Answer, ScriptedServer, text_of};
use miniclaw_plugin_api::{Cause, ChatMessage, Chunk, CompletionRequest, ContentPart, Outcome, Role};
use serde_json::{Value, json};

use super::{complete, hello, kit, unknown};

fn shown(capabilities: &[&str]) -> Answer {
    let info = json!({ "llama.context_length": 131_072 });
    Answer::json(200, &json!({ "capabilities": capabilities, "model_info": info }))
}

fn good() -> Answer {
    Answer::lines(&[r#"{"message":{"content":"Hello"},"done":true}"#])
}

fn refused(message: &str) -> Answer {
    Answer::json(400, &json!({ "error": message }))
}

fn picture() -> CompletionRequest {
    let image = ContentPart::Image {
        media_type: "image/png".into(),
        data: "AAAA".into(),
    };
    CompletionRequest::new(vec![ChatMessage {
        role: Role::User,
        parts: vec![image],
    }])
}

fn window(body: &Value) -> u64 {
    body["options"]["num_ctx"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn model_that_cannot_see_is_shown_no_pictures() {
    let server = ScriptedServer::start(vec![shown(&["completion"])]).await;
    let error = kit(&server, json!({}))
        .await
        .complete(picture())
        .await
        .1
        .unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Unsupported)
    );
    assert!(
        error
            .message
            .starts_with("the model `llama3.2` cannot see pictures"),
        "{error}"
    );
    assert_eq!(server.recorded().len(), 1);
}

#[tokio::test]
async fn model_that_turns_out_not_to_see_says_so() {
    let script = vec![
        unknown(),
        refused("this model is missing data required for image input"),
    ];
    let server = ScriptedServer::start(script).await;
    let error = kit(&server, json!({}))
        .await
        .complete(picture())
        .await
        .1
        .unwrap_err();
    assert_eq!(error.cause, Cause::Unsupported);
}

#[tokio::test]
async fn model_is_asked_about_once_and_gets_a_window_that_fits() {
    let server = ScriptedServer::start(vec![shown(&["completion"]), good(), good()]).await;
    let kit = kit(&server, json!({})).await;
    kit.complete(hello()).await.1.unwrap();
    let long = ChatMessage::new(Role::User, "word ".repeat(6_000));
    kit.complete(CompletionRequest::new(vec![long])).await.1.unwrap();
    let asked = server.recorded();
    assert_eq!((window(&asked[1].body), window(&asked[2].body)), (8_192, 16_384));
    assert_eq!(asked[1].body["truncate"], false);
}

#[tokio::test]
async fn window_that_was_guessed_too_narrow_is_widened_until_it_is_as_wide_as_can_be() {
    let no = || refused("the input length exceeds the context length");
    let server = ScriptedServer::start(vec![shown(&["completion"]), no(), good(), no(), no()]).await;
    let kit = kit(&server, json!({})).await;
    let (chunks, completion) = kit.complete(hello()).await;
    completion.unwrap();
    assert_eq!(text_of(&chunks), "Hello");
    let error = kit.complete(hello()).await.1.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::TooLarge)
    );
    let windows: Vec<u64> = server.recorded()[1..]
        .iter()
        .map(|asked| window(&asked.body))
        .collect();
    assert_eq!(windows, [8_192, 16_384, 16_384, 32_768]);
}

#[tokio::test]
async fn thoughts_of_an_older_server_are_no_text() {
    let answer = Answer::lines(&[
        r#"{"message":{"content":"<think>hm"}}"#,
        r#"{"message":{"content":"</think>\n\nHello"},"done":true}"#,
    ]);
    let (chunks, completion) = complete(answer, json!({})).await;
    completion.unwrap();
    let thoughts = Chunk::Reasoning { text: "hm".into() };
    assert_eq!(chunks, [thoughts, Chunk::Text { text: "Hello".into() }]);
}

#[tokio::test]
async fn model_that_nothing_was_told_of_is_asked_about_again() {
    // It is pulled between the two.
    let missing = || Answer::json(404, &json!({ "error": "model 'llama3.2' not found" }));
    let server = ScriptedServer::start(vec![missing(), missing(), shown(&["completion"])]).await;
    let kit = kit(&server, json!({})).await;
    assert_eq!(kit.complete(hello()).await.1.unwrap_err().cause, Cause::NotFound);
    let error = kit.complete(picture()).await.1.unwrap_err();
    assert_eq!(error.cause, Cause::Unsupported, "{error}");
}

#[tokio::test]
async fn answer_counts_for_what_is_readable_of_it() {
    let odd = json!({ "model": 7, "done": true, "done_reason": false, "prompt_eval_count": 3.0, "eval_count": "x",
        "message": { "content": "Hello", "thinking": true, "tool_calls": [
            { "id": 5, "function": { "name": "look", "arguments": "{\"a\":1}" } },
        ] } });
    let (chunks, completion) = complete(Answer::lines(&[&odd.to_string()]), json!({})).await;
    let usage = completion.unwrap().usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 0));
    let call = Chunk::ToolCall {
        index: 0,
        id: Some("call_0".into()),
        name: Some("look".into()),
        arguments: r#"{"a":1}"#.into(),
    };
    assert_eq!(chunks, [Chunk::Text { text: "Hello".into() }, call]);
}
