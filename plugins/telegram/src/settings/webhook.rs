//! Where Telegram delivers, and where it is taken in.

use std::net::SocketAddr;

use miniclaw_plugin_api::{Error, Result};
use reqwest::Url;
use serde::Deserialize;

/// Longest secret that Telegram takes (<https://core.telegram.org/bots/api#setwebhook>, read 2026-11).
const SECRET_CAP: usize = 256;

/// Settings of the mode `webhook`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Address that Telegram delivers to; a reverse proxy takes it in there and passes it on to `listen`.
    url: String,
    /// Address and port to listen at, for plain HTTP.
    #[serde(default = "default_listen")]
    listen: String,
    /// What Telegram proves itself by; by default a random one for each start.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("writeOnly" = true)))]
    secret_token: Option<String>,
    /// Path of the requests that come from the reverse proxy; by default the one of `url`.
    #[serde(default)]
    path: Option<String>,
    /// How many updates Telegram may deliver at once.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 1, max = 100)))]
    max_connections: Option<u32>,
}

/// A webhook that can be set.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) secret: String,
    pub(crate) path: String,
    pub(crate) max_connections: Option<u32>,
}

fn default_listen() -> String {
    "127.0.0.1:8443".to_owned()
}

impl WebhookSettings {
    /// # Errors
    /// The key and what it should be; never the secret.
    pub(super) fn check(self, api_url: &str) -> Result<Webhook> {
        let url = address(self.url.trim(), api_url)?;
        let listen = self.listen.trim().parse().map_err(|_| {
            Error::config(
                "settings.webhook.listen: this is not an address with a port; it looks like `127.0.0.1:8443`",
            )
        })?;
        if let Some(most) = self.max_connections.filter(|most| !(1..=100).contains(most)) {
            return Err(Error::config(format!(
                "settings.webhook.max_connections: {most} is not between 1 and 100"
            )));
        }
        Ok(Webhook {
            secret: secret(self.secret_token)?,
            path: path(self.path, &url)?,
            url: url.into(),
            listen,
            max_connections: self.max_connections,
        })
    }
}

/// Telegram itself delivers to `https` alone, a Bot API server of one's own also without.
fn address(text: &str, api_url: &str) -> Result<Url> {
    let refuse = |reason: &str| {
        Err(Error::config(format!(
            "settings.webhook.url: {reason}; it looks like `https://bot.example.org/telegram`"
        )))
    };
    let Ok(url) = Url::parse(text) else {
        return refuse("this is not an address");
    };
    let own = api_url != super::default_api_url();
    if !url.has_host() || !(url.scheme() == "https" || own && url.scheme() == "http") {
        return refuse("the address needs https and a host");
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return refuse("the address can have no user, no password and no fragment");
    }
    Ok(url)
}

fn path(given: Option<String>, url: &Url) -> Result<String> {
    let path = given.unwrap_or_else(|| url.path().to_owned());
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains(['?', '#']);
    if plain && path.starts_with('/') {
        return Ok(path);
    }
    Err(Error::config(
        "settings.webhook.path: this is not a path without a query; it looks like `/telegram`",
    ))
}

fn secret(given: Option<String>) -> Result<String> {
    let Some(secret) = given else {
        return random();
    };
    let secret = secret.trim();
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=SECRET_CAP).contains(&secret.len()) && secret.bytes().all(valid) {
        return Ok(secret.to_owned());
    }
    Err(Error::config(
        "settings.webhook.secret_token: this is not 1 to 256 letters, digits, `_` or `-`; leave it out for a \
         random one",
    ))
}

fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::getrandom(&mut bytes)
        .map_err(|error| Error::transient(format!("no random numbers for the webhook's secret: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const TELEGRAM: &str = "https://api.telegram.org";

    fn check(more: Value, api_url: &str) -> Result<Webhook> {
        let mut settings = json!({ "url": "https://bot.example.org/telegram" });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        serde_json::from_value::<WebhookSettings>(settings)
            .unwrap()
            .check(api_url)
    }

    #[test]
    fn address_alone_is_enough() {
        let webhook = check(json!({}), TELEGRAM).unwrap();
        assert_eq!(webhook.url, "https://bot.example.org/telegram");
        assert_eq!(
            (webhook.listen.to_string().as_str(), webhook.path.as_str()),
            ("127.0.0.1:8443", "/telegram")
        );
        assert_eq!(webhook.secret.len(), 64);
        assert_ne!(webhook.secret, check(json!({}), TELEGRAM).unwrap().secret);
    }

    #[test]
    fn every_setting_is_taken() {
        let more =
            json!({ "listen": "[::1]:80", "secret_token": "a-B_1", "path": "/in", "max_connections": 100 });
        let webhook = check(more, TELEGRAM).unwrap();
        assert_eq!(
            (
                webhook.secret.as_str(),
                webhook.path.as_str(),
                webhook.max_connections
            ),
            ("a-B_1", "/in", Some(100))
        );
    }

    #[test]
    fn server_of_ones_own_may_deliver_without_tls() {
        let plain = || json!({ "url": "http://127.0.0.1:8443/" });
        check(plain(), "http://127.0.0.1:8081").unwrap();
        assert!(check(plain(), TELEGRAM).is_err());
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        for (key, value) in [
            ("url", json!("bot.example.org")),
            ("url", json!("ftp://bot.example.org")),
            ("url", json!("https://user:pass-word@bot.example.org/")),
            ("url", json!("https://bot.example.org/#a")),
            ("listen", json!("8443")),
            ("listen", json!("localhost:8443")),
            ("path", json!("telegram")),
            ("path", json!("/a?b")),
            ("path", json!("/a b")),
            ("secret_token", json!("")),
            ("secret_token", json!("pass-word!")),
            ("secret_token", json!("x".repeat(257))),
            ("max_connections", json!(0)),
            ("max_connections", json!(101)),
        ] {
            let error = check(json!({ key: value }), TELEGRAM).err().unwrap();
            assert!(
                error.message.starts_with(&format!("settings.webhook.{key}: ")),
                "{error}"
            );
            assert!(!error.message.contains("pass-word"), "{error}");
        }
    }
}
