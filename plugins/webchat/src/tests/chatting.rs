//! What is said, in either direction.

use miniclaw_plugin_api::{Change, ChatRef, Error, MessageRef, OutboundMessage, Signal, Verdict};
use serde_json::json;

use super::*;

fn reply(chat: &str, text: &str) -> OutboundMessage {
    OutboundMessage::new(ChatRef::new(chat), text)
}

fn at(chat: &str, id: &str) -> MessageRef {
    MessageRef {
        chat: ChatRef::new(chat),
        id: id.to_owned(),
    }
}

fn edit(chat: &str, text: &str) -> Change {
    Change::Edit {
        message: Box::new(reply(chat, text)),
    }
}

/// Says something and accepts it as the host.
async fn say(gateway: &Gateway, browser: &Browser, chat: &str, id: &str, text: &str) {
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
    let refuse = async { gateway.kit.emitted().await.answer(&[Verdict::Ignored]) };
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), refuse);
    assert_eq!(answer.status, 409);
    assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    let busy = async {
        gateway
            .kit
            .emitted()
            .await
            .refuse(Error::transient("the host is full").because(miniclaw_plugin_api::Cause::Busy))
    };
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), busy);
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (503, &json!("the host is full"))
    );
    let Gateway { kit, receiving } = gateway;
    assert_eq!(
        receiving.ended().await.unwrap_err().cause,
        miniclaw_plugin_api::Cause::Busy
    );
    // Paused, the page is there and takes nothing.
    assert_eq!(browser.post("/api/chats/c-1/messages", &body).await.status, 503);
    assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    let gateway = Gateway {
        receiving: kit.receive(None),
        kit,
    };
    say(&gateway, &browser, "c-1", "a-1", "hello").await;
    gateway.stop().await;
}
