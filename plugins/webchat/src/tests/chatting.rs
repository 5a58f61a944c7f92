//! What a person says, and what is answered.

use miniclaw_plugin_api::{Cause, Change, ChatRef, Error, MessageRef, OutboundMessage, Signal, Verdict};
use serde_json::json;

use super::*;

pub(super) fn reply(chat: &str, text: &str) -> OutboundMessage {
    OutboundMessage::new(ChatRef::new(chat), text)
}

pub(super) fn at(chat: &str, id: &str) -> MessageRef {
    MessageRef {
        chat: ChatRef::new(chat),
        id: id.to_owned(),
    }
}

pub(super) fn edit(chat: &str, text: &str) -> Change {
    Change::Edit {
        message: Box::new(reply(chat, text)),
    }
}

/// Says something and accepts it as the host.
pub(super) async fn say(gateway: &Gateway, browser: &Browser, chat: &str, id: &str, text: &str) {
    let path = format!("/api/chats/{chat}/messages");
    let body = json!({ "id": id, "text": text });
    let accept = async { gateway.kit.emitted().await.accept() };
    let (answer, ()) = tokio::join!(browser.post(&path, &body), accept);
    assert_eq!(
        (answer.status, answer.json()),
        (202, json!({ "verdict": "accepted" }))
    );
}

#[tokio::test]
async fn message_goes_to_the_host_and_its_answer_comes_back_while_it_is_written() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let mut events = browser.events("", "").await;
    assert_eq!(
        events.next().await.unwrap().data,
        json!({ "rev": 0, "instance": "test", "account": "Web chat" })
    );
    say(&gateway, &browser, "c-1", "a-1", "what is up\nthere?").await;
    let said = events.named("message").await;
    assert_eq!(said.data["role"], "user");
    assert_eq!(
        (&said.data["chat"], &said.data["id"], &said.data["text"]),
        (&json!("c-1"), &json!("a-1"), &json!("what is up\nthere?"))
    );
    gateway
        .kit
        .signal(ChatRef::new("c-1"), Signal::Typing)
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().data, json!({ "chat": "c-1" }));
    let sent = gateway.kit.send(reply("c-1", "the")).await.unwrap();
    let first = events.named("message").await;
    assert_eq!(
        (&first.data["id"], &first.data["role"]),
        (&json!(sent.ids[0]), &json!("agent"))
    );
    gateway
        .kit
        .update(at("c-1", &sent.ids[0]), edit("c-1", "the **sky**"))
        .await
        .unwrap();
    let second = events.named("message").await;
    assert_eq!(
        (&second.data["seq"], &second.data["text"]),
        (&first.data["seq"], &json!("the **sky**"))
    );
    assert!(second.id > first.id);
    let all = browser.json("/api/chats/c-1/messages").await;
    assert_eq!(all["rev"], second.id.unwrap());
    assert_eq!(all["messages"].as_array().unwrap().len(), 2);
    let chats = browser.json("/api/chats").await;
    assert_eq!(chats["chats"][0]["title"], "what is up there?");
    assert_eq!(
        (&chats["chats"][0]["chat"], &chats["chats"][0]["messages"]),
        (&json!("c-1"), &json!(2))
    );
    assert!(gateway.kit.progress() > 0);
    gateway.stop().await;
    assert_eq!(events.next().await.unwrap().name, "bye");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn same_message_twice_is_one() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    say(&gateway, &browser, "c-1", "a-1", "hello").await;
    let body = json!({ "id": "a-1", "text": "hello" });
    let again = async { gateway.kit.emitted().await.answer(&[Verdict::Duplicate]) };
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), again);
    assert_eq!(
        (answer.status, answer.json()),
        (202, json!({ "verdict": "duplicate" }))
    );
    let all = browser.json("/api/chats/c-1/messages").await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn refused_message_stands_nowhere_and_the_page_is_told() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let body = json!({ "id": "a-1", "text": "hello" });
    for _ in 0..2 {
        let refuse = async { gateway.kit.emitted().await.answer(&[Verdict::Ignored]) };
        let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), refuse);
        assert_eq!(answer.status, 409);
        assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    }
    let body = json!({ "id": "a-2", "text": "hello" });
    let busy = async {
        gateway
            .kit
            .emitted()
            .await
            .refuse(Error::transient("the host is full").because(Cause::Busy))
    };
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), busy);
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (503, &json!("the host is full"))
    );
    let Gateway { kit, receiving } = gateway;
    assert_eq!(receiving.ended().await.unwrap_err().cause, Cause::Busy);
    // Paused, the page is there and takes nothing.
    assert_eq!(browser.post("/api/chats/c-1/messages", &body).await.status, 503);
    assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    let gateway = Gateway {
        receiving: kit.receive(None),
        kit,
    };
    say(&gateway, &browser, "c-1", "a-2", "hello").await;
    gateway.stop().await;
}

