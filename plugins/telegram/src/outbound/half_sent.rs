//! Files that are in their chats while the texts to them are not.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use miniclaw_plugin_api::Sent;

/// More than this wait at no time, unless a platform takes files and no texts; the oldest is forgotten then.
const KEPT: usize = 256;

/// What Telegram took of messages that are sent again, by their idempotency keys.
#[derive(Default)]
pub(crate) struct HalfSent(Mutex<VecDeque<(String, Sent)>>);

impl HalfSent {
    /// Remembers a file until its text is sent.
    pub(super) fn keep(&self, key: &str, sent: Sent) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key.to_owned(), sent));
    }

    /// Takes out what was kept under a key.
    pub(super) fn take(&self, key: &str) -> Option<Sent> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(other, _)| other == key)?;
        kept.remove(at).map(|(_, sent)| sent)
    }
}
