//! What stands on the page, in every tab and after every change.

use miniclaw_plugin_api::{Cause, Change};
use serde_json::json;

use super::chatting::{at, edit, reply, say};
use super::*;

#[tokio::test]
async fn tab_that_was_away_gets_what_it_missed_and_no_more() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.extend(
            gateway
                .kit
                .send(reply("c-1", &format!("word {n}")))
                .await
                .unwrap()
                .ids,
        );
    }
    let all = browser.json("/api/chats/c-1/messages").await;
    let middle = all["messages"][19]["rev"].as_i64().unwrap();
    gateway
        .kit
        .update(at("c-1", &ids[3]), edit("c-1", "changed"))
        .await
        .unwrap();
    gateway
        .kit
        .update(at("c-1", &ids[4]), Change::Delete)
        .await
        .unwrap();
    let expected: Vec<_> = ids[20..].iter().chain(&ids[3..5]).map(|id| json!(id)).collect();
    for (query, header) in [
        (format!("?after={middle}"), String::new()),
        (String::new(), format!("Last-Event-ID: {middle}\r\n")),
        ("?after=3".into(), format!("Last-Event-ID: {middle}\r\n")),
    ] {
        let mut events = browser.events(&query, &header).await;
        assert_eq!(events.next().await.unwrap().data["rev"], 42);
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            seen.push(events.named("message").await);
        }
        assert_eq!(
            seen.iter()
                .map(|event| event.data["id"].clone())
                .collect::<Vec<_>>(),
            expected
        );
        let last = &seen[21].data;
        assert_eq!(
            (&last["deleted"], &last["text"], seen[21].id),
            (&json!(true), &json!(""), Some(42))
        );
    }
    let later = browser
        .json(&format!("/api/chats/c-1/messages?after={middle}"))
        .await;
    assert_eq!(later["messages"].as_array().unwrap().len(), 22);
    assert_eq!(later["messages"][0]["text"], "changed");
    // A tab that is new has nothing to take back.
    let fresh = browser.json("/api/chats/c-1/messages").await;
    assert_eq!(fresh["messages"].as_array().unwrap().len(), 39);
    gateway.stop().await;
}

#[tokio::test]
async fn two_tabs_see_the_same_and_a_slow_one_holds_nobody_up() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let mut tabs = [browser.events("", "").await, browser.events("", "").await];
    // Never read from until the end.
    let mut slow = browser.events("", "").await;
    let sent = gateway.kit.send(reply("c-1", "0")).await.unwrap();
    let long = "x".repeat(30_000);
    for n in 1..400 {
        let text = format!("{n} {long}");
        gateway
            .kit
            .update(at("c-1", &sent.ids[0]), edit("c-1", &text))
            .await
            .unwrap();
    }
    gateway.kit.send(reply("c-1", "done")).await.unwrap();
    for tab in &mut tabs {
        let mut last = 0;
        loop {
            let event = tab.named("message").await;
            assert!(event.id.unwrap() > last);
            last = event.id.unwrap();
            if event.data["text"] == "done" {
                break;
            }
        }
        assert_eq!(last, 401);
    }
    // It skips what was changed again meanwhile, and ends up with the same.
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &browser::Event| event.data["text"] != "done")
    {
        events.push(slow.named("message").await);
    }
    assert!(events.len() < 400, "{}", events.len());
    let before = &events[events.len() - 2].data;
    assert!(before["text"].as_str().unwrap().starts_with("399 "));
    gateway.stop().await;
}

#[tokio::test]
async fn chat_that_is_deleted_is_gone_everywhere_and_stays_so() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    say(&gateway, &browser, "c-1", "a-1", "tell me").await;
    let sent = gateway.kit.send(reply("c-1", "half of")).await.unwrap();
    let mut events = browser.events("", "").await;
    let accept = async {
        let emitted = gateway.kit.emitted().await;
        assert_eq!(emitted.messages[0].command.as_ref().unwrap().name, "new");
        emitted.accept();
    };
    let body = json!({});
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/delete", &body), accept);
    assert_eq!(answer.status, 202);
    for _ in 0..2 {
        assert_eq!(events.named("message").await.data["deleted"], true);
    }
    // What is under way still has nobody to see it.
    gateway
        .kit
        .update(at("c-1", &sent.ids[0]), edit("c-1", "half of it"))
        .await
        .unwrap();
    gateway
        .kit
        .send(reply("c-1", "A new conversation begins."))
        .await
        .unwrap();
    assert_eq!(browser.json("/api/chats").await, json!({ "chats": [] }));
    assert_eq!(
        browser.json("/api/chats/c-1/messages").await["messages"],
        json!([])
    );
    say(&gateway, &browser, "c-1", "a-2", "again").await;
    gateway.kit.send(reply("c-1", "yes")).await.unwrap();
    let texts = browser.json("/api/chats/c-1/messages").await["messages"].clone();
    assert_eq!(
        (&texts[0]["text"], &texts[1]["text"]),
        (&json!("again"), &json!("yes"))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn repeated_send_is_the_same_message_and_what_is_gone_is_told() {
    let gateway = Gateway::start().await;
    let mut once = reply("c-1", "once");
    once.idempotency_key = "spool-1".into();
    let first = gateway.kit.send(once.clone()).await.unwrap();
    assert_eq!(gateway.kit.send(once).await.unwrap(), first);
    let not_found = Some(Cause::NotFound);
    for (chat, id) in [
        ("c-1", "m-99"),
        ("c-2", first.ids[0].as_str()),
        ("c-1", "a-1"),
        ("c-1", "m-"),
    ] {
        let error = gateway.kit.update(at(chat, id), edit(chat, "x")).await.err();
        assert_eq!(error.map(|error| error.cause), not_found, "{chat} {id}");
    }
    gateway
        .kit
        .update(at("c-1", &first.ids[0]), Change::Delete)
        .await
        .unwrap();
    let error = gateway
        .kit
        .update(at("c-1", &first.ids[0]), edit("c-1", "x"))
        .await
        .err();
    assert_eq!(error.map(|error| error.cause), not_found);
    let error = gateway.kit.send(reply("../c", "x")).await.err();
    assert_eq!(error.map(|error| error.cause), not_found);
    gateway.stop().await;
}
