//! What a model can no longer read of a conversation is summed up by the model itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, Role};
use tracing::{info, warn};

use super::prompt::fit::newest;
use super::tokens::{MESSAGE, clip, estimate};
use super::{AgentLoop, Progress, Prompt, Tab};
use crate::sessions::{Entry, SessionKey, Snapshot, Summary};
use crate::spool::{InboundRow, Usage, wall_ms};

const INSTRUCTIONS: &str = "You sum up a conversation for the assistant who is to continue it and will read nothing else \
of it. Keep who the people are, facts, names, numbers, dates, wishes, decisions, promises, and what is still open. Leave out \
greetings and repetition. Write in the language of the conversation, at most 200 words, and nothing but the summary.";

/// The conversation's next message waits no longer for a summary.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a failure a conversation is left alone for this long.
const AGAIN: Duration = Duration::from_secs(600);
/// Conversations whose failure is remembered.
const REMEMBERED: usize = 1_000;

/// A shorter summary says nothing: where instructions fill the window, a history is left as it is.
const SHORTEST: u64 = 32;

/// Whether conversations are summed up, and where that failed.
pub(crate) struct Compaction {
    on: bool,
    failed: Mutex<HashMap<SessionKey, Instant>>,
}

/// A summary to be stored.
#[derive(Debug)]
pub(crate) struct Compacted {
    /// `None` where the model gave none.
    pub(crate) entry: Option<Entry>,
    pub(crate) usage: Vec<Usage>,
}

