//! Configurations for tests.

use serde_json::{Value, json};

use crate::fake_model::FakeModel;
use crate::fake_telegram::{FakeTelegram, TOKEN};

/// The key that the gateway sends to the fake model.
pub const API_KEY: &str = "sk-test-0123456789abcdefghijklmnop";

/// A configuration in the making.
#[derive(Debug, Clone)]
pub struct ConfigFile(Value);

impl Default for ConfigFile {
    fn default() -> Self {
        Self(json!({}))
    }
}

impl ConfigFile {
    /// Telegram as a channel `telegram` and the model as the provider `model`; `allow_from` are user ids.
    pub fn standard(telegram: &FakeTelegram, model: &FakeModel, allow_from: &[i64]) -> Self {
        Self::default()
            .telegram("telegram", telegram, TOKEN, allow_from)
            .model(model)
    }

    /// Adds a Telegram channel.
    #[must_use]
    pub fn telegram(self, name: &str, telegram: &FakeTelegram, token: &str, allow_from: &[i64]) -> Self {
        self.channel(
            name,
            json!({
                "plugin": "telegram",
                "allow_from": allow_from,
                "settings": { "token": token, "api_url": telegram.url() },
            }),
        )
    }

    /// Adds the fake model as the provider `model` and makes it the default.
    #[must_use]
    pub fn model(self, model: &FakeModel) -> Self {
        self.provider(
            "model",
            json!({
                "plugin": "openai",
                "settings": { "base_url": model.base_url(), "model": "fake", "api_key": API_KEY },
            }),
        )
    }

    /// Adds a channel.
    #[must_use]
    pub fn channel(self, name: &str, entry: Value) -> Self {
        self.with(&format!("/channels/{name}"), entry)
    }

    /// Adds a provider and makes it the default.
    #[must_use]
    pub fn provider(self, name: &str, entry: Value) -> Self {
        self.with(&format!("/providers/{name}"), entry)
            .with("/provider", json!(name))
    }

    /// Sets what `path` (`/gateway/shutdown_timeout`) names; objects on the way are made.
    #[must_use]
    pub fn with(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.0;
        for key in path.split('/').skip(1) {
            place = &mut place[key];
        }
        *place = value;
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_makes_the_objects_on_its_way() {
        let config = ConfigFile::default()
            .with("/gateway/shutdown_timeout", json!("1s"))
            .with("/gateway/max_pending", json!(3));
        let parsed: Value = serde_json::from_str(&config.text()).unwrap();
        assert_eq!(
            parsed,
            json!({ "gateway": { "shutdown_timeout": "1s", "max_pending": 3 } })
        );
    }
}
