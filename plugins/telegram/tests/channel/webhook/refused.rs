//! Webhooks that Telegram does not take.

use miniclaw_plugin_api::{Cause, Outcome};
use serde_json::Value;

use super::Hooked;
use crate::fake_api::{Answer, FakeApi};
use crate::within;

#[tokio::test]
async fn address_that_telegram_never_takes_is_an_error_of_the_configuration() {
    for description in [
        "Bad Request: bad webhook: HTTPS url must be provided for webhook",
        "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
    ] {
        let api = FakeApi::start().await;
        api.answer("setWebhook", Answer::Refused(400, description, Value::Null));
        let mut hooked = Hooked::start(&api).await;
        let error = hooked.ended().await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Config));
        assert!(
            error.message.starts_with("settings.webhook.url: ") && error.message.contains(description),
            "{error}"
        );
    }
}

#[tokio::test]
async fn webhook_that_is_refused_is_told_in_telegrams_words_with_its_key() {
    for (code, description) in [
        (
            400,
            "Bad Request: bad webhook: Failed to resolve host: Name or service not known",
        ),
        (403, "Forbidden"),
    ] {
        let api = FakeApi::start().await;
        api.answer("setWebhook", Answer::Refused(code, description, Value::Null));
        let hooked = Hooked::start(&api).await;
        let (name, data) = within(hooked.kit.event()).await;
        let reason = data["reason"].as_str().unwrap();
        assert!(
            name == "outage" && reason.contains(description) && reason.contains("`webhook.url`"),
            "{name} {reason}"
        );
        assert!(!hooked.kit.log().join("\n").contains("does not answer"));
    }
}
