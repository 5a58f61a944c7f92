//! What happens by the clock: checkpoints, the daily sweep, the spool's retention.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::dispatch;
use crate::sessions::SessionManager;
use crate::spool::{Spool as _, SqliteSpool};
use crate::tasks::Tasks;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the clockwork; it ends with the runtime.
pub(super) fn start(
    tasks: &Tasks,
    config: &watch::Receiver<Arc<Config>>,
    sessions: &Arc<SessionManager>,
    spool: &Arc<SqliteSpool>,
) {
    tasks.spawn("sessions found", count(sessions.clone()));
    tasks.spawn("checkpoint", checkpoint(sessions.clone(), config.clone()));
    tasks.spawn("files to be sent", tidy(config.borrow().state_dir()));
    tasks.spawn(
        "daily sweep",
        sweep(sessions.clone(), spool.clone(), config.clone()),
    );
}

/// Beside the start, which does not wait for a large folder.
async fn count(sessions: Arc<SessionManager>) {
    match tokio::task::spawn_blocking(move || sessions.count()).await {
        Ok(Ok(count)) => info!(count, "Sessions found"),
        Ok(Err(error)) => warn!(%error, "Sessions cannot be counted"),
        // The runtime is ending.
        Err(_) => {}
    }
}

async fn checkpoint(sessions: Arc<SessionManager>, mut config: watch::Receiver<Arc<Config>>) {
    loop {
        let every = config.borrow_and_update().sessions.checkpoint_interval;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            // Another configuration may want it sooner.
            Ok(()) = config.changed() => continue,
        }
        let count = sessions.checkpoint().await;
        debug!(count, "Sessions saved");
    }
}

async fn tidy(state_dir: PathBuf) {
    let mut ticks = interval(DAY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let state_dir = state_dir.clone();
        // The runtime may be ending.
        let _ = tokio::task::spawn_blocking(move || dispatch::tidy(&state_dir)).await;
    }
}

async fn sweep(sessions: Arc<SessionManager>, spool: Arc<SqliteSpool>, config: watch::Receiver<Arc<Config>>) {
    let mut ticks = interval(DAY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // It says itself what it removed.
        let idle_ttl = config.borrow().sessions.idle_ttl;
        sessions.sweep(idle_ttl).await;
        match spool.upkeep().await {
            Ok(rows) => debug!(rows, "Finished rows removed from the spool"),
            Err(error) => warn!(%error, "Spool was not tidied"),
        }
    }
}
