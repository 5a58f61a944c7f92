//! The end: one owner, each step with a deadline. All of it fits into the timeout and a second.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use super::Running;
use super::signals::{Signals, Stop};
use crate::control::Ending;
use crate::feed::{self, Kind};
use crate::observe::systemd;
use crate::spool::SpoolError;

/// For channels to end receiving: a little more than what cuts them off.
const QUIET: Duration = Duration::from_millis(2600);
/// For parked turns to end; each does so at its next step.
const PARK: Duration = Duration::from_millis(200);
/// For checkpoints beyond the deadline: what is not saved is in the journals.
const STORE: Duration = Duration::from_millis(200);
/// For sends to be let go of; what hangs is cancelled with its instance and sent again after the next start.
const LET_GO: Duration = Duration::from_millis(100);
/// Plugins get at least this long, however late it is.
const PLUGINS: Duration = Duration::from_millis(300);
/// For the spool's last commit.
const CLOSE: Duration = Duration::from_secs(1);

/// Why the gateway stops.
pub(super) enum Reason {
    Signal(Stop),
    /// `miniclaw stop`.
    Asked,
    Fatal(SpoolError),
    /// The console ended, which was the only channel.
    ConsoleClosed,
}

impl Reason {
    fn word(&self) -> &'static str {
        match self {
            Self::Signal(stop) => stop.name(),
            Self::Asked => "asked",
            Self::Fatal(_) => "storage",
            Self::ConsoleClosed => "console_closed",
        }
    }
}

/// How far the shutdown got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    OutOfTime,
    /// A second signal.
    Cut(Stop),
    /// Storage failed.
    Failed,
}

impl Running {
    /// Closes the intake, ends what is under way, stores, tells every plugin. Returns the exit status.
    pub(super) async fn shut_down(mut self, reason: Reason, signals: &mut Signals) -> u8 {
        let started = Instant::now();
        let limit = self.roster.config().gateway.shutdown_timeout;
        match &reason {
            Reason::Signal(stop) => info!(signal = stop.name(), timeout = ?limit, "Shutdown started"),
            Reason::Asked => info!(timeout = ?limit, "Shutdown started, the operator asked for it"),
            Reason::ConsoleClosed => info!(timeout = ?limit, "Shutdown started, the console was closed"),
            Reason::Fatal(error) => error!(%error, "Shutdown started, storage failed"),
        }
        systemd::stopping(limit);
        feed::tell(Kind::Stop, |event| event.with("reason", reason.word()));
        let deadline = started + limit;
        self.stops.receiving.cancel();
        self.hub.stop_extras();
        let mut end = self.drain(deadline, signals).await;
        if end == Step::Done {
            end = self.flush(deadline, signals).await;
        }
        self.store(end, deadline, signals).await;
        let told = self.tell_plugins(end, deadline, signals).await;
        if end == Step::Done {
            end = told;
        }
        match timeout(CLOSE, self.spool.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                error!(%error, "Spool was not closed cleanly");
                end = Step::Failed;
            }
            Err(_) => warn!("Spool takes too long to close, the next start checks it"),
        }
        let counters = &self.hub.counters;
        info!(
            received = counters.received.get(),
            journaled = counters.journaled.get(),
            done = counters.done.get(),
            delivered = counters.delivered.get(),
            dead = counters.dead.get(),
            "Messages since the start"
        );
        let complete = end == Step::Done;
        info!(elapsed = ?started.elapsed(), complete, "Shutdown complete");
        if let Some(control) = &self.control {
            control.close(Ending { complete }).await;
        }
        match (reason, end) {
            (Reason::Fatal(_), _) | (_, Step::Failed) => 1,
            (Reason::Asked, Step::OutOfTime) => Stop::Terminate.status(),
            (_, Step::Cut(stop)) | (Reason::Signal(stop), Step::OutOfTime) => stop.status(),
            // Whoever closed the console sees that not all of it was answered.
            (Reason::ConsoleClosed, Step::OutOfTime) => 1,
            (_, Step::Done) => 0,
        }
    }

    /// Turns under way and messages that wait are answered while there is time; the rest stays in the spool.
    async fn drain(&self, deadline: Instant, signals: &mut Signals) -> Step {
        // Channels confirm to their platforms what they handed over. One that hangs is no reason for another status.
        let quiet = deadline.min(Instant::now() + QUIET);
        let mut step = self.within(self.stops.quiet(), quiet, signals).await;
        if matches!(step, Step::Done | Step::OutOfTime) {
            step = self.within(self.hub.drained(), deadline, signals).await;
        }
        self.hub.close();
        let (waiting, running) = self.hub.outstanding();
        if step == Step::Done && waiting == 0 {
            return step;
        }
        self.hub.park();
        warn!(
            parked = running,
            waiting, "Not everything was answered, the rest resumes after the next start"
        );
        // What the disk holds up is left to the end of the process.
        let _ = timeout(PARK, self.hub.drained()).await;
        if step == Step::Done { Step::OutOfTime } else { step }
    }

    async fn flush(&self, deadline: Instant, signals: &mut Signals) -> Step {
        let flushed = async {
            for channel in self.hub.channels.all() {
                channel.outbox.flushed().await;
            }
        };
        let step = self.within(flushed, deadline, signals).await;
        let left = self
            .hub
            .channels
            .all()
            .iter()
            .any(|channel| channel.outbox.has_waiting());
        if step == Step::Done && !left {
            return step;
        }
        warn!("Not every reply was sent, the rest is sent after the next start");
        if step == Step::Done { Step::OutOfTime } else { step }
    }

    async fn store(&self, end: Step, deadline: Instant, signals: &mut Signals) {
        if matches!(end, Step::Cut(_) | Step::Failed) {
            return;
        }
        let checkpoint = async {
            let count = self.sessions.checkpoint().await;
            info!(count, "Sessions saved");
        };
        let deadline = deadline.max(Instant::now()) + STORE;
        if self.within(checkpoint, deadline, signals).await != Step::Done {
            warn!("Not every session was saved, the rest is read from the journal at the next start");
        }
    }

    /// Every plugin at once, each with its own deadline.
    async fn tell_plugins(&mut self, end: Step, deadline: Instant, signals: &mut Signals) -> Step {
        let in_time = matches!(end, Step::Done | Step::OutOfTime);
        let left = if in_time {
            deadline.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        self.stops.end_within(left.max(PLUGINS));
        let channels = self.hub.channels.all();
        let closed = join_all(channels.iter().map(|channel| channel.outbox.close()));
        // Sends that are still under way end with their instances.
        let _ = timeout(LET_GO, closed).await;
        self.stops.running.cancel();
        let patience = left.max(PLUGINS) + LET_GO;
        tokio::select! {
            biased;
            () = self.supervisors.join() => Step::Done,
            stop = signals.stop(), if in_time => {
                warn!(signal = stop.name(), "Shutdown cut short");
                Step::Cut(stop)
            }
            () = tokio::time::sleep(patience) => {
                warn!("Not every plugin ended, what hangs is left behind");
                Step::Done
            }
        }
    }

    async fn within(&self, work: impl Future<Output = ()>, deadline: Instant, signals: &mut Signals) -> Step {
        tokio::select! {
            biased;
            _ = self.spool.failed() => Step::Failed,
            () = work => Step::Done,
            stop = signals.stop() => {
                warn!(signal = stop.name(), "Shutdown cut short");
                Step::Cut(stop)
            }
            () = tokio::time::sleep_until(deadline) => Step::OutOfTime,
        }
    }
}
