//! The list of commands that clients offer while one is typed.

use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::{Context, Meta};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::{Api, Failure};

/// Nothing waits for it, so that it may take its time.
const DEADLINE: Duration = Duration::from_secs(30);
/// Limits of Telegram (<https://core.telegram.org/bots/api#botcommand>, read 2026-11).
const MOST: usize = 100;
const NAME_CHARACTERS: usize = 32;
const DESCRIPTION_CHARACTERS: usize = 256;

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Offered {
    command: String,
    description: String,
}

#[derive(Serialize)]
struct Commands {
    commands: Vec<Offered>,
}

/// Registers the commands of the host, beside everything else: bots that do without work as well.
pub(crate) fn register(context: &Context, api: &Arc<Api>) {
    let commands = offered(context.meta());
    if commands.is_empty() {
        return;
    }
    let api = api.clone();
    context.spawn(async move {
        let payload = Commands { commands };
        let registered: Result<Box<RawValue>, Failure> = api.call("setMyCommands", &payload, DEADLINE).await;
        match registered {
            Ok(_) => tracing::debug!(count = payload.commands.len(), "Commands registered"),
            Err(failure) => tracing::warn!(error = %failure, "The list of commands could not be registered"),
        }
    });
}

/// What Telegram takes of the list: it refuses all of it for one bad entry.
fn offered(meta: &Meta) -> Vec<Offered> {
    let list = meta.get("commands").and_then(|list| list.as_array());
    list.into_iter()
        .flatten()
        .filter_map(|entry| Offered::deserialize(entry).ok())
        .filter_map(|mut offered| {
            offered.description = cut(offered.description.trim());
            (is_name(&offered.command) && !offered.description.is_empty()).then_some(offered)
        })
        .take(MOST)
        .collect()
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARACTERS).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn cut(text: &str) -> String {
    text.chars().take(DESCRIPTION_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(commands: Value) -> Vec<String> {
        let mut meta = Meta::new();
        meta.insert("commands".to_owned(), commands);
        offered(&meta)
            .into_iter()
            .map(|offered| offered.command)
            .collect()
    }

    #[test]
    fn entries_that_telegram_refuses_are_left_out() {
        let entry =
            |command: &str, description: &str| json!({ "command": command, "description": description });
        let list = json!([
            entry("new", "Start anew"),
            entry("New", "x"),
            entry("", "x"),
            entry("a-b", "x"),
            entry("quiet", " "),
            entry(&"x".repeat(33), "x"),
            { "command": 1 },
            "stop",
            entry("a_1", "x"),
        ]);
        assert_eq!(read(list), ["new", "a_1"]);
        assert!(read(json!("new")).is_empty() && offered(&Meta::new()).is_empty());
    }

    #[test]
    fn long_lists_and_descriptions_are_cut() {
        let entry = json!({ "command": "new", "description": "ä".repeat(300) });
        let mut meta = Meta::new();
        meta.insert("commands".to_owned(), Value::Array(vec![entry; 101]));
        let offered = offered(&meta);
        assert_eq!(
            (offered.len(), offered[0].description.chars().count()),
            (100, 256)
        );
    }
}
