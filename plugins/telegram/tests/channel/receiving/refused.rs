//! Polls that Telegram refuses, for the sake of a webhook above all.

use serde_json::{Value, json};

use super::{updates, warnings};
use crate::fake_api::{Answer, FakeApi};
use crate::{started, within};

const WEBHOOK: &str = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

/// Polls and removals, up to the next poll that is held.
async fn polls_and_removals(api: &FakeApi, count: usize) {
    for _ in 0..count {
        api.call("getUpdates").await;
        api.call("deleteWebhook").await;
    }
    api.call("getUpdates").await;
}

#[tokio::test]
async fn webhook_that_could_not_be_removed_is_tried_again_and_told_of_truly() {
    for answer in [
        Answer::Refused(500, "Internal Server Error", Value::Null),
        Answer::Refused(400, "Bad Request", Value::Null),
        Answer::Refused(401, "Unauthorized", Value::Null),
        Answer::Refused(403, "Forbidden", Value::Null),
        Answer::Refused(404, "Not Found", Value::Null),
        Answer::Refused(429, "Too Many Requests", json!({ "retry_after": 1 })),
        Answer::Raw(200, "<html>a portal</html>".to_owned()),
    ] {
        let api = FakeApi::start().await;
        for _ in 0..2 {
            api.answer("getUpdates", Answer::Refused(409, WEBHOOK, Value::Null));
        }
        api.answer("deleteWebhook", answer);
        let kit = started(&api).await;
        let _receiving = kit.receive(None);
        polls_and_removals(&api, 2).await;
        let (name, data) = within(kit.event()).await;
        let reason = data["reason"].as_str().unwrap();
        assert!(
            name == "outage"
                && reason.starts_with("a webhook is set for this bot and could not be removed: "),
            "{name} {reason}"
        );
        assert_eq!(warnings(&kit).len(), 2, "{:?}", kit.log());
        api.answer("getUpdates", updates(&[(5, "one")]));
        within(kit.emitted()).await.accept();
        assert_eq!(within(kit.event()).await.0, "recovered");
        assert!(!kit.log().join("\n").contains("nother program"));
    }
}

#[tokio::test]
async fn webhook_that_is_set_again_is_removed_again_until_the_fight_is_told_of() {
    let api = FakeApi::start().await;
    for id in 1..=3 {
        api.answer("getUpdates", Answer::Refused(409, WEBHOOK, Value::Null));
        api.answer("getUpdates", updates(&[(id, "hi")]));
    }
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    for _ in 0..3 {
        polls_and_removals(&api, 1).await;
        within(kit.emitted()).await.accept();
    }
    let (name, data) = within(kit.event()).await;
    let reason = data["reason"].as_str().unwrap();
    assert!(
        name == "outage" && reason.contains("another program") && reason.contains("`mode` `webhook`"),
        "{name} {reason}"
    );
}

#[tokio::test]
async fn poll_that_is_refused_is_told_in_telegrams_words() {
    for (code, description) in [(400, "Bad Request: x"), (403, "Forbidden: x")] {
        let api = FakeApi::start().await;
        api.answer("getUpdates", Answer::Refused(code, description, Value::Null));
        let kit = started(&api).await;
        let _receiving = kit.receive(None);
        let (name, data) = within(kit.event()).await;
        let reason = format!("telegram refuses getUpdates: {description} ({code})");
        assert_eq!((name.as_str(), &data["reason"]), ("outage", &json!(reason)));
        let log = kit.log().join("\n");
        assert!(
            log.contains(description) && !log.contains("does not answer"),
            "{log}"
        );
    }
}

#[tokio::test]
async fn webhook_in_the_way_is_removed_with_its_updates_kept() {
    let api = FakeApi::start().await;
    let conflict = "Conflict: can't use getUpdates method while webhook is active";
    api.answer("getUpdates", Answer::Refused(409, conflict, Value::Null));
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    assert_eq!(api.call("deleteWebhook").await["drop_pending_updates"], false);
    api.call("getUpdates").await;
    assert_eq!(warnings(&kit).len(), 1);
}
