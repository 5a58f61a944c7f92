//! The provider against scripted servers, through the real ABI.

mod failures;

use miniclaw_plugin_api::testkit::{Answer, ProviderKit, ScriptedServer, text_of};
use miniclaw_plugin_api::{
    ChatMessage, Chunk, Completion, CompletionRequest, FinishReason, Result, Role, Usage,
};
use serde_json::{Value, json};

use crate::Gemini;

const KEY: &str = "AIza-very-secret";

async fn kit(server: &ScriptedServer, settings: Value) -> ProviderKit {
    let mut all = json!({ "base_url": server.url(), "api_key": KEY, "model": "m-1" });
    for (key, value) in settings.as_object().cloned().unwrap_or_default() {
        all[key] = value;
    }
    let kit = ProviderKit::new::<Gemini>(all);
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

fn piece(parts: Value) -> String {
    json!({ "candidates": [{ "content": { "role": "model", "parts": parts }, "index": 0 }] }).to_string()
}

fn ending(reason: &str) -> String {
    json!({ "candidates": [{ "content": { "role": "model" }, "finishReason": reason }] }).to_string()
}

fn text(text: &str) -> Chunk {
    Chunk::Text { text: text.into() }
}

#[tokio::test]
async fn streamed_answer_comes_piece_by_piece() {
    let (chunks, completion) = complete(
        Answer::events(&[
            &piece(json!([{ "text": "hm", "thought": true }])),
            r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1},"modelVersion":"m-1-001"}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"lo"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":40,"totalTokenCount":45}}"#,
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
    assert_eq!(completion.model.as_deref(), Some("m-1-001"));
    let usage = Usage {
        input_tokens: 3,
        output_tokens: 42,
    };
    assert_eq!(completion.usage, Some(usage));
}

#[tokio::test]
async fn request_goes_where_the_settings_say_with_its_key_in_a_header() {
    let streamed = "/v1beta/models/m-1:streamGenerateContent?alt=sse";
    for (base, settings, address) in [
        ("", json!({}), streamed),
        ("/v1beta/", json!({}), streamed),
        (
            "",
            json!({ "stream": false }),
            "/v1beta/models/m-1:generateContent",
        ),
        (
            "/proxy",
            json!({ "model": "tunedModels/m-2", "stream": false }),
            "/proxy/v1beta/tunedModels/m-2:generateContent",
        ),
    ] {
        let server = ScriptedServer::start(vec![Answer::events(&[&ending("STOP")])]).await;
        let mut settings = settings;
        settings["base_url"] = format!("{}{base}", server.url()).into();
        kit(&server, settings).await.complete(hello()).await.1.unwrap();
        let head = &server.recorded()[0].head;
        assert!(head.starts_with(&format!("POST {address} HTTP/1.1")), "{head}");
        assert!(head.contains(&format!("x-goog-api-key: {KEY}")), "{head}");
    }
}

#[tokio::test]
async fn whole_answer_is_taken_whether_or_not_a_stream_was_asked_for() {
    let body = json!({ "candidates": [{ "content": { "parts": [{ "text": "Hel" }, { "text": "lo" }] },
        "finishReason": "MAX_TOKENS" }] });
    for stream in [true, false] {
        let (chunks, completion) = complete(Answer::json(200, &body), json!({ "stream": stream })).await;
        assert_eq!(completion.unwrap().finish, FinishReason::Length);
        assert_eq!(text_of(&chunks), "Hello");
    }
}

#[tokio::test]
async fn tool_calls_come_whole_and_have_an_id() {
    let (chunks, completion) = complete(
        Answer::events(&[
            &piece(json!([
                { "functionCall": { "name": "look", "args": { "a": 1 } }, "thoughtSignature": "x" },
                { "functionCall": { "id": "c2", "name": "go" } },
            ])),
            &ending("STOP"),
        ]),
        json!({}),
    )
    .await;
    let call = |index, id: &str, name: &str, arguments: &str| Chunk::ToolCall {
        index,
        id: Some(id.into()),
        name: Some(name.into()),
        arguments: arguments.into(),
    };
    assert_eq!(
        chunks,
        [call(0, "call_0", "look", r#"{"a":1}"#), call(1, "c2", "go", "{}")]
    );
    assert_eq!(completion.unwrap().finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn what_the_api_may_add_breaks_no_answer() {
    let (chunks, completion) = complete(
        Answer::events(&[
            r#"{"laterMember":{"x":1},"candidates":[]}"#,
            r#"{"candidates":[{"content":"odd","safetyRatings":7}],"usageMetadata":[]}"#,
            &piece(json!([{ "laterPart": {} }, { "text": 7 }, 8, { "text": "Hello" }])),
            &ending("LATER_REASON"),
        ]),
        json!({}),
    )
    .await;
    assert_eq!(completion.unwrap().finish, FinishReason::Other);
    assert_eq!(chunks, [text("Hello")]);
}

#[tokio::test]
async fn each_reason_to_finish_has_its_meaning() {
    for (reason, finish) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Other),
    ] {
        let completion = complete(Answer::events(&[&ending(reason)]), json!({}))
            .await
            .1
            .unwrap();
        assert_eq!(completion.finish, finish, "{reason}");
    }
}

#[tokio::test]
async fn question_that_is_blocked_is_held_back_and_says_why() {
    let body = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } });
    for answer in [Answer::events(&[&body.to_string()]), Answer::json(200, &body)] {
        let completion = complete(answer, json!({})).await.1.unwrap();
        assert_eq!(completion.finish, FinishReason::ContentFilter);
        assert_eq!(completion.meta["reason"], "PROHIBITED_CONTENT");
    }
}

#[tokio::test]
async fn answer_counts_although_the_stream_breaks_after_its_finish() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}]},"finishReason":"STOP"}]}"#;
    let more = piece(json!([{ "text": "lo" }]));
    for (answer, said) in [
        (Answer::events(&[body]).cut(), "Hel"),
        (Answer::events(&[body, &more]), "Hello"),
    ] {
        let (chunks, completion) = complete(answer, json!({})).await;
        completion.unwrap();
        assert_eq!(text_of(&chunks), said);
    }
}

#[tokio::test]
async fn models_of_all_pages_are_listed_that_answer() {
    let model = |name: &str, method: &str| json!({ "name": name, "inputTokenLimit": 1_048_576, "supportedGenerationMethods": ["x", method] });
    let first = json!({ "nextPageToken": "a+b/c=", "models": [
        model("models/gemini-a", "generateContent"), model("models/embed", "embedContent"), { "name": "odd" },
    ] });
    let second = json!({ "models": [model("tunedModels/b", "generateContent")] });
    let server = ScriptedServer::start(vec![Answer::json(200, &first), Answer::json(200, &second)]).await;
    let models = kit(&server, json!({})).await.models().await.unwrap();
    let told: Vec<_> = models.iter().map(|m| (m.id.as_str(), m.context_tokens)).collect();
    assert_eq!(
        told,
        [("gemini-a", Some(1_048_576)), ("tunedModels/b", Some(1_048_576))]
    );
    let recorded = server.recorded();
    assert!(recorded[0].head.starts_with("GET /v1beta/models?pageSize=1000 "));
    assert!(
        recorded[1].head.contains("&pageToken=a%2Bb/c= "),
        "{}",
        recorded[1].head
    );
}
