use std::time::Duration;

use miniclaw_plugin_api::{Cause, Change, ChatRef, MessageRef, OutboundMessage, Outcome};
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{assert_no_token, started};

const METHOD: &str = "editMessageText";

fn target() -> MessageRef {
    let chat = ChatRef {
        id: "-100".to_owned(),
        thread: Some("3".to_owned()),
    };
    MessageRef {
        chat,
        id: "1000".to_owned(),
    }
}

fn edit(text: &str) -> Change {
    Change::Edit {
        message: Box::new(OutboundMessage::new(target().chat, text)),
    }
}

#[tokio::test]
async fn edit_in_a_topic_has_the_markup_of_a_message() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    kit.update(target(), edit("**now**\n```rust\nfn a() {"))
        .await
        .unwrap();
    let expected = json!({ "chat_id": -100, "message_id": 1000, "parse_mode": "HTML",
        "text": "<b>now</b>\n\n<pre><code class=\"language-rust\">fn a() {</code></pre>",
        "link_preview_options": { "is_disabled": true } });
    assert_eq!(api.call(METHOD).await, expected);
}

#[tokio::test]
async fn edit_whose_markup_is_refused_is_made_plain() {
    let api = FakeApi::start().await;
    let refusal = "Bad Request: can't parse entities: Unexpected end tag at byte offset 3";
    api.answer(METHOD, Answer::Refused(400, refusal, Value::Null));
    let kit = started(&api).await;
    kit.update(target(), edit("**hi**")).await.unwrap();
    api.call(METHOD).await;
    let plain = api.call(METHOD).await;
    assert_eq!(
        (&plain["text"], &plain["parse_mode"]),
        (&json!("**hi**"), &Value::Null)
    );
}

#[tokio::test]
async fn failed_edit_says_what_the_host_is_to_do() {
    let transient = |seconds| Outcome::Transient {
        retry_after: Some(Duration::from_secs(seconds)),
    };
    for (code, description, parameters, outcome, cause) in [
        (
            400,
            "Bad Request: message to edit not found",
            Value::Null,
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            400,
            "Bad Request: message can't be edited",
            Value::Null,
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            400,
            "Bad Request: MESSAGE_ID_INVALID",
            Value::Null,
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            400,
            "Bad Request: chat not found",
            Value::Null,
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            json!({ "migrate_to_chat_id": -1007 }),
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            404,
            "Not Found: method not found",
            Value::Null,
            Outcome::Permanent,
            Cause::Unsupported,
        ),
        (
            404,
            "Not Found",
            Value::Null,
            Outcome::Permanent,
            Cause::Unsupported,
        ),
        (401, "Unauthorized", Value::Null, Outcome::Permanent, Cause::Auth),
        (
            403,
            "Forbidden: bot was kicked from the group chat",
            Value::Null,
            Outcome::Permanent,
            Cause::Rejected,
        ),
        (
            429,
            "Too Many Requests: retry after 7",
            json!({ "retry_after": 7 }),
            transient(7),
            Cause::RateLimited,
        ),
    ] {
        let api = FakeApi::start().await;
        api.answer(METHOD, Answer::Refused(code, description, parameters));
        let kit = started(&api).await;
        let error = kit.update(target(), edit("hi")).await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        assert_eq!(api.unasked().await, [METHOD]);
        assert_no_token(&kit);
    }
}

#[tokio::test]
async fn edit_that_changes_nothing_is_done() {
    let api = FakeApi::start().await;
    let same = "Bad Request: message is not modified: specified new message content and reply markup are exactly \
        the same as a current content and reply markup of the message";
    api.answer(METHOD, Answer::Refused(400, same, Value::Null));
    let kit = started(&api).await;
    kit.update(target(), edit("hi")).await.unwrap();
}
