//! Answers that are not quite what the standard says.

use miniclaw_plugin_api::testkit::{Answer, text_of};
use miniclaw_plugin_api::{Chunk, FinishReason, Usage};
use serde_json::json;

use super::complete;

fn calls(delta: &str) -> String {
    format!(r#"{{"choices":[{{"delta":{{"tool_calls":{delta}}}}}]}}"#)
}

#[tokio::test]
async fn counts_that_are_odd_break_no_answer() {
    let counted = Some(Usage {
        input_tokens: 3,
        output_tokens: 2,
    });
    for (usage, expected) in [
        (json!({ "prompt_tokens": 3.0, "completion_tokens": 2 }), counted),
        (json!({ "prompt_tokens": "3", "completion_tokens": [] }), None),
        (json!({ "prompt_tokens": -1, "completion_tokens": null }), None),
        (json!("none"), None),
        (json!({}), None),
    ] {
        let last = json!({ "choices": [{ "delta": { "content": "Hello" }, "finish_reason": "stop" }], "usage": usage });
        let (chunks, completion) = complete(Answer::events(&[&last.to_string(), "[DONE]"]), json!({})).await;
        let completion = completion.unwrap();
        assert_eq!(text_of(&chunks), "Hello");
        assert_eq!(completion.usage, expected, "{usage}");
    }
}

#[tokio::test]
async fn members_of_another_type_are_as_if_missing() {
    let frame = json!({ "model": 7, "choices": [{ "index": "0", "finish_reason": "stop", "delta": {
        "content": "Hello", "reasoning": { "summary": [] }, "refusal": false, "tool_calls": {} } }] });
    let parts = json!({ "choices": [{ "finish_reason": "stop", "delta": {
        "content": [{ "type": "text", "text": "Hello" }, { "type": "reference", "text": null }, 7] } }] });
    for frame in [frame, parts] {
        let (chunks, completion) = complete(Answer::events(&[&frame.to_string()]), json!({})).await;
        assert_eq!(completion.unwrap().finish, FinishReason::Stop);
        assert_eq!(text_of(&chunks), "Hello");
    }
}

#[tokio::test]
async fn calls_of_one_index_are_told_apart_by_their_ids() {
    // Some count from 0 in every event, or not at all.
    for index in [r#""index":0,"#, ""] {
        let call = |id: &str, name: &str, arguments: &str| {
            calls(&format!(
                r#"[{{{index}"id":"{id}","function":{{"name":"{name}","arguments":"{arguments}"}}}}]"#
            ))
        };
        let (chunks, completion) = complete(
            Answer::events(&[
                &call("c1", "look", "{}"),
                &call("c2", "look", "{"),
                // A new id without a name is the habit of others.
                &calls(&format!(
                    r#"[{{{index}"id":"x","function":{{"arguments":"}}"}}}}]"#
                )),
                &call("c3", "go", "{}"),
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
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
                call(0, Some("c1"), Some("look"), "{}"),
                call(1, Some("c2"), Some("look"), "{"),
                call(1, None, None, "}"),
                call(2, Some("c3"), Some("go"), "{}"),
            ]
        );
        assert_eq!(completion.unwrap().finish, FinishReason::ToolCalls);
    }
}
