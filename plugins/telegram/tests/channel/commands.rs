use miniclaw_plugin_api::Meta;
use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_telegram::Telegram;
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{TOKEN, within};

async fn offering(api: &FakeApi, commands: Value) -> ChannelKit {
    let mut meta = Meta::new();
    meta.insert("commands".to_owned(), commands);
    let kit = ChannelKit::with_meta::<Telegram>(json!({ "token": TOKEN, "api_url": api.url() }), &meta);
    kit.start().await.unwrap();
    api.call("getMe").await;
    kit
}

fn new_command() -> Value {
    json!([{ "command": "new", "description": "Start a fresh conversation" }])
}

#[tokio::test]
async fn commands_are_registered_once_beside_the_first_poll() {
    let api = FakeApi::start().await;
    let kit = offering(&api, new_command()).await;
    let receiving = kit.receive(None);
    let mut calls = [within(api.next()).await, within(api.next()).await];
    calls.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        (calls[0].0.as_str(), calls[1].0.as_str()),
        ("getUpdates", "setMyCommands")
    );
    assert_eq!(calls[1].1, json!({ "commands": new_command() }));
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    assert!(api.unasked().await.is_empty());
}

#[tokio::test]
async fn commands_that_are_refused_or_hang_disturb_nothing() {
    let refused = || Answer::Refused(400, "Bad Request: BOT_COMMAND_INVALID", Value::Null);
    for (answer, warnings) in [(refused(), 1), (Answer::Hang, 0)] {
        let api = FakeApi::start().await;
        api.answer("setMyCommands", answer);
        let update =
            json!({ "update_id": 5, "message": { "message_id": 1, "chat": { "id": 7 }, "text": "hi" } });
        api.answer("getUpdates", Answer::Ok(json!([update])));
        let kit = offering(&api, new_command()).await;
        let _receiving = kit.receive(None);
        within(kit.emitted()).await.accept();
        let warned = || {
            kit.log()
                .iter()
                .filter(|line| line.contains("could not be registered"))
                .count()
        };
        within(async {
            while warned() < warnings {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(warned(), warnings);
    }
}

#[tokio::test]
async fn host_without_commands_registers_none() {
    for commands in [json!([]), Value::Null] {
        let api = FakeApi::start().await;
        let kit = offering(&api, commands).await;
        let _receiving = kit.receive(None);
        api.call("getUpdates").await;
        assert!(api.unasked().await.is_empty());
    }
}
