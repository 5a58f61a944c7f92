use miniclaw_plugin_api::ChatRef;
use miniclaw_plugin_api::testkit::{ChannelKit, check_schema, conformance};

use super::*;

/// A folder that is gone after the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let unique = format!("{}-{name}-{}", env!("CARGO_PKG_NAME"), std::process::id());
        Self(std::env::temp_dir().join(unique))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_line_is_a_message_and_a_reply_is_a_line() {
    let folder = Folder::new("lines");
    let kit = ChannelKit::new::<Plugin>(json!({ "folder": folder.0, "poll_ms": 10 }));
    kit.start().await.unwrap();
    std::fs::write(folder.0.join("in.txt"), "hello\nwor").unwrap();

    let receiving = kit.receive(None);
    let emitted = kit.emitted().await;
    assert_eq!(emitted.messages[0].text(), "hello");
    assert_eq!(emitted.cursor.as_deref(), Some("6"));
    emitted.accept();
    kit.stop_receiving().await.unwrap();
    receiving.ended().await.unwrap();

    let reply = OutboundMessage::new(ChatRef::new(CHAT), "hi there");
    kit.send(reply).await.unwrap();
    let written = std::fs::read_to_string(folder.0.join("out.txt"));
    assert_eq!(written.unwrap(), "hi there\n");
}

#[tokio::test]
async fn another_chat_is_refused_for_good() {
    let folder = Folder::new("chats");
    let kit = ChannelKit::new::<Plugin>(json!({ "folder": folder.0 }));
    kit.start().await.unwrap();
    let message = OutboundMessage::new(ChatRef::new("nobody"), "hi");
    let error = kit.send(message).await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound);
}

#[tokio::test]
async fn the_channel_keeps_the_contract() {
    conformance::channel::<Plugin>(json!({ "poll_ms": 10 }))
        .await
        .assert();
}

#[test]
fn the_schema_file_is_what_the_settings_derive() {
    check_schema(
        &Plugin::MANIFEST,
        &schemars::schema_for!(Settings).to_value(),
    );
}