impl Compaction {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            failed: Mutex::default(),
        }
    }

    fn rests(&self, session: &SessionKey) -> bool {
        self.failed()
            .get(session)
            .is_some_and(|since| since.elapsed() < AGAIN)
    }

    /// Whether it is the first time.
    fn note_failure(&self, session: &SessionKey) -> bool {
        let mut failed = self.failed();
        if failed.len() >= REMEMBERED {
            failed.clear();
        }
        failed.insert(session.clone(), Instant::now()).is_none()
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<SessionKey, Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AgentLoop {
    /// Sums up the older part of a history that fills most of its model's window; `None` where it does not, or where that
    /// fails, which leaves out the oldest messages as before.
    pub(crate) async fn compact(&self, row: &InboundRow, snapshot: &Snapshot) -> Option<Compacted> {
        if !self.compaction.on || self.compaction.rests(&row.session) {
            return None;
        }
        let route = self.route(row, &row.message, &snapshot.choice);
        let provider = route.provider.as_deref()?;
        let window = self.window(provider, route.model.as_deref());
        // What is summed up is gone: a guess is no reason while the provider may still tell.
        if !window.known && self.models.asking(provider) {
            return None;
        }
        let room = window.room().saturating_sub(self.prompt.instruction_tokens());
        let (keeps, stands_for) = due(&snapshot.entries, room)?;
        if self.budget.refusal(&row.session).await.is_some() {
            return None;
        }
        let older = &snapshot.entries[..snapshot.entries.len() - keeps];
        let text = transcript(
            older,
            window.room().saturating_sub(estimate(INSTRUCTIONS) + 4 * MESSAGE),
        );
        let mut request = Prompt::plain(INSTRUCTIONS, &text);
        request.session = &row.session.0;
        request.idempotency_key = format!("summary-{}", row.seq);
        let mut tab = Tab::default();
        let mut hear = |progress: Progress<'_>| tab.hear(progress);
        let asked = tokio::time::timeout(PATIENCE, self.complete(&route, request, &mut hear));
        let ended = asked
            .await
            .unwrap_or_else(|_| Err(Error::transient("it took too long").because(Cause::Timeout)));
        let usage = tab.so_far(self, "");
        let entry = match ended {
            Ok(reply) => {
                info!(messages = stands_for, keeps, "Conversation summed up");
                self.compaction.failed().remove(&row.session);
                let text = clip(reply.text.trim(), longest(room)).trim_end();
                Some(Entry {
                    summary: Some(Summary { keeps, stands_for }),
                    ..Entry::new(Role::System, text, wall_ms())
                })
            }
            Err(error) => {
                if self.compaction.note_failure(&row.session) {
                    warn!(%error, "Conversation cannot be summed up, its oldest messages are left out");
                }
                None
            }
        };
        (entry.is_some() || !usage.is_empty()).then_some(Compacted { entry, usage })
    }
}

/// Tokens of a summary.
fn longest(room: u64) -> u64 {
    room / 8
}

/// Tokens of a history as the model reads it.
pub(crate) fn history_tokens(history: &[Entry]) -> u64 {
    history.iter().map(|entry| estimate(&entry.text) + MESSAGE).sum()
}

/// How many entries at the end stay, and how many messages the summary of the others stands for; `None` while the history
/// takes at most three quarters of the room, and where the room is too small for a summary.
fn due(history: &[Entry], room: u64) -> Option<(usize, usize)> {
    if longest(room) < SHORTEST || history_tokens(history) <= room / 4 * 3 {
        return None;
    }
    let (mut keeps, mut used) = (0, 0);
    for (index, entry) in history.iter().rev().enumerate() {
        used += estimate(&entry.text) + MESSAGE;
        if used > room / 4 || entry.summary.is_some() {
            break;
        }
        // What a message of the user's was answered stays with it.
        if entry.role == Role::User {
            keeps = index + 1;
        }
    }
    let older = &history[..history.len() - keeps];
    let counted = older
        .iter()
        .map(|entry| entry.summary.map_or(1, |summary| summary.stands_for));
    let only_a_summary = older.iter().all(|entry| entry.summary.is_some());
    (!only_a_summary).then(|| (keeps, counted.sum()))
}

/// The messages to sum up as one text; where they are too many the oldest are cut off.
fn transcript(older: &[Entry], room: u64) -> String {
    let line = |entry: &Entry| {
        let who = match entry.role {
            _ if entry.summary.is_some() => "Summary of what was said before",
            Role::User => "User",
            Role::Assistant => "Assistant",
            _ => "Note",
        };
        format!("{who}: {}", entry.text)
    };
    let lines: Vec<_> = older.iter().map(line).collect();
    newest(&lines, room).join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(role: Role, length: usize) -> Entry {
        Entry::new(role, "x".repeat(length), 0)
    }

    fn history() -> impl Strategy<Value = Vec<Entry>> {
        let summary = prop::option::of(1..50usize);
        (
            summary,
            prop::collection::vec((any::<bool>(), 0..300usize), 0..30),
        )
            .prop_map(|(summary, entries)| {
                let summary = summary.map(|stands_for| Entry {
                    summary: Some(Summary { keeps: 0, stands_for }),
                    ..entry(Role::System, 30)
                });
                let others = entries
                    .into_iter()
                    .map(|(user, length)| entry(if user { Role::User } else { Role::Assistant }, length));
                summary.into_iter().chain(others).collect()
            })
    }

    #[test]
    fn where_instructions_leave_no_room_for_a_summary_nothing_is_summed_up() {
        let history = [entry(Role::User, 900), entry(Role::Assistant, 900)];
        assert!(due(&history, 400).is_some());
        assert_eq!(due(&history, 100), None);
        assert_eq!(due(&history, 0), None);
    }

    proptest! {
        #[test]
        fn what_stays_is_small_and_nothing_is_counted_twice(history in history(), room in 100..2_000u64) {
            let total: usize = history.iter().map(|entry| entry.summary.map_or(1, |summary| summary.stands_for)).sum();
            match due(&history, room) {
                None => {
                    let messages = history.iter().filter(|entry| entry.summary.is_none()).count();
                    let small = longest(room) < SHORTEST;
                    prop_assert!(small || history_tokens(&history) <= room / 4 * 3 || messages == 0);
                }
                Some((keeps, stands_for)) => {
                    let kept = &history[history.len() - keeps..];
                    prop_assert_eq!(stands_for + keeps, total);
                    prop_assert!(history_tokens(kept) <= room / 4);
                    prop_assert!(kept.iter().all(|entry| entry.summary.is_none()));
                    prop_assert!(kept.first().is_none_or(|first| first.role == Role::User));
                }
            }
        }

        #[test]
        fn a_transcript_fits_and_ends_as_the_conversation_does(history in history(), room in 10..500u64) {
            let text = transcript(&history, room);
            prop_assert!(estimate(&text) <= room + 1);
        }
    }
}
