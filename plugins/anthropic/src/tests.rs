//! The provider against scripted servers, through the real ABI.

mod failures;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer, text_of};
use miniclaw_plugin_api::{
    ChatMessage, Chunk, Completion, CompletionRequest, FinishReason, Result, Role, Usage,
};
use serde_json::{Value, json};

use crate::Anthropic;

const KEY: &str = "sk-ant-very-secret";
const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m-1","stop_reason":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":10,"cache_read_input_tokens":100,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

async fn kit(server: &ScriptedServer, settings: Value) -> ProviderKit {
    let mut all = json!({ "base_url": server.url(), "api_key": KEY });
    for (key, value) in settings.as_object().cloned().unwrap_or_default() {
        all[key] = value;
    }
    let kit = ProviderKit::new::<Anthropic>(all);
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

fn delta(text: &str) -> String {
    json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } })
        .to_string()
}

fn ending(reason: &str) -> String {
    json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 2 } })
        .to_string()
}

fn text(text: &str) -> Chunk {
    Chunk::Text { text: text.into() }
}

#[tokio::test]
async fn streamed_answer_comes_piece_by_piece() {
    let (chunks, completion) = complete(
        Answer::events(&[
            START,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQ="}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
            &delta("Hel"),
            &delta("lo"),
            r#"{"type":"content_block_stop","index":1}"#,
            &ending("end_turn"),
            STOP,
        ]),
        json!({}),
    )
    .await;
    let completion = completion.unwrap();
    assert_eq!(
        chunks,
        [Chunk::Reasoning { text: "hm".into() }, text("Hel"), text("lo")]
    );
    assert_eq!(completion.finish, FinishReason::Stop);
    assert_eq!(completion.model.as_deref(), Some("m-1"));
    let usage = Usage {
        input_tokens: 113,
        output_tokens: 2,
    };
    assert_eq!(completion.usage, Some(usage));
}

#[tokio::test]
async fn answer_counts_although_its_last_event_is_missing() {
    let events = [START, &delta("Hello"), &ending("max_tokens")];
    for answer in [Answer::events(&events), Answer::events(&events).cut()] {
        let (chunks, completion) = complete(answer, json!({})).await;
        assert_eq!(completion.unwrap().finish, FinishReason::Length);
        assert_eq!(text_of(&chunks), "Hello");
    }
}

#[tokio::test]
async fn request_goes_where_the_settings_say() {
    let server = ScriptedServer::start(vec![Answer::events(&[STOP])]).await;
    let settings = json!({ "model": "m-2", "headers": { "x-title": "claw" } });
    kit(&server, settings).await.complete(hello()).await.1.unwrap();
    let recorded = &server.recorded()[0];
    let head = recorded.head.to_ascii_lowercase();
    for part in [
        "post /v1/messages http/1.1",
        &format!("x-api-key: {KEY}"),
        "anthropic-version: 2023-06-01",
        "x-title: claw",
    ] {
        assert!(head.contains(part), "{part}: {head}");
    }
    assert!(!head.contains("authorization"), "{head}");
    assert_eq!(recorded.body["model"], "m-2");
}

#[tokio::test]
async fn address_with_its_version_is_taken_too() {
    let server = ScriptedServer::start(vec![Answer::events(&[STOP])]).await;
    let settings = json!({ "base_url": format!("{}/proxy/v1/", server.url()) });
    kit(&server, settings).await.complete(hello()).await.1.unwrap();
    let head = &server.recorded()[0].head;
    assert!(head.starts_with("POST /proxy/v1/messages "), "{head}");
}

