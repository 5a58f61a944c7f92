//! One turn: history, answer, T2, reply.

mod events;
mod reply;
mod signs;

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use miniclaw_plugin_api::InboundMessage;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::reply::Answered;
use super::{ChatHub, Joined, Policy};
use crate::agent::{Answer, Progress, Seen, Tab};
use crate::delivery::Writing;
use crate::media::MediaFile;
use crate::sessions::{SessionError, SessionManager, Snapshot};
use crate::spool::{Committed, FinishedTurn, InboundRow, Spool, SpoolError, until_stored, wall_ms};

/// Between attempts to read a session while the system is short of something.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// What a message that shows the answer may take to arrive when the answer is there.
const DRAFT_ENDS: Duration = Duration::from_secs(5);

/// What every turn works with, whatever the configuration says.
pub(crate) struct TurnParts {
    pub(crate) spool: Arc<dyn Spool>,
    pub(crate) sessions: Arc<SessionManager>,
}

/// What a turn answers.
struct Asked<'a> {
    rows: &'a Joined,
    /// What held when the turn began.
    policy: &'a Policy,
    /// All rows as one message.
    message: Cow<'a, InboundMessage>,
}

impl Asked<'_> {
    /// The row that names the turn.
    fn row(&self) -> &InboundRow {
        self.rows.lead()
    }
}

