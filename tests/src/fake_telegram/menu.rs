//! What a bot offers beside messages: commands, and buttons.

use serde_json::Value;

use super::fault::Answer;

/// `setMyCommands`.
pub(super) fn commands(body: &str) -> Result<String, Answer> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let valid = |command: &Value| {
        let name = command["command"].as_str().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let description = command["description"].as_str().unwrap_or_default();
        (1..=32).contains(&name.len())
            && name.bytes().all(plain)
            && (1..=256).contains(&description.chars().count())
    };
    match body["commands"].as_array() {
        Some(commands) if commands.len() <= 100 && commands.iter().all(valid) => Ok("true".to_owned()),
        _ => Err(Answer::bad_request("BOT_COMMAND_INVALID")),
    }
}

/// `answerCallbackQuery`.
pub(super) fn callback(body: &str) -> Result<String, Answer> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match body["callback_query_id"].as_str() {
        Some(id) if !id.is_empty() => Ok("true".to_owned()),
        _ => Err(Answer::bad_request(
            "query is too old and response timeout expired or query ID is invalid",
        )),
    }
}
