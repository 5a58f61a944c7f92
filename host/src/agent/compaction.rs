//! What a model can no longer read of a conversation is summed up by the model itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, Role};
use tracing::{info, warn};

use super::tokens::{MESSAGE, clip, clip_middle, estimate};
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
    failed: Arc<Mutex<HashMap<SessionKey, Instant>>>,
}

/// A summary to be stored.
#[derive(Debug)]
pub(crate) struct Compacted {
    /// `None` where the model gave none.
    pub(crate) entry: Option<Entry>,
    pub(crate) usage: Vec<Usage>,
}

impl Compaction {
    pub(super) fn new(on: bool, before: Option<&Self>) -> Self {
        Self {
            on,
            failed: before.map(|before| before.failed.clone()).unwrap_or_default(),
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
    /// Sums up the oldest part of a history that fills most of its model's window, as much of it as one request takes; later
    /// turns go on with the rest. `None` where it does not, or where that fails, which leaves out the oldest messages as
    /// before.
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
        let older = due(&snapshot.entries, room)?;
        if self.budget.refusal(&row.session).await.is_some() {
            return None;
        }
        let space = window.room().saturating_sub(estimate(INSTRUCTIONS) + 4 * MESSAGE);
        let Piece {
            keeps,
            stands_for,
            text,
        } = piece(&snapshot.entries, older, space);
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

/// How many entries at the beginning are to be summed up: all but the end that takes a quarter of the room, and but the last
/// question with its answer, however long. `None` while the history takes at most three quarters of the room, and where the
/// room is too small for a summary.
fn due(history: &[Entry], room: u64) -> Option<usize> {
    if longest(room) < SHORTEST || history_tokens(history) <= room / 4 * 3 {
        return None;
    }
    let (mut keeps, mut used) = (0, 0);
    for (index, entry) in history.iter().rev().enumerate() {
        used += estimate(&entry.text) + MESSAGE;
        if (used > room / 4 && keeps > 0) || entry.summary.is_some() {
            break;
        }
        // What a message of the user's was answered stays with it.
        if entry.role == Role::User {
            keeps = index + 1;
        }
    }
    let older = history.len() - keeps;
    let only_a_summary = history[..older].iter().all(|entry| entry.summary.is_some());
    (!only_a_summary).then_some(older)
}

/// What one request sums up.
#[derive(Debug)]
struct Piece {
    /// Entries at the end that stay.
    keeps: usize,
    /// Messages that the summary stands for.
    stands_for: usize,
    /// The request's text, with each of the entries that do not stay.
    text: String,
}

/// The first of the `older` entries, as many as fit into `space`. The middle of a long one is left out, so that it takes a
/// quarter of it at most, a summary half of it: that and another entry always fit.
fn piece(history: &[Entry], older: usize, space: u64) -> Piece {
    let (mut lines, mut used, mut end) = (Vec::new(), 0, 0);
    for (at, entry) in history[..older].iter().enumerate() {
        let share = space / if entry.summary.is_some() { 2 } else { 4 };
        let line = line(entry, share.saturating_sub(1));
        used += estimate(&line) + 1;
        if used > space && end > 0 {
            break;
        }
        lines.push(line);
        // A question goes with its answer, where both fit.
        let next = history.get(at + 1).map(|next| next.role);
        if entry.summary.is_none() && (end == 0 || at + 1 == older || next == Some(Role::User)) {
            end = at + 1;
        }
    }
    lines.truncate(end);
    let taken = &history[..end];
    let counted = taken
        .iter()
        .map(|entry| entry.summary.map_or(1, |summary| summary.stands_for));
    Piece {
        keeps: history.len() - end,
        stands_for: counted.sum(),
        text: lines.join("\n"),
    }
}

fn line(entry: &Entry, share: u64) -> String {
    let who = match entry.role {
        _ if entry.summary.is_some() => "Summary of what was said before",
        Role::User => "User",
        Role::Assistant => "Assistant",
        _ => "Note",
    };
    let left = share.saturating_sub(estimate(who) + 1);
    format!("{who}: {}", clip_middle(&entry.text, left))
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
        let pair = [entry(Role::User, 900), entry(Role::Assistant, 900)];
        let history = [pair.clone(), pair].concat();
        assert_eq!(due(&history, 400), Some(2));
        assert_eq!(due(&history, 100), None);
        assert_eq!(due(&history, 0), None);
    }

    #[test]
    fn one_long_message_takes_no_others_along() {
        let mut history: Vec<_> = (0..6).map(|at| entry(ROLES[at % 2], 60)).collect();
        history.extend([entry(Role::User, 12_000), entry(Role::Assistant, 90)]);
        // The last question and its answer stay as they are, what was before becomes a summary.
        assert_eq!(due(&history, 1_000), Some(6));
        history.extend([entry(Role::User, 90), entry(Role::Assistant, 90)]);
        let Piece { keeps, text, .. } = piece(&history, due(&history, 1_000).unwrap(), 900);
        assert_eq!(keeps, 2);
        assert_eq!(text.lines().filter(|line| line.contains("User: ")).count(), 4);
        assert!(text.contains("[\u{2026}]") && estimate(&text) <= 900, "{text}");
    }

    const ROLES: [Role; 2] = [Role::User, Role::Assistant];

    proptest! {
        #[test]
        fn what_stays_is_small_or_the_last_question_with_its_answer(history in history(), room in 100..2_000u64) {
            let Some(older) = due(&history, room) else {
                let last = history.iter().rposition(|entry| entry.role == Role::User).unwrap_or(history.len());
                let small = longest(room) < SHORTEST;
                let only = history[..last].iter().all(|entry| entry.summary.is_some());
                prop_assert!(small || history_tokens(&history) <= room / 4 * 3 || only);
                return Ok(());
            };
            let kept = &history[older..];
            let users = kept.iter().filter(|entry| entry.role == Role::User).count();
            prop_assert!(history_tokens(kept) <= room / 4 || users == 1);
            prop_assert!(kept.iter().all(|entry| entry.summary.is_none()));
            prop_assert!(kept.first().is_none_or(|first| first.role == Role::User));
        }

        #[test]
        fn a_summary_takes_the_place_of_what_its_request_holds_and_of_nothing_else(
            history in history(),
            older in 1..30usize,
            long in prop::collection::vec(0..30usize, 0..4),
            space in 200..2_000u64,
        ) {
            let mut history = history;
            for (at, entry) in history.iter_mut().enumerate() {
                let length = if long.contains(&at) { 9_000 } else { 0 };
                entry.text = format!("<{at}>{}{}", entry.text, "y".repeat(length));
            }
            let older = older.min(history.len());
            prop_assume!(history[..older].iter().any(|entry| entry.summary.is_none()));
            let Piece { keeps, stands_for, text } = piece(&history, older, space);
            let taken = history.len() - keeps;
            prop_assert!(taken <= older && history[..taken].iter().any(|entry| entry.summary.is_none()), "it goes on");
            prop_assert!(estimate(&text) <= space);
            for at in 0..history.len() {
                prop_assert_eq!(text.contains(&format!(": <{at}>")), at < taken, "{}", at);
            }
            let total = |entries: &[Entry]| -> usize {
                entries.iter().map(|entry| entry.summary.map_or(1, |summary| summary.stands_for)).sum()
            };
            prop_assert_eq!(stands_for + keeps, total(&history));
        }
    }
}