impl ChatHub {
    /// Runs a turn to T2. When it is parked nothing was stored, and its messages wait for the next start.
    pub(super) async fn turn(self: &Arc<Self>, rows: Joined, stop: CancellationToken) {
        for row in rows.rows().iter().filter(|row| row.suspect) {
            if self
                .keep(|| self.parts.spool.mark_started(row.seq))
                .await
                .is_none()
            {
                return;
            }
        }
        let started = std::time::Instant::now();
        let policy = self.policy();
        events::started(&rows);
        // Whatever text a model or a person writes: a defect here costs one answer, not the message.
        let prepared = AssertUnwindSafe(self.prepare(&rows, &policy, &stop))
            .catch_unwind()
            .await;
        let (turn, not_before) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return,
            Err(panic) => {
                error!(panic = crate::tasks::panic_text(panic.as_ref()), "Turn panicked");
                let text = "Something went wrong inside me, so I have no answer to this.";
                (FinishedTurn::note(rows.lead(), rows.seqs(), text), None)
            }
        };
        let Some(committed) = self.keep(|| self.parts.spool.finish(&turn)).await else {
            return;
        };
        let Committed { mut outbox, journal } = committed;
        policy.agent.budget.add(&turn.session, &turn.usage);
        self.counters.done.add(turn.inbound.len() as u64);
        let now_ms = wall_ms();
        #[cfg(feature = "otel")]
        crate::observe::otel::turn(self.parts.spool.id(), rows.rows(), &turn, started.elapsed());
        for row in rows.rows() {
            self.counters.turn_time.observe_since(row.received_ms, now_ms);
        }
        for row in &mut outbox {
            row.asked_ms = Some(rows.lead().received_ms);
        }
        let (sessions, session) = (&self.parts.sessions, &turn.session);
        if turn.new_generation {
            sessions.reset(session, turn.generation + 1);
        } else {
            sessions.applied(session, turn.generation, journal, turn.entries);
        }
        if turn.choice.is_some() {
            sessions.journaled(session);
        }
        debug!(chunks = outbox.len(), elapsed = ?started.elapsed(), "Turn answered");
        events::ended(rows.lead(), &outbox, started.elapsed());
        if let (Some(first), Some(wait)) = (outbox.first_mut(), not_before) {
            first.not_before_ms = wall_ms() + i64::try_from(wait.as_millis()).unwrap_or_default();
        }
        self.route(outbox);
        self.compact(rows.lead(), &policy, &stop).await;
    }

    /// All of the turn but its end, and how long the platform takes no change of what it shows of the answer; `None`
    /// where it was parked.
    async fn prepare(
        self: &Arc<Self>,
        rows: &Joined,
        policy: &Policy,
        stop: &CancellationToken,
    ) -> Option<(FinishedTurn, Option<Duration>)> {
        let asked = Asked {
            rows,
            policy,
            message: rows.message(),
        };
        let answered = self.answer(&asked, stop).await?;
        let shown = answered.shown.as_ref();
        let wait = shown
            .and_then(|shown| shown.not_before)
            .map(|then| then.saturating_duration_since(std::time::Instant::now()));
        Some((self.finished(&asked, answered), wait))
    }

    /// `None` where the turn was parked.
    async fn answer(self: &Arc<Self>, asked: &Asked<'_>, stop: &CancellationToken) -> Option<Answered> {
        let row = asked.row();
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return self.stopped(row).map(|answer| Answered::new(0, answer)),
            read = self.snapshot(row) => read,
        };
        let snapshot = match read {
            Ok(snapshot) => snapshot,
            Err(error) => {
                error!(%error, "Session cannot be read");
                let reply = "I cannot read what we said before, so I am not answering; the operator finds the \
                             reason in my log.";
                return Some(Answered::new(0, Answer::note(reply)));
            }
        };
        match self.command(row, asked.policy, &snapshot).await {
            Some(answer) => Some(Answered::new(snapshot.generation, answer)),
            None => self.ask(asked, &snapshot, stop).await,
        }
    }

    /// Asks the agent, and shows its answer as it comes; `None` where the turn was parked.
    async fn ask(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        snapshot: &Snapshot,
        stop: &CancellationToken,
    ) -> Option<Answered> {
        let row = asked.row();
        let (writing, done) = (Writing::default(), CancellationToken::new());
        let mut tab = Tab::default();
        let mut listener = |progress: Progress<'_>| {
            events::progress(row, progress);
            tab.hear(progress);
            match progress {
                Progress::Text(text) => writing.push(text),
                Progress::Restart => writing.restart(),
                Progress::Asked { .. } | Progress::Tried(_) => {}
            }
        };
        let mut draft = self.draft(asked);
        let (answer, files) = {
            let work = async {
                let (seen, files) = self.see(asked, snapshot).await;
                let agent = &asked.policy.agent;
                let answer = agent.answer(row, &asked.message, &seen, snapshot, &mut listener);
                (answer.await, files)
            };
            let show = async {
                match &mut draft {
                    Some(draft) => draft.show(&writing, &done).await,
                    None => done.cancelled().await,
                }
            };
            tokio::pin!(show);
            let answer = tokio::select! {
                biased;
                () = stop.cancelled() => (self.stopped(row)?, Vec::new()),
                answered = work => answered,
                () = &mut show => return None,
                () = self.show_typing(row, &writing) => return None,
            };
            done.cancel();
            // Without its id the message could not be replaced.
            if tokio::time::timeout(DRAFT_ENDS, show).await.is_err() {
                warn!("Channel takes too long to show the answer, the reply is a message of its own");
            }
            answer
        };
        let written = writing.text();
        Some(Answered {
            generation: snapshot.generation,
            answer,
            files,
            usage: tab.so_far(&asked.policy.agent, &written),
            shown: draft.and_then(crate::delivery::Draft::ended),
            written,
        })
    }

    /// Takes in the files of what is answered, and looks at the pictures of the conversation.
    async fn see(&self, asked: &Asked<'_>, snapshot: &Snapshot) -> (Seen, Vec<MediaFile>) {
        let (row, store) = (asked.row(), &asked.policy.media);
        let outbox = self.outbox(&row.channel);
        let media = store.take_in(row, &asked.message, outbox.as_ref()).await;
        let pictures = store
            .pictures(&row.session, &snapshot.entries, &media.files)
            .await;
        let seen = Seen {
            lines: media.lines,
            pictures,
        };
        (seen, media.files)
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

    /// Asks again and again while the disk takes nothing; `None` where the store is over.
    pub(super) async fn keep<'a, T>(
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
