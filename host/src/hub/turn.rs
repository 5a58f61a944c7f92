//! One turn: history, answer, T2, reply.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use miniclaw_plugin_api::wire::SignalTo;
use miniclaw_plugin_api::{Capability, ChatKind, OutboundMessage, Role, Signal, TextUnit};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::ChatHub;
use crate::agent::{AgentLoop, Answer, Progress};
use crate::delivery::split;
use crate::plugins::instance::Method;
use crate::sessions::{Entry, SessionError, SessionManager, Snapshot};
use crate::spool::{Committed, FinishedTurn, InboundRow, Spool, SpoolError, until_stored, wall_ms};

/// A turn shorter than this shows no sign of life.
const TYPING_AFTER: Duration = Duration::from_millis(200);
/// Telegram shows a signal for 5 s.
const TYPING_EVERY: Duration = Duration::from_secs(4);
/// Between attempts to read a session while the system is short of something.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What a turn works with.
pub(crate) struct TurnParts {
    pub(crate) spool: Arc<dyn Spool>,
    pub(crate) sessions: Arc<SessionManager>,
    pub(crate) agent: AgentLoop,
}

impl ChatHub {
    /// Runs a turn to T2. When it is parked nothing was stored, and the message waits for the next start.
    pub(super) async fn turn(self: &Arc<Self>, row: InboundRow, stop: CancellationToken) {
        if row.suspect
            && self
                .keep(|| self.parts.spool.mark_started(row.seq))
                .await
                .is_none()
        {
            return;
        }
        let started = std::time::Instant::now();
        // Whatever text a model or a person writes: a defect here costs one answer, not the message.
        let prepared = AssertUnwindSafe(self.prepare(&row, &stop)).catch_unwind().await;
        let turn = match prepared {
            Ok(Some(turn)) => turn,
            Ok(None) => return,
            Err(panic) => {
                error!(panic = crate::tasks::panic_text(panic.as_ref()), "Turn panicked");
                let text = "Something went wrong inside me, so I have no answer to this.";
                FinishedTurn::note(&row, vec![row.seq], text)
            }
        };
        let Some(committed) = self.keep(|| self.parts.spool.finish(&turn)).await else {
            return;
        };
        let Committed { outbox, journal } = committed;
        self.counters.done.add(turn.inbound.len() as u64);
        let sessions = &self.parts.sessions;
        if turn.new_generation {
            sessions.reset(&row.session, turn.generation + 1);
        } else {
            sessions.applied(&row.session, turn.generation, journal, turn.entries);
        }
        debug!(chunks = outbox.len(), elapsed = ?started.elapsed(), "Turn answered");
        self.route(outbox);
    }

    /// All of the turn but its end; `None` where it was parked.
    async fn prepare(self: &Arc<Self>, row: &InboundRow, stop: &CancellationToken) -> Option<FinishedTurn> {
        let (generation, answer) = self.answer(row, stop).await?;
        Some(self.finished(row, generation, answer))
    }

    /// `None` where the turn was parked.
    async fn answer(self: &Arc<Self>, row: &InboundRow, stop: &CancellationToken) -> Option<(u64, Answer)> {
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return self.stopped(row).map(|answer| (0, answer)),
            read = self.snapshot(row) => read,
        };
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(error) => {
                error!(%error, "Session cannot be read");
                let reply = "I cannot read what we said before, so I am not answering; the operator finds the \
                             reason in my log.";
                return Some((0, Answer::note(reply)));
            }
        };
        let generation = snapshot.generation;
        if let Some(answer) = self.command(row, &snapshot).await {
            return Some((generation, answer));
        }
        let mut listener = |_: Progress<'_>| {};
        let work = self.parts.agent.answer(row, &row.message, &snapshot, &mut listener);
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => return self.stopped(row).map(|answer| (generation, answer)),
            answer = work => answer,
            () = self.show_typing(row) => return None,
        };
        Some((generation, answer))
    }

    /// The history, as soon as the system has what it takes to read it.
    async fn snapshot(&self, row: &InboundRow) -> Result<Snapshot, SessionError> {
        let mut told = false;
        loop {
            match self.parts.sessions.snapshot(&row.session).await {
                Err(error) if error.passes() => {
                    if !std::mem::replace(&mut told, true) {
                        warn!(%error, "Session cannot be read yet, its turn waits");
                    }
                    tokio::time::sleep(READ_AGAIN).await;
                }
                ended => return ended,
            }
        }
    }

    /// A stopped turn ends without a reply of its own, `/stop` gives that; a parked one is not ended at all.
    fn stopped(&self, row: &InboundRow) -> Option<Answer> {
        if self.parked.is_cancelled() {
            info!(seq = row.seq, "Turn parked, it resumes after the next start");
            return None;
        }
        Some(Answer::default())
    }

    /// Shows that the agent is writing; never ends.
    async fn show_typing(&self, row: &InboundRow) {
        let Some(outbox) = self.outboxes.get(&row.channel) else {
            return std::future::pending().await;
        };
        let signal = SignalTo {
            chat: row.message.chat.clone(),
            signal: Signal::Typing,
        };
        tokio::time::sleep(TYPING_AFTER).await;
        loop {
            if let Some(instance) = outbox.instance()
                && instance.blueprint.can(Capability::Typing)
                && let Err(error) = instance.call(Method::SIGNAL, &signal).await
            {
                debug!(%error, "Typing was not shown");
            }
            tokio::time::sleep(TYPING_EVERY).await;
        }
    }

    fn finished(&self, row: &InboundRow, generation: u64, answer: Answer) -> FinishedTurn {
        let now = wall_ms();
        let mut entries = Vec::new();
        if !answer.heard.is_empty() {
            entries.push(Entry {
                role: Role::User,
                text: answer.heard,
                at_ms: row.received_ms,
            });
            if !answer.reply.is_empty() {
                entries.push(Entry {
                    role: Role::Assistant,
                    text: answer.reply.clone(),
                    at_ms: now,
                });
            }
        }
        FinishedTurn {
            session: row.session.clone(),
            generation,
            new_generation: answer.new_generation,
            inbound: vec![row.seq],
            entries,
            channel: row.channel.clone(),
            chunks: self.chunks(row, &answer.reply),
            story: answer.story,
            usage: answer.usage,
            choice: answer.choice,
        }
    }

    /// The reply as the channel's messages. The first one names the message that it answers where that is not
    /// plain: in a group, and when more messages wait.
    fn chunks(&self, row: &InboundRow, reply: &str) -> Vec<OutboundMessage> {
        let (limit, unit) = self
            .outboxes
            .get(&row.channel)
            .map_or((0, TextUnit::Chars), |outbox| outbox.text_limit());
        let name_it = row.message.chat_kind != ChatKind::Private || self.load.of(&row.session).waiting > 1;
        split(reply, limit, unit)
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                let mut message = OutboundMessage::new(row.message.chat.clone(), text);
                message.reply_to = (name_it && index == 0).then(|| row.message.id.clone());
                message
            })
            .collect()
    }

    /// Asks again and again while the disk takes nothing; `None` where the store is over.
    async fn keep<'a, T>(
        &self,
        attempt: impl Fn() -> futures_util::future::BoxFuture<'a, Result<T, SpoolError>>,
    ) -> Option<T> {
        match until_stored(attempt).await {
            Ok(value) => Some(value),
            Err(SpoolError::Closed) => {
                warn!("Turn ended after the spool was closed, it is repeated after the next start");
                None
            }
            Err(error) => {
                error!(%error, "Turn cannot be stored, it is repeated after the next start");
                None
            }
        }
    }
}
