//! The channel against a scripted Bot API, through the real ABI.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod editing;
mod fake_api;
mod files;
mod receiving;
mod sending;
mod socks;
mod starting;
mod webhook;

use std::time::Duration;

use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_telegram::Telegram;
use serde_json::json;

use fake_api::FakeApi;

const TOKEN: &str = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ_";
/// Far above what anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

fn kit(api: &FakeApi) -> ChannelKit {
    ChannelKit::new::<Telegram>(json!({ "token": TOKEN, "api_url": api.url() }))
}

/// A started channel; its `getMe` is done.
async fn started(api: &FakeApi) -> ChannelKit {
    let kit = kit(api);
    kit.start().await.unwrap();
    api.call("getMe").await;
    kit
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.unwrap()
}

fn assert_no_token(kit: &ChannelKit) {
    let secret = TOKEN.split_once(':').unwrap().1;
    for line in kit.log() {
        assert!(!line.contains(secret), "{line}");
    }
}
