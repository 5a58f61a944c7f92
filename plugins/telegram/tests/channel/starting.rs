use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_plugin_api::{Cause, Outcome};
use miniclaw_telegram::Telegram;
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{TOKEN, assert_no_token, kit, socks, within};

#[tokio::test]
async fn connecting_tells_who_the_bot_is() {
    let api = FakeApi::start().await;
    let kit = kit(&api);
    let account = kit.start().await.unwrap();
    assert_eq!((account.id.as_str(), account.name.as_str()), ("99", "@my_bot"));
    let log = kit.log().join("\n");
    assert!(
        log.contains("3 miniclaw_telegram") && log.contains("Telegram channel connected"),
        "{log}"
    );
    assert!(log.contains("@my_bot") && log.contains("99"), "{log}");
    assert_no_token(&kit);
}

#[tokio::test]
async fn token_that_telegram_does_not_take_is_permanent_and_hints_at_botfather() {
    for (code, description) in [(401, "Unauthorized"), (404, "Not Found")] {
        let api = FakeApi::start().await;
        api.answer("getMe", Answer::Refused(code, description, Value::Null));
        let error = kit(&api).start().await.unwrap_err();
        assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Auth));
        assert!(error.message.contains("@BotFather"), "{error}");
        assert!(!error.message.contains(TOKEN), "{error}");
    }
}

#[tokio::test]
async fn start_that_is_refused_says_where_to_look() {
    for (code, description) in [(400, "Bad Request"), (403, "Forbidden")] {
        let api = FakeApi::start().await;
        api.answer("getMe", Answer::Refused(code, description, Value::Null));
        let error = kit(&api).start().await.unwrap_err();
        assert_eq!(error.outcome, Outcome::Permanent);
        for part in [description, "`api_url`", "`proxy`", "`token`"] {
            assert!(error.message.contains(part), "{error}");
        }
    }
}

#[tokio::test]
async fn trouble_at_telegram_is_tried_again_by_the_host() {
    for answer in [
        Answer::Raw(502, "<html>bad gateway</html>".to_owned()),
        Answer::Raw(200, "<html>a portal</html>".to_owned()),
        Answer::Refused(429, "Too Many Requests", json!({ "retry_after": 3 })),
        Answer::Cut,
    ] {
        let api = FakeApi::start().await;
        api.answer("getMe", answer);
        let error = kit(&api).start().await.unwrap_err();
        assert!(matches!(error.outcome, Outcome::Transient { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn unreachable_server_is_transient_and_names_no_address() {
    let kit = ChannelKit::new::<Telegram>(json!({ "token": TOKEN, "api_url": "http://127.0.0.1:9" }));
    let error = within(kit.start()).await.unwrap_err();
    assert_eq!(
        (error.outcome, error.cause),
        (Outcome::Transient { retry_after: None }, Cause::Network)
    );
    assert!(
        !error.message.contains("127.0.0.1") && !error.message.contains(TOKEN),
        "{error}"
    );
}

#[tokio::test]
async fn token_of_the_wrong_shape_makes_no_request() {
    let api = FakeApi::start().await;
    let kit = ChannelKit::new::<Telegram>(json!({ "token": "123:short", "api_url": api.url() }));
    let error = kit.start().await.unwrap_err();
    assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Config));
    assert!(api.unasked().await.is_empty());
}

#[tokio::test]
async fn unknown_setting_is_named() {
    let kit = ChannelKit::new::<Telegram>(json!({ "token": TOKEN, "tokn": 1 }));
    let error = kit.start().await.unwrap_err();
    assert!(error.message.contains("tokn"), "{error}");
}

#[tokio::test]
async fn proxy_of_the_settings_is_used_with_its_password_which_nobody_is_shown() {
    let proxy = FakeApi::start().await;
    let address = proxy.url().replace("http://", "http://user:pass-word@");
    let settings =
        |proxy: &str| json!({ "token": TOKEN, "api_url": "http://telegram.invalid", "proxy": proxy });
    let kit = ChannelKit::new::<Telegram>(settings(&address));
    assert_eq!(within(kit.start()).await.unwrap().name, "@my_bot");
    assert_eq!(
        proxy.authorization().as_deref(),
        Some("Basic dXNlcjpwYXNzLXdvcmQ=")
    );
    assert_no_token(&kit);

    for (proxy, reason) in [
        (
            "http://user:pass-word@127.0.0.1:9",
            "the proxy of `proxy` does not answer: Connection refused",
        ),
        (
            "socks5h://user:pass-word@127.0.0.1:9",
            "the proxy of `proxy` does not answer",
        ),
        ("socks4://user:pass-word@127.0.0.1:9", "settings.proxy"),
    ] {
        let error = within(ChannelKit::new::<Telegram>(settings(proxy)).start())
            .await
            .unwrap_err();
        assert!(
            error.message.contains(reason) && !error.message.contains("pass-word"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn proxy_that_wants_a_password_is_named_as_the_reason() {
    let proxy = FakeApi::start().await;
    proxy.answer("getMe", Answer::Raw(407, String::new()));
    let kit = ChannelKit::new::<Telegram>(
        json!({ "token": TOKEN, "api_url": "http://telegram.invalid", "proxy": proxy.url() }),
    );
    let error = within(kit.start()).await.unwrap_err();
    assert!(error.message.contains("the proxy wants"), "{error}");
}

#[tokio::test]
async fn socks_proxy_is_used_with_its_password_which_nobody_is_shown() {
    let api = FakeApi::start().await;
    let proxy = socks::start(api.url().replace("http://", "")).await;
    for (password, works) in [("pass-word", true), ("pass-wrong", false)] {
        let proxy = format!("socks5h://user:{password}@{proxy}");
        let settings = json!({ "token": TOKEN, "api_url": "http://telegram.invalid", "proxy": proxy });
        let kit = ChannelKit::new::<Telegram>(settings);
        match within(kit.start()).await {
            Ok(account) => assert!(works && account.name == "@my_bot"),
            Err(error) => assert!(!works && !error.message.contains("pass-"), "{error}"),
        }
    }
}

/// The variable for a process that is to talk past it.
const PROXY: &str = "http_proxy";

#[tokio::test]
async fn server_on_this_machine_is_reached_past_the_proxy_of_the_environment() {
    if std::env::var_os(PROXY).is_some() {
        let api = FakeApi::start().await;
        return kit(&api).start().await.map(drop).unwrap();
    }
    let name = "starting::server_on_this_machine_is_reached_past_the_proxy_of_the_environment";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", name])
        .env(PROXY, "http://127.0.0.1:9")
        .env_remove("no_proxy");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
