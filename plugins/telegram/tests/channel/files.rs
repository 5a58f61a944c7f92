use miniclaw_plugin_api::{Attachment, AttachmentKind, Cause, ChatRef, OutboundMessage, Outcome};
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{assert_no_token, started};

fn with_file(kind: AttachmentKind, name: &str, text: &str) -> OutboundMessage {
    let mut message = OutboundMessage::new(ChatRef::new("7"), text);
    message.attachments.push(Attachment {
        kind,
        name: Some(name.to_owned()),
        data: Some("aGVsbG8=".to_owned()),
        duration_ms: Some(1_500),
        ..Attachment::default()
    });
    message.idempotency_key = "key".to_owned();
    message
}

fn image(text: &str) -> OutboundMessage {
    with_file(AttachmentKind::Image, "a.png", text)
}

#[tokio::test]
async fn each_kind_is_sent_by_its_method() {
    use AttachmentKind::{Audio, File, Image, Video, Voice};
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    for (kind, name, method, field, media_type) in [
        (Image, "a.png", "sendPhoto", "photo", "image/png"),
        (Voice, "a.ogg", "sendVoice", "voice", "audio/ogg"),
        (Audio, "a.mp3", "sendAudio", "audio", "audio/mpeg"),
        (Video, "a.mp4", "sendVideo", "video", "video/mp4"),
        (File, "ä \"b\".pdf", "sendDocument", "document", "application/pdf"),
    ] {
        let sent = kit.send(with_file(kind, name, "**what** <it> is")).await.unwrap();
        assert_eq!(sent.ids, ["1000"]);
        let call = api.call(method).await;
        assert_eq!(call[field], json!([name.replace('"', ""), media_type, "hello"]));
        assert_eq!(
            (&call["chat_id"], &call["caption"], &call["parse_mode"]),
            (&json!("7"), &json!("<b>what</b> &lt;it&gt; is"), &json!("HTML"))
        );
        let plays = matches!(kind, Voice | Audio | Video);
        assert_eq!(call["duration"], if plays { json!("2") } else { Value::Null });
    }
    assert_no_token(&kit);
}

#[tokio::test]
async fn place_reply_and_silence_of_a_file_are_passed_on() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let mut message = image("");
    message.chat.thread = Some("3".to_owned());
    message.reply_to = Some("55".to_owned());
    message.silent = true;
    kit.send(message).await.unwrap();
    let call = api.call("sendPhoto").await;
    assert_eq!(
        (
            &call["message_thread_id"],
            &call["disable_notification"],
            &call["caption"]
        ),
        (&json!("3"), &json!("true"), &Value::Null)
    );
    let reply: Value = serde_json::from_str(call["reply_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(
        reply,
        json!({ "message_id": 55, "allow_sending_without_reply": true })
    );
}

#[tokio::test]
async fn what_is_refused_as_a_photo_is_sent_as_a_document() {
    for reason in [
        "Bad Request: PHOTO_INVALID_DIMENSIONS",
        "Bad Request: IMAGE_PROCESS_FAILED",
    ] {
        let api = FakeApi::start().await;
        api.answer("sendPhoto", Answer::Refused(400, reason, Value::Null));
        let kit = started(&api).await;
        kit.send(image("x")).await.unwrap();
        api.call("sendPhoto").await;
        assert_eq!(api.call("sendDocument").await["document"][2], "hello");
    }
}

#[tokio::test]
async fn refused_caption_is_sent_plain() {
    let api = FakeApi::start().await;
    let refusal = "Bad Request: can't parse entities: Unclosed start tag at byte offset 0";
    api.answer("sendPhoto", Answer::Refused(400, refusal, Value::Null));
    let kit = started(&api).await;
    kit.send(image("**hi**")).await.unwrap();
    api.call("sendPhoto").await;
    let plain = api.call("sendPhoto").await;
    assert_eq!(
        (&plain["caption"], &plain["parse_mode"]),
        (&json!("**hi**"), &Value::Null)
    );
}

