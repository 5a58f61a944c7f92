//! What the operator sets.

mod route;
mod webhook;

use std::time::Duration;

use miniclaw_plugin_api::http::is_loopback;
use miniclaw_plugin_api::{Error, Result};
use reqwest::{Certificate, Proxy, Url};
use serde::Deserialize;

use crate::api::Route;
pub(crate) use webhook::Webhook;
pub use webhook::WebhookSettings;

/// Settings of a Telegram channel.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bot's token, as @BotFather gave it.
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    token: String,
    /// Base address of the Bot API; another one than Telegram's for a local Bot API server.
    #[serde(default = "default_api_url")]
    api_url: String,
    /// How long one poll waits for a message, in seconds.
    #[serde(default = "default_poll_timeout")]
    #[cfg_attr(test, schemars(range(min = 1, max = 50)))]
    poll_timeout: u32,
    /// How messages come in: by polls, or by Telegram's calls of a webhook.
    #[serde(default)]
    mode: Mode,
    /// The webhook, for the mode of that name.
    #[serde(default)]
    webhook: Option<WebhookSettings>,
    /// Proxy on the way to the Bot API, with user and password where it wants them; by default the one that the
    /// environment names, and none to a server on this machine.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    proxy: Option<String>,
    /// PEM bundle of authorities that are trusted beside the built-in ones, by its absolute path.
    #[serde(default)]
    ca_file: Option<String>,
}

/// How messages come in.
#[derive(Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The channel asks Telegram for them.
    #[default]
    Poll,
    /// Telegram delivers them.
    Webhook,
}

/// Settings that can be used.
pub(crate) struct Checked {
    pub(crate) token: String,
    /// Without a slash at its end.
    pub(crate) api_url: String,
    pub(crate) poll_timeout: Duration,
    /// `None` where messages come in by polls.
    pub(crate) webhook: Option<Webhook>,
    pub(crate) route: Route,
}

fn default_api_url() -> String {
    "https://api.telegram.org".to_owned()
}

fn default_poll_timeout() -> u32 {
    25
}

impl Settings {
    /// # Errors
    /// Permanent, [`Cause::Config`](miniclaw_plugin_api::Cause::Config): the key and what it should be; never
    /// the token, nor the address, which may hold a password.
    pub(crate) fn check(self) -> Result<Checked> {
        let token = self.token.trim();
        if !is_token(token) {
            return Err(Error::config(
                "settings.token: this is not the token of a bot; copy it from @BotFather: digits, a colon, then \
                 30 to 50 letters, digits, `_` or `-`",
            ));
        }
        if !(1..=50).contains(&self.poll_timeout) {
            return Err(Error::config(format!(
                "settings.poll_timeout: {} is not between 1 and 50 seconds",
                self.poll_timeout
            )));
        }
        let api_url = check_url(self.api_url.trim())?;
        let direct = is_loopback(api_url.host_str().unwrap_or_default());
        let api_url = api_url.as_str().trim_end_matches('/').to_owned();
        let proxy: Option<Proxy> = self.proxy.as_deref().map(route::proxy).transpose()?;
        let roots: Vec<Certificate> = match self.ca_file.as_deref() {
            Some(path) => route::authorities(path)?,
            None => Vec::new(),
        };
        Ok(Checked {
            token: token.to_owned(),
            webhook: check_mode(self.mode, self.webhook, &api_url)?,
            api_url,
            poll_timeout: Duration::from_secs(self.poll_timeout.into()),
            route: Route { proxy, direct, roots },
        })
    }
}

/// A webhook is checked in either mode, so that a switch of the mode alone is safe.
fn check_mode(mode: Mode, webhook: Option<WebhookSettings>, api_url: &str) -> Result<Option<Webhook>> {
    let webhook = webhook.map(|webhook| webhook.check(api_url)).transpose()?;
    match (mode, webhook) {
        (Mode::Webhook, None) => Err(Error::config(
            "settings.webhook: the mode `webhook` needs at least the address that Telegram delivers to, \
             `{ \"url\": \"https://bot.example.org/telegram\" }`",
        )),
        (Mode::Webhook, webhook) => Ok(webhook),
        (Mode::Poll, _) => Ok(None),
    }
}

