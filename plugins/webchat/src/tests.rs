//! The channel with a browser's requests, through the real ABI.

mod browser;
mod chatting;
mod hostile;
mod logins;
mod tabs;
mod takeover;

use miniclaw_plugin_api::testkit::{ChannelKit, Receiving, check_schema, conformance};
use miniclaw_plugin_api::{Channel as _, Meta};
use serde_json::{Value, json};

use crate::{Settings, Webchat};
use browser::Browser;

/// A gateway with the web chat, in which the test is the host.
struct Gateway {
    kit: ChannelKit,
    receiving: Receiving,
}

impl Gateway {
    async fn start() -> Self {
        Self::with(json!({ "listen": "127.0.0.1:0" }), &Meta::new()).await
    }

    async fn in_folder(folder: &std::path::Path) -> Self {
        Self::with(json!({ "listen": "127.0.0.1:0" }), &in_folder(folder)).await
    }

    async fn with(settings: Value, meta: &Meta) -> Self {
        let kit = ChannelKit::with_meta::<Webchat>(settings, meta);
        assert_eq!(kit.start().await.unwrap().id, "webchat");
        let receiving = kit.receive(None);
        Self { kit, receiving }
    }

    /// The address of a link that logs in, and its token.
    async fn link(&self) -> (String, String) {
        let link = self.kit.invoke("link", json!({})).await.unwrap();
        assert_eq!(link["valid_s"], 600);
        let url = link["url"].as_str().unwrap();
        let (base, token) = url.split_once("/login?token=").unwrap();
        (base.to_owned(), token.to_owned())
    }

    /// The same of one that may still wait for its port.
    async fn link_within_a_moment(&self) -> (String, String) {
        let begun = std::time::Instant::now();
        while self.kit.invoke("link", json!({})).await.is_err() {
            assert!(begun.elapsed() < browser::PATIENCE, "it never listens");
            tokio::task::yield_now().await;
        }
        self.link().await
    }

    async fn browser(&self) -> Browser {
        let (base, token) = self.link().await;
        let mut browser = Browser::new(&base);
        assert_eq!(browser.log_in(&token).await.status, 303);
        browser
    }

    async fn stop(self) {
        self.kit.stop_receiving().await.unwrap();
        self.receiving.ended().await.unwrap();
        self.kit.shutdown().await.unwrap();
    }
}

fn in_folder(folder: &std::path::Path) -> Meta {
    let mut meta = Meta::new();
    meta.insert("data_dir".into(), folder.to_str().unwrap().into());
    meta
}

#[test]
fn schema_file_fits_the_settings() {
    check_schema(&Webchat::MANIFEST, &schemars::schema_for!(Settings).to_value());
}

#[tokio::test]
async fn channel_conforms() {
    let settings = json!({ "listen": "127.0.0.1:0" });
    conformance::channel::<Webchat>(settings)
        .chat("c-1")
        .await
        .assert();
}
