//! Counts replies as they go out, so that no ledger of them is needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_tests::FakeTelegram;
use miniclaw_tests::fake_telegram::{Injection, Sent};

/// What was answered so far. Message `n` of a chat has the text `m<n>`, and the model answers `re: m<n> […`.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    answered: u64,
    /// The number that each chat's next reply must have.
    expected: HashMap<i64, u64>,
    /// Replies that came out of turn, twice, or say something else.
    astray: u64,
    last: Option<Instant>,
}

impl Tally {
    /// Counts what the bot sends from here on; `next` makes the next message of a chat that was answered, from its
    /// number.
    pub(crate) fn of(
        telegram: &FakeTelegram,
        mut next: impl FnMut(&Sent, u64) -> Option<Injection> + Send + 'static,
    ) -> Self {
        let tally = Self::default();
        let counted = tally.clone();
        telegram.set_on_sent(Some(Box::new(move |sent| {
            let number = counted.take(sent);
            next(sent, number)
        })));
        tally
    }

    /// Counts a reply; returns the number of the chat's next one.
    fn take(&self, sent: &Sent) -> u64 {
        let mut counts = self.lock();
        counts.answered += 1;
        counts.last = Some(sent.at);
        let expected = counts.expected.entry(sent.chat).or_default();
        let right = sent.text.starts_with(&format!("re: m{expected} ["));
        *expected += 1;
        let next = *expected;
        counts.astray += u64::from(!right);
        next
    }

    pub(crate) fn answered(&self) -> u64 {
        self.lock().answered
    }

    /// Replies that came out of turn, twice, or say something else.
    pub(crate) fn astray(&self) -> u64 {
        self.lock().astray
    }

    /// How long there has been no reply.
    pub(crate) fn silence(&self) -> Duration {
        self.lock().last.map_or(Duration::ZERO, |last| last.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