/// The shape that Telegram gives to tokens: the bot's id, a colon, a secret.
fn is_token(text: &str) -> bool {
    let Some((id, secret)) = text.split_once(':') else {
        return false;
    };
    (1..=20).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && (30..=50).contains(&secret.len())
        && secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn check_url(text: &str) -> Result<Url> {
    let refuse = |reason: &str| {
        Err(Error::config(format!(
            "settings.api_url: {reason}; it looks like `http://127.0.0.1:8081`"
        )))
    };
    let Ok(url) = Url::parse(text) else {
        return refuse("this is not an address");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return refuse("the address needs http or https and a host");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("the address can have no query and no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("the address can have no user and no password");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniclaw_plugin_api::{Cause, Channel as _, testkit};

    fn check(settings: serde_json::Value) -> Result<Checked> {
        serde_json::from_value::<Settings>(settings).unwrap().check()
    }

    const GOOD: &str = "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQ_";

    #[test]
    fn schema_file_is_what_the_settings_derive() {
        let derived = schemars::schema_for!(Settings).to_value();
        testkit::check_schema(&crate::Telegram::MANIFEST, &derived);
    }

    #[test]
    fn token_of_the_right_shape_is_taken_and_trimmed() {
        let checked = check(serde_json::json!({ "token": format!(" {GOOD}\n") })).unwrap();
        assert_eq!(checked.token, GOOD);
        assert_eq!(checked.api_url, "https://api.telegram.org");
        assert_eq!(checked.poll_timeout, Duration::from_secs(25));
    }

    #[test]
    fn token_of_another_shape_is_refused_without_showing_it() {
        let secret = "A".repeat(35);
        for token in [
            String::new(),
            secret.clone(),
            format!(":{secret}"),
            format!("12a:{secret}"),
            format!("123:{}", "A".repeat(29)),
            format!("123:{}", "A".repeat(51)),
            format!("123:{secret}!"),
            format!("123:{secret} {secret}"),
            format!("bot123:{secret}"),
            format!("123:{secret}:{secret}"),
            format!("123:ä{secret}"),
        ] {
            let error = check(serde_json::json!({ "token": token })).err().unwrap();
            assert_eq!(error.cause, Cause::Config, "{token}");
            assert!(error.message.contains("@BotFather"), "{error}");
            assert!(!error.message.contains("AAAA"), "{error}");
        }
    }

    #[test]
    fn api_url_loses_its_last_slash() {
        for (given, used) in [
            ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
            ("https://example.org/telegram/", "https://example.org/telegram"),
        ] {
            let checked = check(serde_json::json!({ "token": GOOD, "api_url": given })).unwrap();
            assert_eq!(checked.api_url, used);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        for (key, value) in [
            ("api_url", serde_json::json!("example.org")),
            ("api_url", serde_json::json!("ftp://example.org")),
            ("api_url", serde_json::json!("https://example.org/?a=b")),
            ("api_url", serde_json::json!("https://user:pass@example.org")),
            ("poll_timeout", serde_json::json!(0)),
            ("poll_timeout", serde_json::json!(51)),
            ("webhook", serde_json::json!({ "url": "http://bot.example.org" })),
            ("proxy", serde_json::json!("user:pass@example.org")),
            ("ca_file", serde_json::json!("/nowhere/roots.pem")),
        ] {
            let error = check(serde_json::json!({ "token": GOOD, key: value }))
                .err()
                .unwrap();
            assert!(error.message.contains(key), "{error}");
            assert!(!error.message.contains("pass@"), "{error}");
        }
    }
    #[test]
    fn webhook_counts_in_its_mode_alone_and_is_needed_there() {
        let webhook = serde_json::json!({ "url": "https://bot.example.org/telegram" });
        for (mode, expected) in [("poll", false), ("webhook", true)] {
            let settings = serde_json::json!({ "token": GOOD, "mode": mode, "webhook": webhook });
            assert_eq!(check(settings).unwrap().webhook.is_some(), expected, "{mode}");
        }
        let error = check(serde_json::json!({ "token": GOOD, "mode": "webhook" }))
            .err()
            .unwrap();
        assert!(error.message.contains("settings.webhook: "), "{error}");
    }
}
