use miniclaw_plugin_api::{
    Attachment, Cause, Change, ChatRef, MessageRef, OutboundMessage, Outcome, Signal, TextFormat,
};
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{assert_no_token, started};

fn message(text: &str) -> OutboundMessage {
    OutboundMessage::new(ChatRef::new("7"), text)
}

fn target() -> MessageRef {
    MessageRef {
        chat: ChatRef::new("7"),
        id: "1000".to_owned(),
    }
}

#[tokio::test]
async fn markdown_is_sent_as_html_without_previews() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let sent = kit.send(message("**hi** <you>")).await.unwrap();
    assert_eq!(sent.ids, ["1000"]);
    let expected = json!({ "chat_id": 7, "text": "<b>hi</b> &lt;you&gt;", "parse_mode": "HTML",
        "link_preview_options": { "is_disabled": true } });
    assert_eq!(api.call("sendMessage").await, expected);
    assert_no_token(&kit);
}

#[tokio::test]
async fn place_reply_silence_and_preview_are_passed_on() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let mut message = message("*as it is*");
    message.chat = ChatRef {
        id: "-100".to_owned(),
        thread: Some("3".to_owned()),
    };
    message.reply_to = Some("55".to_owned());
    (message.silent, message.preview, message.format) = (true, true, TextFormat::Plain);
    kit.send(message).await.unwrap();
    let expected = json!({ "chat_id": -100, "message_thread_id": 3, "text": "*as it is*",
        "disable_notification": true, "link_preview_options": {},
        "reply_parameters": { "message_id": 55, "allow_sending_without_reply": true } });
    assert_eq!(api.call("sendMessage").await, expected);
}

#[tokio::test]
async fn refused_markup_is_sent_plain() {
    let api = FakeApi::start().await;
    let refusal = "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0";
    api.answer("sendMessage", Answer::Refused(400, refusal, Value::Null));
    let kit = started(&api).await;
    assert_eq!(kit.send(message("**hi**")).await.unwrap().ids, ["1000"]);
    assert_eq!(api.call("sendMessage").await["text"], "<b>hi</b>");
    let plain = api.call("sendMessage").await;
    assert_eq!(
        (&plain["text"], &plain["parse_mode"]),
        (&json!("**hi**"), &Value::Null)
    );
    assert!(
        !kit.log().iter().any(|line| line.contains("hi")),
        "{:?}",
        kit.log()
    );
}

#[tokio::test]
async fn refused_plain_text_is_not_sent_again() {
    let api = FakeApi::start().await;
    for _ in 0..2 {
        api.answer(
            "sendMessage",
            Answer::Refused(400, "Bad Request: can't parse entities", Value::Null),
        );
    }
    let kit = started(&api).await;
    let error = kit.send(message("hi")).await.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::Rejected)
    );
    assert_eq!(api.unasked().await.len(), 2);
}

#[tokio::test]
async fn message_follows_a_group_to_its_supergroup() {
    let api = FakeApi::start().await;
    let moved = "Bad Request: group chat was upgraded to a supergroup chat";
    api.answer(
        "sendMessage",
        Answer::Refused(400, moved, json!({ "migrate_to_chat_id": -1007 })),
    );
    let kit = started(&api).await;
    let sent = kit.send(message("hi")).await.unwrap();
    assert_eq!(sent.meta["migrate_to_chat"], "-1007");
    assert_eq!(api.call("sendMessage").await["chat_id"], 7);
    assert_eq!(api.call("sendMessage").await["chat_id"], -1007);
}

#[tokio::test]
async fn failed_send_says_what_is_known() {
    let throttled = json!({ "retry_after": 5 });
    let five_seconds = Some(std::time::Duration::from_secs(5));
    for (answer, outcome, cause) in [
        (
            Answer::Refused(429, "Too Many Requests: retry after 5", throttled),
            Outcome::Transient {
                retry_after: five_seconds,
            },
            Cause::RateLimited,
        ),
        (
            Answer::Refused(403, "Forbidden: bot was blocked by the user", Value::Null),
            Outcome::Permanent,
            Cause::Rejected,
        ),
        (
            Answer::Refused(400, "Bad Request: chat not found", Value::Null),
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            Answer::Refused(401, "Unauthorized", Value::Null),
            Outcome::Permanent,
            Cause::Auth,
        ),
        (
            Answer::Refused(500, "Internal Server Error", Value::Null),
            Outcome::Unknown,
            Cause::Unavailable,
        ),
        (
            Answer::Raw(502, "<html></html>".to_owned()),
            Outcome::Unknown,
            Cause::Unavailable,
        ),
        (
            Answer::Raw(504, String::new()),
            Outcome::Unknown,
            Cause::Unavailable,
        ),
        (
            Answer::Raw(200, "<html></html>".to_owned()),
            Outcome::Unknown,
            Cause::Protocol,
        ),
        (Answer::Cut, Outcome::Unknown, Cause::Network),
    ] {
        let api = FakeApi::start().await;
        api.answer("sendMessage", answer);
        let kit = started(&api).await;
        let error = kit.send(message("hi")).await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        assert_eq!(api.unasked().await, ["sendMessage"]);
        assert_no_token(&kit);
    }
}

