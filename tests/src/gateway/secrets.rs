//! The secrets of a home's configuration, which nothing that a process writes may hold.

use std::path::Path;

use serde_json::Value;

/// Shorter texts are found in innocent lines too.
const SHORTEST: usize = 12;

/// Secrets with their places in the configuration.
#[derive(Default)]
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those that stand literally in a file; none in one that cannot be read.
    pub(super) fn of(config: &Path) -> Self {
        let mut secrets = Self::default();
        if let Some(text) = std::fs::read_to_string(config).ok()
            && let Ok(value) = serde_json::from_str::<Value>(&text)
        {
            secrets.collect(&value, "", false);
        }
        secrets
    }

    /// # Panics
    /// Where `text` holds one of them, with its place and not with itself.
    pub(super) fn check(&self, what: &str, text: &str) {
        for (place, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let line = text[..at].matches('\n').count() + 1;
                let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
                panic!(
                    "{what} holds the secret `{place}` in line {line}, after: {}",
                    &text[start..at]
                );
            }
        }
    }

    fn collect(&mut self, value: &Value, place: &str, secret: bool) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let place = format!("{place}.{name}");
                    self.collect(member, place.trim_start_matches('.'), secret || is_secret(name));
                }
            }
            Value::Array(list) => list.iter().for_each(|member| self.collect(member, place, secret)),
            Value::String(text) if secret && !text.starts_with("${") => {
                // Of a bot's token the first half is no secret.
                let text = text.split_once(':').map_or(text.as_str(), |(id, rest)| {
                    let is_id = id.bytes().all(|byte| byte.is_ascii_digit());
                    if is_id { rest } else { text }
                });
                if text.len() >= SHORTEST {
                    self.0.push((place.to_owned(), text.to_owned()));
                }
            }
            _ => {}
        }
    }
}

fn is_secret(name: &str) -> bool {
    ["token", "api_key", "secret", "password", "proxy"]
        .iter()
        .any(|end| name == *end || name.ends_with(&format!("_{end}")))
        || name == "telegram_token"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_and_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let config = r#"{"channels":{"a":{"settings":{"token":"123:very-secret-half"}}}}"#;
        std::fs::write(&path, config).unwrap();
        let secrets = Secrets::of(&path);
        secrets.check("the log", "123: nothing to see");
        let caught = std::panic::catch_unwind(|| secrets.check("the log", "one\ntoken very-secret-half"));
        let message = *caught.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(
            message,
            "the log holds the secret `channels.a.settings.token` in line 2, after: token "
        );
    }
}
