//! The provider against scripted servers, through the real ABI.

mod failures;
mod odd;
mod servers;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer, text_of};
use miniclaw_plugin_api::{
    ChatMessage, Chunk, Completion, CompletionRequest, FinishReason, Result, Role, Usage,
};
use serde_json::{Value, json};

use crate::OpenAi;

const KEY: &str = "sk-very-secret";

async fn kit(server: &ScriptedServer, settings: Value) -> ProviderKit {
    let mut all = json!({ "base_url": format!("{}/v1", server.url()), "api_key": KEY });
    for (key, value) in settings.as_object().cloned().unwrap_or_default() {
        all[key] = value;
    }
    let kit = ProviderKit::new::<OpenAi>(all);
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
        Answer::events(&[
            r#"{"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"hm","reasoning":"hm"}}]}"#,
            r#"{"choices":[{"delta":{"content":"Hel"}}]}"#,
            r#"{"choices":[{"delta":{"content":"lo"}}],"usage":null}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
            "[DONE]",
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
    assert_eq!(completion.finish, FinishReason::Stop);
    assert_eq!(completion.model.as_deref(), Some("m-1"));
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
    let server = ScriptedServer::start(vec![Answer::events(&["[DONE]"])]).await;
    let kit = kit(
        &server,
        json!({ "model": "m-2", "headers": { "x-title": "claw" } }),
    )
    .await;
    kit.complete(hello()).await.1.unwrap();
    let recorded = &server.recorded()[0];
    let head = recorded.head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/chat/completions http/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
    assert!(head.contains("x-title: claw"), "{head}");
    assert_eq!(
        recorded.body,
        json!({ "model": "m-2", "stream": true, "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": "hello" }] })
    );
}

#[tokio::test]
async fn whole_answer_is_taken_whether_or_not_a_stream_was_asked_for() {
    let body = json!({
        "choices": [{ "message": { "content": "Hello" }, "finish_reason": "length" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
    });
    for stream in [true, false] {
        let (chunks, completion) = complete(Answer::json(200, &body), json!({ "stream": stream })).await;
        assert_eq!(completion.unwrap().finish, FinishReason::Length);
        assert_eq!(text_of(&chunks), "Hello");
    }
}

#[tokio::test]
async fn stream_is_taken_although_a_whole_answer_was_asked_for() {
    let answer = Answer::events(&[r#"{"choices":[{"delta":{"content":"Hello"}}]}"#, "[DONE]"]);
    let (chunks, completion) = complete(answer, json!({ "stream": false })).await;
    assert_eq!(completion.unwrap().finish, FinishReason::Stop);
    assert_eq!(text_of(&chunks), "Hello");
}

#[tokio::test]
async fn tool_calls_come_as_deltas_and_are_named_once() {
    let delta = |calls: &str| format!(r#"{{"choices":[{{"delta":{{"tool_calls":{calls}}}}}]}}"#);
    let (chunks, completion) = complete(
        Answer::events(&[
            &delta(r#"[{"index":0,"id":"c1","function":{"name":"look","arguments":""}}]"#),
            &delta(r#"[{"index":0,"id":"","function":{"name":"look","arguments":"{\"a\""}}]"#),
            &delta(r#"[{"index":1,"id":"c2","function":{"name":"go","arguments":{"b":1}}}]"#),
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            "[DONE]",
        ]),
        json!({}),
    )
    .await;
    let call = |index, id: Option<&str>, name: Option<&str>, arguments: &str| Chunk::ToolCall {
        index,
        id: id.map(Into::into),
        name: name.map(Into::into),
        arguments: arguments.into(),
    };
    assert_eq!(
        chunks,
        [
            call(0, Some("c1"), Some("look"), ""),
            call(0, None, None, "{\"a\""),
            call(1, Some("c2"), Some("go"), "{\"b\":1}"),
        ]
    );
    assert_eq!(completion.unwrap().finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn answer_counts_although_the_stream_breaks_after_its_finish() {
    let events = [r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#];
    for answer in [Answer::events(&events), Answer::events(&events).cut()] {
        let (chunks, completion) = complete(answer, json!({})).await;
        completion.unwrap();
        assert_eq!(text_of(&chunks), "Hello");
    }
}

#[tokio::test]
async fn models_are_listed_with_what_the_server_tells() {
    let body = json!({ "object": "list", "data": [
        { "id": "a", "max_model_len": 8192 },
        { "id": "b", "architecture": { "input_modalities": ["text", "image"] }, "supported_parameters": ["tools"] },
    ] });
    let server = ScriptedServer::start(vec![Answer::json(200, &body)]).await;
    let models = kit(&server, json!({})).await.models().await.unwrap();
    assert_eq!(models[0].context_tokens, Some(8192));
    assert_eq!(
        (models[1].id.as_str(), models[1].vision, models[1].tools),
        ("b", true, true)
    );
    assert!(server.recorded()[0].head.starts_with("GET /v1/models "));
}