#[tokio::test]
async fn message_that_telegram_took_is_sent_even_if_its_description_is_odd() {
    let api = FakeApi::start().await;
    api.answer("sendMessage", Answer::Ok(json!(true)));
    let kit = started(&api).await;
    assert!(kit.send(message("hi")).await.unwrap().ids.is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_makes_no_request() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    assert_eq!(kit.send(message(" \n")).await.unwrap_err().cause, Cause::Rejected);
    let nowhere = OutboundMessage::new(ChatRef::new("seven"), "hi");
    assert_eq!(kit.send(nowhere).await.unwrap_err().cause, Cause::NotFound);
    assert!(api.unasked().await.is_empty());
}

#[tokio::test]
async fn messages_are_edited_deleted_and_reacted_to() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let edit = || Change::Edit {
        message: Box::new(message("**new**")),
    };
    kit.update(target(), edit()).await.unwrap();
    let expected = json!({ "chat_id": 7, "message_id": 1000, "text": "<b>new</b>", "parse_mode": "HTML",
        "link_preview_options": { "is_disabled": true } });
    assert_eq!(api.call("editMessageText").await, expected);

    let same = "Bad Request: message is not modified: specified new message content is the same";
    api.answer("editMessageText", Answer::Refused(400, same, Value::Null));
    kit.update(target(), edit()).await.unwrap();
    api.call("editMessageText").await;

    kit.update(target(), Change::Delete).await.unwrap();
    assert_eq!(
        api.call("deleteMessage").await,
        json!({ "chat_id": 7, "message_id": 1000 })
    );

    for (emoji, reaction) in [
        ("👍", json!([{ "type": "emoji", "emoji": "👍" }])),
        ("", json!([])),
    ] {
        let emoji = emoji.to_owned();
        kit.update(target(), Change::React { emoji }).await.unwrap();
        assert_eq!(api.call("setMessageReaction").await["reaction"], reaction);
    }

    api.answer(
        "deleteMessage",
        Answer::Refused(400, "Bad Request: message to delete not found", Value::Null),
    );
    assert_eq!(
        kit.update(target(), Change::Delete).await.unwrap_err().cause,
        Cause::NotFound
    );
}

#[tokio::test]
async fn general_topic_is_not_named() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let mut message = message("hi");
    message.chat.thread = Some("1".to_owned());
    kit.signal(message.chat.clone(), Signal::Typing).await.unwrap();
    assert_eq!(api.call("sendChatAction").await["message_thread_id"], 1);
    kit.send(message).await.unwrap();
    assert!(api.call("sendMessage").await["message_thread_id"].is_null());
}

#[tokio::test]
async fn message_to_a_topic_that_is_gone_goes_nowhere_else() {
    let api = FakeApi::start().await;
    let gone = "Bad Request: message thread not found";
    api.answer("sendMessage", Answer::Refused(400, gone, Value::Null));
    let kit = started(&api).await;
    let error = kit.send(message("hi")).await.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Permanent, Cause::NotFound)
    );
    assert!(error.message.contains("the topic was deleted"), "{error}");
    assert_eq!(api.unasked().await, ["sendMessage"]);
}

#[tokio::test]
async fn typing_is_shown_in_its_topic() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let mut chat = ChatRef::new("-100");
    chat.thread = Some("3".to_owned());
    kit.signal(chat, Signal::Typing).await.unwrap();
    let expected = json!({ "chat_id": -100, "action": "typing", "message_thread_id": 3 });
    assert_eq!(api.call("sendChatAction").await, expected);
}

#[tokio::test]
async fn attachment_is_fetched_by_its_path() {
    let api = FakeApi::start().await;
    api.answer(
        "getFile",
        Answer::Ok(json!({ "file_id": "f", "file_path": "photos/file_1.jpg" })),
    );
    api.answer("file_1.jpg", Answer::Raw(200, "bytes".to_owned()));
    let kit = started(&api).await;
    let attachment = || Attachment {
        id: "f".to_owned(),
        ..Attachment::default()
    };
    assert_eq!(kit.fetch(attachment()).await.unwrap(), b"bytes");
    assert_eq!(api.call("getFile").await, json!({ "file_id": "f" }));
    api.call("file_1.jpg").await;

    api.answer(
        "getFile",
        Answer::Ok(json!({ "file_id": "f", "file_path": "photos/file_1.jpg" })),
    );
    api.answer("file_1.jpg", Answer::Refused(404, "Not Found", Value::Null));
    assert_eq!(kit.fetch(attachment()).await.unwrap_err().cause, Cause::NotFound);
}

#[tokio::test]
async fn shutdown_is_quiet() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    kit.shutdown().await.unwrap();
    assert!(api.unasked().await.is_empty());
}
