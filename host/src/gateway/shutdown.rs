//! The end: one owner, each step with a deadline.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Running;
use super::signals::{Signals, Stop};
use crate::spool::SpoolError;

/// Beyond the deadline, for parking, checkpoints and plugins that hang.
const GRACE: Duration = Duration::from_millis(500);
/// Plugins get at least this long.
const PLUGIN_LEAST: Duration = Duration::from_millis(300);

/// Why the gateway stops.
pub(super) enum Reason {
    Signal(Stop),
    Fatal(SpoolError),
    /// The console ended, which was the only channel.
    ConsoleClosed,
}

/// How far a step got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    OutOfTime,
    Cut(Stop),
}

impl Running {
    /// Closes the intake, ends what is under way, stores, tells every plugin. Returns the exit status.
    pub(super) async fn shut_down(mut self, reason: Reason, signals: &mut Signals) -> u8 {
        let started = Instant::now();
        let timeout = match &reason {
            Reason::Signal(stop) => {
                info!(signal = stop.name(), timeout = ?self.shutdown_timeout, "Shutdown started");
                self.shutdown_timeout
            }
            Reason::ConsoleClosed => {
                info!(timeout = ?self.shutdown_timeout, "Shutdown started, the console was closed");
                self.shutdown_timeout
            }
            Reason::Fatal(error) => {
                error!(%error, "Shutdown started, storage failed");
                Duration::ZERO
            }
        };
        let deadline = started + timeout;
        self.stops.receiving.cancel();
        let mut end = self.drain(deadline, signals).await;
        if end == Step::Done {
            end = self.flush(deadline, signals).await;
        }
        self.store(end, signals).await;
        self.tell_plugins(end, deadline).await;
        if let Err(error) = self.spool.close().await {
            error!(%error, "Spool was not closed cleanly");
        }
        info!(elapsed = ?started.elapsed(), complete = end == Step::Done, "Shutdown complete");
        match (reason, end) {
            (Reason::Fatal(_), _) => 1,
            (_, Step::Cut(stop)) => stop.status(),
            (Reason::Signal(stop), Step::OutOfTime) => stop.status(),
            _ => 0,
        }
    }

    /// Turns under way and messages that wait are answered while there is time; the rest stays in the spool.
    async fn drain(&self, deadline: Instant, signals: &mut Signals) -> Step {
        let step = within(self.hub.drained(), deadline, signals).await;
        self.hub.close();
        if step != Step::Done {
            let parked = self.hub.park();
            let (waiting, _) = self.hub.outstanding();
            warn!(
                parked,
                waiting, "Not everything was answered, the rest resumes after the next start"
            );
            // A parked turn ends at its next step, unless the disk holds it up.
            let _ = tokio::time::timeout(GRACE, self.hub.drained()).await;
        }
        step
    }

    async fn flush(&self, deadline: Instant, signals: &mut Signals) -> Step {
        let flushed = async {
            for outbox in &self.outboxes {
                outbox.flushed().await;
            }
        };
        let step = within(flushed, deadline, signals).await;
        if step != Step::Done {
            warn!("Not every reply was sent, the rest is sent after the next start");
        }
        step
    }

    async fn store(&self, end: Step, signals: &mut Signals) {
        if matches!(end, Step::Cut(_)) {
            // The journals hold all that the checkpoints would.
            return;
        }
        let checkpoint = async {
            let count = self.sessions.checkpoint().await;
            info!(count, "Sessions saved");
        };
        if within(checkpoint, Instant::now() + GRACE * 4, signals).await != Step::Done {
            warn!("Not every session was saved, the rest is read from the journal at the next start");
        }
    }

    /// Every plugin at once, each with its own deadline.
    async fn tell_plugins(&mut self, end: Step, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let least = if matches!(end, Step::Cut(_)) {
            PLUGIN_LEAST
        } else {
            GRACE
        };
        self.stops.end_within(left.max(least));
        for outbox in &self.outboxes {
            // A send that hangs is cancelled with its instance, and sent again after the next start.
            let _ = tokio::time::timeout(PLUGIN_LEAST, outbox.close()).await;
        }
        self.stops.running.cancel();
        if tokio::time::timeout(left.max(least) + PLUGIN_LEAST, self.supervisors.join())
            .await
            .is_err()
        {
            warn!("Not every plugin ended, what hangs is left behind");
        }
    }
}

async fn within(work: impl Future<Output = ()>, deadline: Instant, signals: &mut Signals) -> Step {
    tokio::select! {
        biased;
        () = work => Step::Done,
        stop = signals.stop() => {
            warn!(signal = stop.name(), "Shutdown cut short");
            Step::Cut(stop)
        }
        () = tokio::time::sleep_until(deadline) => Step::OutOfTime,
    }
}
