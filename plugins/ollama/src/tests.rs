//! The provider against scripted servers, through the real ABI.

mod failures;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer};
use miniclaw_plugin_api::{
    ChatMessage, Chunk, Completion, CompletionRequest, FinishReason, Result, Role, Usage,
};
use serde_json::{Value, json};

use crate::Ollama;

async fn kit(server: &ScriptedServer, settings: Value) -> ProviderKit {
    let mut all = json!({ "base_url": server.url() });
    for (key, value) in settings.as_object().cloned().unwrap_or_default() {
        all[key] = value;
    }
    let kit = ProviderKit::new::<Ollama>(all);
    kit.start().await.unwrap();
    kit
}

fn hello() -> CompletionRequest {
    CompletionRequest::new(vec![ChatMessage::new(Role::User, "hello")])
}

async fn complete(answer: Answer, settings: Value) -> (Vec<Chunk>, Result<Completion>) {
    let server = ScriptedServer::start(vec![answer]).await;
    kit(&server, settings).await.complete(hello()).await
}

#[tokio::test]
async fn streamed_answer_comes_piece_by_piece() {
    let (chunks, completion) = complete(
        Answer::lines(&[
            r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
            r#"{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}"#,
            "",
            r#"{"model":"m","message":{"role":"assistant","content":"lo"},"done":false}"#,
            r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","prompt_eval_count":3,"eval_count":2}"#,
        ]),
        json!({}),
    )
    .await;
    let completion = completion.unwrap();
    let text = |text: &str| Chunk::Text { text: text.into() };
    assert_eq!(
        chunks,
        [Chunk::Reasoning { text: "hm".into() }, text("Hel"), text("lo")]
    );
    assert_eq!(completion.finish, FinishReason::Length);
    assert_eq!(completion.model.as_deref(), Some("m"));
    assert_eq!(
        completion.usage,
        Some(Usage {
            input_tokens: 3,
            output_tokens: 2
        })
    );
}

#[tokio::test]
async fn request_goes_where_the_settings_say() {
    let server = ScriptedServer::start(vec![Answer::lines(&[r#"{"done":true}"#])]).await;
    let settings = json!({ "model": "m:1b", "keep_alive": "10m", "options": { "num_ctx": 4096 } });
    kit(&server, settings).await.complete(hello()).await.1.unwrap();
    let recorded = &server.recorded()[0];
    assert!(
        recorded.head.starts_with("POST /api/chat HTTP/1.1"),
        "{}",
        recorded.head
    );
    assert_eq!(
        recorded.body,
        json!({
            "model": "m:1b",
            "stream": true,
            "keep_alive": "10m",
            "options": { "num_ctx": 4096 },
            "messages": [{ "role": "user", "content": "hello" }],
        })
    );
}

#[tokio::test]
async fn tool_calls_get_an_index_and_an_id() {
    let call =
        r#"{"message":{"content":"","tool_calls":[{"function":{"name":"look","arguments":{"a":1}}}]}}"#;
    let answer = Answer::lines(&[call, call, r#"{"done":true,"done_reason":"stop"}"#]);
    let (chunks, completion) = complete(answer, json!({})).await;
    let expected = |index: u32| Chunk::ToolCall {
        index,
        id: Some(format!("call_{index}")),
        name: Some("look".into()),
        arguments: r#"{"a":1}"#.into(),
    };
    assert_eq!(chunks, [expected(0), expected(1)]);
    assert_eq!(completion.unwrap().finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn models_are_those_that_were_pulled() {
    let body = json!({ "models": [{ "name": "llama3.2:1b", "size": 1_300_000_000_u64, "digest": "x" }] });
    let server = ScriptedServer::start(vec![Answer::json(200, &body)]).await;
    let models = kit(&server, json!({})).await.models().await.unwrap();
    assert_eq!(models[0].id, "llama3.2:1b");
    assert_eq!(models[0].meta["size_bytes"], 1_300_000_000_u64);
    assert!(server.recorded()[0].head.starts_with("GET /api/tags "));
}