#[tokio::test]
async fn text_that_is_too_long_for_a_caption_follows_the_file() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    // What counts is what is seen of it.
    let longest = format!("**{}**", "x".repeat(1_024));
    kit.send(image(&longest)).await.unwrap();
    assert!(api.call("sendPhoto").await["caption"].is_string());
    let mut message = image(&format!("**{}**", "x".repeat(1_025)));
    message.reply_to = Some("55".to_owned());
    assert_eq!(kit.send(message).await.unwrap().ids, ["1000", "1000"]);
    let photo = api.call("sendPhoto").await;
    assert!(photo["caption"].is_null() && photo["reply_parameters"].is_string());
    let text = api.call("sendMessage").await;
    assert!(text["text"].as_str().unwrap().contains("xx") && text["reply_parameters"].is_null());
}

#[tokio::test]
async fn file_is_not_sent_again_for_the_text_after_it() {
    let api = FakeApi::start().await;
    let wait = json!({ "retry_after": 1 });
    api.answer("sendMessage", Answer::Refused(429, "Too Many Requests", wait));
    let kit = started(&api).await;
    let error = kit.send(image(&"x".repeat(2_000))).await.unwrap_err();
    assert!(
        matches!(error.outcome, Outcome::Transient { retry_after: Some(_) }),
        "{error}"
    );
    let sent = kit.send(image(&"x".repeat(2_000))).await.unwrap();
    assert_eq!(sent.ids, ["1000", "1000"]);
    assert_eq!(api.unasked().await, ["sendPhoto", "sendMessage", "sendMessage"]);
}

#[tokio::test]
async fn without_a_key_the_failure_of_the_text_is_one_for_good() {
    let api = FakeApi::start().await;
    api.answer(
        "sendMessage",
        Answer::Refused(429, "Too Many Requests", Value::Null),
    );
    let kit = started(&api).await;
    let mut message = image(&"x".repeat(2_000));
    message.idempotency_key.clear();
    assert_eq!(kit.send(message).await.unwrap_err().outcome, Outcome::Permanent);
}

#[tokio::test]
async fn file_follows_a_group_to_its_supergroup() {
    let api = FakeApi::start().await;
    let moved = "Bad Request: group chat was upgraded to a supergroup chat";
    let to = json!({ "migrate_to_chat_id": -1007 });
    api.answer("sendPhoto", Answer::Refused(400, moved, to));
    let kit = started(&api).await;
    let sent = kit.send(image(&"x".repeat(2_000))).await.unwrap();
    assert_eq!(sent.meta["migrate_to_chat"], "-1007");
    assert_eq!(api.call("sendPhoto").await["chat_id"], "7");
    assert_eq!(api.call("sendPhoto").await["chat_id"], "-1007");
    assert_eq!(api.call("sendMessage").await["chat_id"], -1007);
}

#[tokio::test]
async fn failed_upload_says_what_is_known() {
    for (answer, outcome, cause) in [
        (
            Answer::Refused(400, "Bad Request: message thread not found", Value::Null),
            Outcome::Permanent,
            Cause::NotFound,
        ),
        (
            Answer::Refused(403, "Forbidden: bot was blocked by the user", Value::Null),
            Outcome::Permanent,
            Cause::Rejected,
        ),
        (
            Answer::Raw(413, "<html></html>".to_owned()),
            Outcome::Permanent,
            Cause::TooLarge,
        ),
        (
            Answer::Raw(502, String::new()),
            Outcome::Unknown,
            Cause::Unavailable,
        ),
        (Answer::Cut, Outcome::Unknown, Cause::Network),
    ] {
        let api = FakeApi::start().await;
        api.answer("sendPhoto", answer);
        let kit = started(&api).await;
        let error = kit.send(image("hi")).await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (outcome, cause), "{error}");
        assert_eq!(api.unasked().await, ["sendPhoto"]);
        assert_no_token(&kit);
    }
}

#[tokio::test]
async fn two_files_or_none_at_all_make_no_request() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let mut two = image("");
    two.attachments.extend(two.attachments.clone());
    assert_eq!(kit.send(two).await.unwrap_err().cause, Cause::Rejected);
    let mut empty = image("hi");
    empty.attachments[0].data = None;
    assert_eq!(kit.send(empty).await.unwrap_err().cause, Cause::Rejected);
    assert!(api.unasked().await.is_empty());
}
