//! Ports, and who has them.

use miniclaw_plugin_api::{ChatRef, OutboundMessage};

use super::*;

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn replaced_instance_hands_over_port_and_streams_without_losing_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({ "listen": format!("127.0.0.1:{}", free_port()) });
    let before = Gateway::with(settings.clone(), &in_folder(folder.path())).await;
    let browser = before.browser().await;
    let mut events = browser.events("", "").await;
    assert_eq!(events.next().await.unwrap().name, "hello");
    let after = ChannelKit::with_meta::<Webchat>(settings, &in_folder(folder.path()));
    after.start().await.unwrap();
    assert_eq!(browser.get("/api/chats").await.status, 200);
    before.kit.stop_receiving().await.unwrap();
    before.receiving.ended().await.unwrap();
    assert_eq!(events.next().await.unwrap().name, "bye");
    let receiving = after.receive(None);
    let after = Gateway {
        kit: after,
        receiving,
    };
    let (_, token) = after.link_within_a_moment().await;
    assert_eq!(browser.clone().log_in(&token).await.status, 303);
    let mut events = browser.events("?after=0", "").await;
    // An answer that the one before was at.
    let late = OutboundMessage::new(ChatRef::new("c-1"), "late");
    before.kit.send(late).await.unwrap();
    assert_eq!(events.named("message").await.data["text"], "late");
    before.kit.shutdown().await.unwrap();
    assert_eq!(browser.get("/api/chats").await.status, 200);
    after.stop().await;
}

#[tokio::test]
async fn pause_keeps_the_page_and_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let Gateway { kit, receiving } = Gateway::in_folder(folder.path()).await;
    let (base, token) = {
        let link = kit.invoke("link", json!({})).await.unwrap();
        let url = link["url"].as_str().unwrap().to_owned();
        let (base, token) = url.split_once("/login?token=").unwrap();
        (base.to_owned(), token.to_owned())
    };
    let mut browser = Browser::new(&base);
    browser.log_in(&token).await;
    let mut events = browser.events("", "").await;
    kit.stop_receiving().await.unwrap();
    receiving.ended().await.unwrap();
    let said = json!({ "id": "a-1", "text": "x" });
    assert_eq!(browser.post("/api/chats/c-1/messages", &said).await.status, 503);
    kit.send(OutboundMessage::new(ChatRef::new("c-1"), "still here"))
        .await
        .unwrap();
    assert_eq!(events.named("message").await.data["text"], "still here");
    let receiving = kit.receive(None);
    Gateway { kit, receiving }.stop().await;
    assert_eq!(events.next().await.unwrap().name, "bye");
}

#[tokio::test]
async fn taken_port_is_an_error_where_it_was_chosen_and_another_one_where_not() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let kit = ChannelKit::new::<Webchat>(json!({ "listen": listen }));
    let error = kit.start().await.unwrap_err();
    assert!(
        error.message.contains("settings.listen") && error.message.contains(&listen),
        "{error}"
    );
    let both = [
        Gateway::with(json!({}), &Meta::new()).await,
        Gateway::with(json!({}), &Meta::new()).await,
    ];
    let (one, other) = (both[0].browser().await, both[1].browser().await);
    assert_ne!(one.host, other.host);
    assert_eq!(one.get("/api/chats").await.status, 200);
    assert_eq!(other.get("/api/chats").await.status, 200);
    for gateway in both {
        gateway.stop().await;
    }
}

#[tokio::test]
async fn stale_mark_of_a_killed_instance_holds_nobody_up_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let Gateway { kit, receiving } = Gateway::with(json!({}), &in_folder(folder.path())).await;
    let before = kit.invoke("link", json!({})).await.unwrap()["url"]
        .as_str()
        .unwrap()
        .to_owned();
    drop((receiving, kit));
    let gateway = Gateway::with(json!({}), &in_folder(folder.path())).await;
    let (base, _) = gateway.link_within_a_moment().await;
    // The same place, so that cookies and open pages are good still.
    assert!(before.starts_with(&format!("{base}/")), "{before} {base}");
    gateway.stop().await;
}

#[tokio::test]
async fn file_that_is_none_of_ours_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.db");
    let foreign = "this is no database, and has more than a hundred bytes so that nobody takes it for an empty one; it is a text.";
    std::fs::write(&path, foreign).unwrap();
    let kit = ChannelKit::with_meta::<Webchat>(json!({ "listen": "127.0.0.1:0" }), &in_folder(folder.path()));
    let error = kit.start().await.unwrap_err();
    assert_eq!(error.outcome, miniclaw_plugin_api::Outcome::Permanent);
    assert!(
        error.message.contains(path.to_str().unwrap()) && error.message.contains("move it away"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), foreign);
}

#[tokio::test]
async fn files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::in_folder(folder.path()).await;
    gateway
        .kit
        .send(OutboundMessage::new(ChatRef::new("c-1"), "x"))
        .await
        .unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{file:?}"
        );
    }
    gateway.stop().await;
}
