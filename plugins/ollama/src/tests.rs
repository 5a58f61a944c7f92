//! The provider against scripted servers, through the real ABI.

mod failures;
mod servers;

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
    let server = ScriptedServer::start(vec![unknown(), answer]).await;
    kit(&server, settings).await.complete(hello()).await
}

/// What an old server says of `/api/show`.
fn unknown() -> Answer {
    Answer::json(404, &json!({ "error": "404 page not found" }))
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
    let server = ScriptedServer::start(vec![unknown(), Answer::lines(&[r#"{"done":true}"#])]).await;
    let settings =
        json!({ "model": "m:1b", "keep_alive": "10m", "think": false, "options": { "num_ctx": 4096 } });
    kit(&server, settings).await.complete(hello()).await.1.unwrap();
    let recorded = &server.recorded()[1];
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
            "think": false,
            "truncate": false,
            "shift": false,
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
async fn models_are_those_that_were_pulled_with_what_is_told_of_them() {
    let tags = json!({ "models": [{ "name": "llama3.2:1b", "size": 1_300_000_000_u64, "digest": "x" }, { "name": "old" }] });
    let shown = json!({ "capabilities": ["completion", "vision", "tools"], "model_info": { "llama.context_length": 16_384 } });
    let script = vec![
        Answer::json(200, &tags),
        Answer::json(200, &shown),
        Answer::json(500, &json!({})),
    ];
    let server = ScriptedServer::start(script).await;
    let models = kit(&server, json!({})).await.models().await.unwrap();
    assert_eq!(models[0].id, "llama3.2:1b");
    assert_eq!(models[0].meta["size_bytes"], 1_300_000_000_u64);
    assert_eq!(
        (models[0].context_tokens, models[0].vision, models[0].tools),
        (Some(16_384), true, true)
    );
    assert_eq!((models[1].id.as_str(), models[1].context_tokens), ("old", None));
    let heads: Vec<String> = server.recorded().into_iter().map(|asked| asked.head).collect();
    assert!(heads[0].starts_with("GET /api/tags ") && heads[1].starts_with("POST /api/show "));
}
