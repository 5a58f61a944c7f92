//! Files that people sent: asked for by `getFile`, then fetched from `/file/bot<token>/<path>`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::fault::Answer;
use super::{FakeTelegram, Shared, State, update};
use crate::http::Reply;

/// What the rules of a test call a download: [`FakeTelegram::on`] takes it as a method.
pub(super) const METHOD: &str = "file";
/// Larger files are not given out (core.telegram.org/bots/api#getfile).
const LARGEST: usize = 20 * 1024 * 1024;

/// By id, each with its path.
#[derive(Default)]
pub(super) struct Files(HashMap<String, (String, Vec<u8>)>);

impl FakeTelegram {
    /// Lets a file be had under an id, at a path such as `photos/file_1.jpg`.
    pub fn put_file(&self, file_id: &str, path: &str, bytes: impl Into<Vec<u8>>) {
        let file = (path.to_owned(), bytes.into());
        self.shared
            .state
            .change(|state| state.files.0.insert(file_id.to_owned(), file));
    }

    /// Sends a message to the bot with [`TOKEN`](super::TOKEN) that has these members instead of a text, for example
    /// `{"photo": […], "caption": "look"}`.
    pub fn inject_media(&self, chat: i64, user: i64, members: &Value) -> i64 {
        self.shared.state.change(|state| {
            let account = state.accounts.by_token(super::TOKEN);
            let id = account.next_message_id(chat);
            account.inject_raw(&update::media(chat, user, id, members));
            account.wake();
            id
        })
    }
}

impl State {
    pub(super) fn get_file(&self, body: &str) -> Result<String, Answer> {
        let asked: Value = serde_json::from_str(body).unwrap_or_default();
        let id = asked["file_id"].as_str().unwrap_or_default();
        match self.files.0.get(id) {
            None => Err(Answer::bad_request(
                "wrong file_id or the file is temporarily unavailable",
            )),
            Some((_, bytes)) if bytes.len() > LARGEST => Err(Answer::bad_request("file is too big")),
            Some((path, bytes)) => Ok(
                json!({ "file_id": id, "file_unique_id": id, "file_size": bytes.len(),
                "file_path": path })
                .to_string(),
            ),
        }
    }
}

impl Shared {
    pub(super) async fn download(&self, path: &str) -> Reply {
        let effect = self.state.lock().rules.take(METHOD, None, false);
        if let Some(effect) = effect {
            tokio::time::sleep(effect.delay).await;
            if let Some(reply) = effect.reply {
                return reply;
            }
        }
        let state = self.state.lock();
        let file = state.files.0.values().find(|(own, _)| own == path);
        file.map_or_else(
            || Answer::not_found().into_reply(),
            |(_, bytes)| Reply::octets(bytes.clone()),
        )
    }
}
