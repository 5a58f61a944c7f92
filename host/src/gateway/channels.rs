//! Says so when no channel is left, and when one is back.

use std::time::Duration;

use futures_util::future::select_all;
use miniclaw_plugin_api::Kind;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::roster::Slots;
use crate::supervisor::State;

/// Channels that are between two lives are waited for this long: most are back by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the channels stand, all of them together.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// One hears people at least.
    Up,
    /// None does, and one may soon.
    Waiting,
    /// None does before somebody acts, or before long.
    Down,
}

/// Watches until the gateway stops. `told`: that no channel runs stands in the log already.
pub(super) async fn watch(mut slots: watch::Receiver<Slots>, mut told: bool, stopping: CancellationToken) {
    let mut since = None;
    loop {
        let mut states: Vec<_> = {
            let slots = slots.borrow_and_update();
            let channels = slots.iter().filter(|slot| slot.kind == Kind::Channel);
            channels.map(|slot| slot.state.clone()).collect()
        };
        if states.is_empty() {
            // That none is configured is told where it is taken up.
            tokio::select! {
                () = stopping.cancelled() => return,
                Ok(()) = slots.changed() => continue,
            }
        }
        match standing(&mut states) {
            Standing::Up => {
                since = None;
                if std::mem::take(&mut told) {
                    info!("A channel runs again");
                }
            }
            Standing::Waiting => drop(since.get_or_insert_with(Instant::now)),
            Standing::Down => since = Instant::now().checked_sub(PATIENCE).or(since),
        }
        let patience = since.filter(|_| !told).map(|since| since + PATIENCE);
        if patience.is_some_and(|end| end <= Instant::now()) {
            told = true;
            error!(
                of = states.len(),
                "No channel is left that runs, nobody can reach the agent: the reasons stand above; what failed is tried again, what is disabled or \
                 quarantined waits for `miniclaw plugin enable`"
            );
            continue;
        }
        let changed = select_all(states.iter_mut().map(|state| Box::pin(changed(state))));
        let over = async {
            match patience {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = changed => {}
            Ok(()) = slots.changed() => {}
            () = over => {}
        }
    }
}

/// A channel whose supervisor is gone stays as it is.
async fn changed(state: &mut watch::Receiver<State>) {
    if state.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Takes all of them for seen, those beside a running one too: what is not would count as a change for ever.
fn standing(channels: &mut [watch::Receiver<State>]) -> Standing {
    let mut standing = Standing::Down;
    for channel in channels {
        match &*channel.borrow_and_update() {
            State::Running | State::Paused(_) => standing = Standing::Up,
            State::Starting | State::Backoff(_) if standing == Standing::Down => standing = Standing::Waiting,
            _ => {}
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_channel_that_hears_people_is_enough() {
        let of = |states: &[State]| {
            let channels = states.iter().map(|state| watch::channel(state.clone()));
            let (_senders, mut channels): (Vec<_>, Vec<_>) = channels.unzip();
            channels.iter_mut().for_each(watch::Receiver::mark_changed);
            let standing = standing(&mut channels);
            let unseen = |channel: &watch::Receiver<State>| channel.has_changed().unwrap();
            assert!(!channels.iter().any(unseen));
            standing
        };
        let (failed, backoff) = (State::Failed(String::new()), State::Backoff(String::new()));
        assert_eq!(of(&[failed.clone(), State::Paused(String::new())]), Standing::Up);
        assert_eq!(of(&[failed.clone(), backoff, failed.clone()]), Standing::Waiting);
        assert_eq!(of(&[failed, State::Quarantined(String::new())]), Standing::Down);
    }
}
