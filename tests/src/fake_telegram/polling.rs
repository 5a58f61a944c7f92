//! `getUpdates`.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::fault::Answer;
use super::ledger::Poll;
use super::{Shared, State, webhook};
use crate::http::Reply;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Parameters {
    offset: i64,
    limit: Option<usize>,
    timeout: u64,
    allowed_updates: Option<Value>,
}

/// An open poll, counted until it ends, however it ends.
struct OpenPoll<'a>(&'a Shared);

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.0.state.change(|state| state.ledger.open_polls -= 1);
    }
}

impl Shared {
    pub(super) async fn get_updates(&self, token: &str, parameters: Parameters) -> Reply {
        let (generation, changed) = self.state.change(|state| state.open_poll(token, &parameters));
        let _open = OpenPoll(self);
        let limit = parameters.limit.unwrap_or(100).clamp(1, 100);
        let end = tokio::time::Instant::now() + Duration::from_secs(parameters.timeout);
        loop {
            let mut woken = std::pin::pin!(changed.notified());
            woken.as_mut().enable();
            if let Some(reply) = self.state.lock().poll_result(token, generation, limit, false) {
                return reply;
            }
            if tokio::time::timeout_at(end, woken).await.is_err() {
                let last = self.state.lock().poll_result(token, generation, limit, true);
                return last.unwrap_or(Reply::Close);
            }
        }
    }
}

impl State {
    fn open_poll(
        &mut self,
        token: &str,
        parameters: &Parameters,
    ) -> (u64, std::sync::Arc<tokio::sync::Notify>) {
        let account = self.accounts.by_token(token);
        account.generation += 1;
        // The older poll finds itself superseded.
        account.wake();
        if parameters.offset != 0 {
            account.confirm(parameters.offset);
        }
        let (generation, changed) = (account.generation, account.changed.clone());
        self.ledger.open_polls += 1;
        self.note_poll(token, parameters);
        (generation, changed)
    }

    /// Records a poll, whatever it will be answered.
    pub(super) fn note_poll(&mut self, token: &str, parameters: &Parameters) {
        self.ledger.polls.push(Poll {
            at: Instant::now(),
            bot: self.accounts.by_token(token).bot,
            offset: parameters.offset,
            timeout_seconds: parameters.timeout,
            allowed_updates: parameters
                .allowed_updates
                .as_ref()
                .map_or_else(String::new, Value::to_string),
        });
    }

    /// The poll's answer, if there is one already; the last look takes an empty batch too.
    fn poll_result(&mut self, token: &str, generation: u64, limit: usize, last: bool) -> Option<Reply> {
        let account = self.accounts.by_token(token);
        if account.revoked {
            return Some(Answer::unauthorized().into_reply());
        }
        if account.webhook.is_some() {
            return Some(webhook::conflict());
        }
        if account.generation != generation {
            let text = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
            return Some(Answer::error(409, text).into_reply());
        }
        let (body, count) = account.batch(limit);
        (count > 0 || last).then(|| Reply::json(200, body))
    }
}