#[tokio::test]
async fn whole_answer_is_taken_whether_or_not_a_stream_was_asked_for() {
    let body = json!({
        "type": "message", "role": "assistant", "model": "m-1", "stop_reason": "max_tokens",
        "content": [
            { "type": "thinking", "thinking": "hm", "signature": "EqQ=" },
            { "type": "redacted_thinking", "data": "x" },
            { "type": "text", "text": "Hel" },
            { "type": "text", "text": "lo", "citations": null },
            { "type": "tool_use", "id": "c1", "name": "look", "input": { "a": 1 } },
        ],
        "usage": { "input_tokens": 3, "output_tokens": 2 },
    });
    for stream in [true, false] {
        let (chunks, completion) = complete(Answer::json(200, &body), json!({ "stream": stream })).await;
        let completion = completion.unwrap();
        assert_eq!(completion.finish, FinishReason::Length);
        assert_eq!(completion.usage.unwrap().input_tokens, 3);
        assert_eq!(text_of(&chunks), "Hello");
        assert_eq!(chunks[0], Chunk::Reasoning { text: "hm".into() });
        assert_eq!(chunks[3], call(0, Some("c1"), Some("look"), r#"{"a":1}"#));
    }
}

#[tokio::test]
async fn stream_is_taken_although_a_whole_answer_was_asked_for() {
    let answer = Answer::events(&[START, &delta("Hello"), &ending("end_turn"), STOP]);
    let (chunks, completion) = complete(answer, json!({ "stream": false })).await;
    completion.unwrap();
    assert_eq!(text_of(&chunks), "Hello");
}

fn call(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Chunk {
    Chunk::ToolCall {
        index,
        id: id.map(Into::into),
        name: name.map(Into::into),
        arguments: arguments.into(),
    }
}

#[tokio::test]
async fn tool_calls_are_counted_by_themselves_and_named_once() {
    let begin = |index: u32, kind: &str, id: &str| {
        json!({ "type": "content_block_start", "index": index,
            "content_block": { "type": kind, "id": id, "name": "look", "input": {} } })
        .to_string()
    };
    let input = |index: u32, json: &str| {
        json!({ "type": "content_block_delta", "index": index,
            "delta": { "type": "input_json_delta", "partial_json": json } })
        .to_string()
    };
    let (chunks, completion) = complete(
        Answer::events(&[
            START,
            &begin(0, "server_tool_use", "s1"),
            &input(0, "{}"),
            &delta("so"),
            &begin(2, "tool_use", "c1"),
            &input(2, ""),
            &input(2, "{\"a\""),
            &input(2, ":1}"),
            &begin(3, "tool_use", "c2"),
            &ending("tool_use"),
            STOP,
        ]),
        json!({}),
    )
    .await;
    assert_eq!(
        chunks,
        [
            text("so"),
            call(0, Some("c1"), Some("look"), ""),
            call(0, None, None, "{\"a\""),
            call(0, None, None, ":1}"),
            call(1, Some("c2"), Some("look"), ""),
        ]
    );
    assert_eq!(completion.unwrap().finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn what_the_api_may_add_breaks_no_answer() {
    let (chunks, completion) = complete(
        Answer::events(&[
            START,
            r#"{"type":"later_event","delta":7,"usage":"none"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"later_block","text":["x"]}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","text":"no"}}"#,
            r#"{"type":"content_block_delta"}"#,
            r#"{"type":"content_block_start"}"#,
            &delta("Hello"),
            r#"{"type":"message_delta","delta":{"stop_reason":"later_reason"},"usage":null}"#,
            STOP,
        ]),
        json!({}),
    )
    .await;
    assert_eq!(completion.unwrap().finish, FinishReason::Other);
    assert_eq!(chunks, [text("Hello")]);
}

#[tokio::test]
async fn each_reason_to_stop_has_its_meaning() {
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
    ] {
        let answer = Answer::events(&[START, &ending(reason), STOP]);
        assert_eq!(
            complete(answer, json!({})).await.1.unwrap().finish,
            finish,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn models_of_all_pages_are_listed_with_what_the_server_tells() {
    let first = json!({ "has_more": true, "last_id": "a", "data": [{ "type": "model", "id": "a",
        "max_input_tokens": 200_000, "capabilities": { "image_input": { "supported": true } } }] });
    let second = json!({ "has_more": false, "last_id": "b",
        "data": [{ "id": "b" }, { "odd": 1 }, { "id": "llama.cpp", "meta": { "n_ctx": 2048 } }] });
    let server = ScriptedServer::start(vec![Answer::json(200, &first), Answer::json(200, &second)]).await;
    let models = kit(&server, json!({})).await.models().await.unwrap();
    let told: Vec<_> = models
        .iter()
        .map(|m| (m.id.as_str(), m.context_tokens, m.vision, m.tools))
        .collect();
    assert_eq!(
        told,
        [
            ("a", Some(200_000), true, true),
            ("b", None, false, false),
            ("llama.cpp", Some(2048), false, false)
        ]
    );
    let recorded = server.recorded();
    assert!(recorded[0].head.starts_with("GET /v1/models?limit=1000 "));
    assert!(
        recorded[1]
            .head
            .starts_with("GET /v1/models?limit=1000&after_id=a ")
    );
}