#[tokio::test]
async fn stop_button_is_the_command_and_leaves_no_message() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let accept = async {
        let emitted = gateway.kit.emitted().await;
        assert_eq!(emitted.messages[0].command.as_ref().unwrap().name, "stop");
        assert_eq!(emitted.messages[0].chat.id, "c-1");
        emitted.accept();
    };
    let body = json!({});
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/stop", &body), accept);
    assert_eq!(answer.status, 202);
    assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    gateway.stop().await;
}

#[tokio::test]
async fn message_that_a_kill_left_without_a_verdict_is_neither_lost_nor_doubled() {
    let folder = tempfile::tempdir().unwrap();
    for heals_by_answer in [false, true] {
        let chat = format!("c-{heals_by_answer}");
        let path = format!("/api/chats/{chat}/messages");
        let gateway = Gateway::in_folder(folder.path()).await;
        let browser = gateway.browser().await;
        let body = json!({ "id": "a-1", "text": "hello" });
        let killed = async {
            let emitted = gateway.kit.emitted().await;
            // As far as the host is concerned it has it; the plugin never hears so.
            drop(gateway.receiving);
            drop(gateway.kit);
            emitted
        };
        let posting = tokio::spawn({
            let (browser, path, body) = (browser.clone(), path.clone(), body.clone());
            async move {
                drop(browser.bytes(format!("POST {path} HTTP/1.1\r\n{}Origin: http://{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", browser.headers(), browser.host, body.to_string().len()).as_bytes()).await)
            }
        });
        drop(killed.await);
        posting.await.unwrap();

        let gateway = Gateway::in_folder(folder.path()).await;
        let mut again = browser;
        again.host = gateway.browser().await.host;
        again.cookie = gateway.browser().await.cookie;
        assert_eq!(again.json(&path).await["messages"], json!([]));
        if heals_by_answer {
            gateway.kit.send(reply(&chat, "re: hello")).await.unwrap();
        } else {
            let twice = async { gateway.kit.emitted().await.answer(&[Verdict::Duplicate]) };
            let (answer, ()) = tokio::join!(again.post(&path, &body), twice);
            assert_eq!(answer.status, 202);
        }
        let all = again.json(&path).await["messages"].clone();
        assert_eq!(
            (&all[0]["text"], &all[0]["role"]),
            (&json!("hello"), &json!("user"))
        );
        assert_eq!(all.as_array().unwrap().len(), if heals_by_answer { 2 } else { 1 });
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_the_gateway_knows_is_shown_as_it_tells_it() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    for (path, name) in [
        ("/api/status", "status"),
        ("/api/logs", "logs.recent"),
        ("/api/sessions", "sessions.list"),
        ("/api/sessions/web_c-1", "sessions.show"),
    ] {
        assert_eq!(browser.get(path).await.status, 501, "{path}");
        gateway.kit.answer_asked(name, json!([{ "of": name }]));
        assert_eq!(browser.json(path).await, json!([{ "of": name }]));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn unfit_messages_are_refused_with_a_reason() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let long = "x".repeat(16 * 1024 + 1);
    for (path, id, text) in [
        ("/api/chats/c-1/messages", "a-1", ""),
        ("/api/chats/c-1/messages", "a-1", " \n"),
        ("/api/chats/c-1/messages", "a-1", long.as_str()),
        ("/api/chats/c-1/messages", "m-1", "x"),
        ("/api/chats/c-1/messages", "", "x"),
        ("/api/chats/c-1/messages", "a 1", "x"),
        ("/api/chats/c%201/messages", "a-1", "x"),
        ("/api/chats/c_1/messages", "a-1", "x"),
    ] {
        let answer = browser.post(path, &json!({ "id": id, "text": text })).await;
        assert_eq!(answer.status, 422, "{path} {id}: {answer:?}");
        assert!(answer.json()["error"].is_string());
    }
    let answer = browser
        .post_as(
            "/api/chats/c-1/messages",
            "Content-Type: application/json\r\n",
            "{",
        )
        .await;
    assert_eq!(answer.status, 400);
    gateway.stop().await;
}
