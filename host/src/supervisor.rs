//! Keeps plugin instances alive: starts them, restarts them with backoff, gives up on those that cannot run.

mod channel;
mod crashes;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use miniclaw_plugin_api::{Account, Cause, Error, Outcome};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub(crate) use channel::ChannelDuties;

use self::crashes::Crashes;
use crate::backoff::{Backoff, chance};
use crate::plugins::instance::{Blueprint, Hooks, Instance, Method, is_unresponsive};

/// Between lives of an instance.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
};
/// Between attempts to reach a platform that is down: it is to be back soon after its outage.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(4),
};
/// A life this long was healthy: the next failure counts as the first.
const HEALTHY: Duration = Duration::from_secs(60);
/// What a platform refused for good is sometimes mended on its side: credentials are renewed, a bot is let in again.
/// An instance that failed is tried this often.
const FAILED_AGAIN: Duration = Duration::from_secs(300);

/// Between questions whether an instance's thread lives.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What an instance is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Running,
    /// The host takes no messages at present.
    Paused,
    Backoff(String),
    /// It cannot run until somebody changes something.
    Failed(String),
    /// It crashed too often.
    Quarantined(String),
    Stopped,
}

/// How the host ends its instances, in two steps.
#[derive(Clone, Default)]
pub(crate) struct Stops {
    /// Channels receive no more.
    pub(crate) receiving: CancellationToken,
    /// Instances shut down.
    pub(crate) running: CancellationToken,
    /// What `shutdown` of an instance may take, once that is known to be less than it usually may.
    limit: Arc<OnceLock<Duration>>,
    /// Channels that receive.
    receivers: Arc<watch::Sender<usize>>,
}

impl Stops {
    /// Waits until no channel receives.
    pub(crate) async fn quiet(&self) {
        // The sender lives as long as self.
        let _ = self.receivers.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Counts a channel as receiving until it is dropped.
    fn receives(&self) -> Receives {
        self.receivers.send_modify(|count| *count += 1);
        Receives(self.receivers.clone())
    }

    /// Bounds every `shutdown` to come.
    pub(crate) fn end_within(&self, limit: Duration) {
        // Only the shutdown sets it, once.
        let _ = self.limit.set(limit);
    }
}

struct Receives(Arc<watch::Sender<usize>>);

impl Drop for Receives {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// One configured instance.
pub(crate) struct Supervised {
    pub(crate) name: Arc<str>,
    pub(crate) blueprint: Blueprint,
    /// Settings as JSON text, secrets resolved.
    pub(crate) settings: String,
    pub(crate) log_level: u8,
    pub(crate) hooks: Hooks,
    pub(crate) current: watch::Sender<Option<Arc<Instance>>>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) stops: Stops,
    /// `None` for a provider.
    pub(crate) channel: Option<ChannelDuties>,
}

/// How a life ended.
#[derive(Debug)]
enum End {
    Stopped,
    Failed(Error),
    /// `create` failed for good. It sees nothing but the settings, which stay as they are until the gateway starts
    /// again: no further attempt can help.
    Hopeless(Error),
    Crashed(Error),
    Broken(Error),
}

impl End {
    /// From an error of `create`, `start` or `receive`.
    fn of(error: Error) -> Self {
        match (error.outcome, error.cause) {
            (_, Cause::Panicked) => Self::Crashed(error),
            _ if is_unresponsive(&error) => Self::Crashed(error),
            (Outcome::Permanent, _) => Self::Failed(error),
            _ => Self::Broken(error),
        }
    }
}

impl Supervised {
    /// Runs lives of the instance until the host stops.
    pub(crate) async fn run(self) {
        let (mut failures, mut crashes, mut failed) = (0, Crashes::default(), false);
        while !self.stops.running.is_cancelled() {
            self.state.send_replace(State::Starting);
            let born = tokio::time::Instant::now();
            let end = self.live().await;
            failures = if born.elapsed() >= HEALTHY {
                1
            } else {
                failures + 1
            };
            if self
                .rest(end, failures, &mut crashes, &mut failed)
                .await
                .is_none()
            {
                break;
            }
        }
        self.state.send_replace(State::Stopped);
    }

    /// Waits until the next life; `None` where there is none.
    async fn rest(&self, end: End, failures: u32, crashes: &mut Crashes, failed: &mut bool) -> Option<()> {
        let name = &*self.name;
        let again_failed = std::mem::replace(failed, matches!(end, End::Failed(_)));
        let (state, wait) = match end {
            End::Stopped => return None,
            End::Failed(error) => {
                let wait = FAILED_AGAIN;
                if again_failed {
                    debug!(plugin = name, ?wait, %error, "Plugin failed again");
                } else {
                    error!(plugin = name, ?wait, %error, "Plugin failed, it is tried again until that is mended");
                }
                (State::Failed(error.message), Some(wait))
            }
            End::Hopeless(error) => {
                error!(plugin = name, %error, "Plugin failed, it stays down until the gateway starts with other settings");
                (State::Failed(error.message), None)
            }
            End::Crashed(error)
                if crashes.too_many(tokio::time::Instant::now(), self.leaves_a_thread(&error)) =>
            {
                error!(plugin = name, %error, "Plugin crashed too often and is quarantined, restart the gateway to try again");
                (State::Quarantined(error.message), None)
            }
            End::Crashed(error) | End::Broken(error) => {
                let asked = match error.outcome {
                    Outcome::Transient { retry_after } => retry_after,
                    _ => None,
                };
                let outage = matches!(
                    error.cause,
                    Cause::Network | Cause::Unavailable | Cause::Timeout | Cause::Protocol
                );
                let backoff = if outage { OUTAGE } else { BACKOFF };
                let wait = asked.unwrap_or_else(|| backoff.wait(failures, chance()));
                if outage && failures > 1 {
                    debug!(plugin = name, ?wait, failures, %error, "Plugin is restarted");
                } else {
                    warn!(plugin = name, ?wait, failures, %error, "Plugin is restarted");
                }
                (State::Backoff(error.message), Some(wait))
            }
        };
        self.state.send_replace(state);
        let again = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stops.running.cancelled() => None,
            () = again => Some(()),
        }
    }

    /// Whether a thread of the gateway is lost for good.
    fn leaves_a_thread(&self, error: &Error) -> bool {
        is_unresponsive(error) && !self.blueprint.is_isolated()
    }

    async fn live(&self) -> End {
        let spawned = Instance::spawn(
            self.blueprint.clone(),
            self.name.clone(),
            &self.settings,
            self.log_level,
            self.hooks.clone(),
        );
        let (instance, requests) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => return End::of(error),
        };
        let mut created = false;
        let end = tokio::select! {
            biased;
            () = self.stops.running.cancelled() => End::Stopped,
            started = self.start(&instance, &mut created) => match started {
                Err(error) => match End::of(error) {
                    End::Failed(error) if !created => End::Hopeless(error),
                    end => end,
                },
                Ok(account) => {
                    let account_name = Some(&account.name).filter(|name| !name.is_empty());
                    info!(plugin = %self.name, account = account_name, "Plugin running");
                    self.current.send_replace(Some(instance.clone()));
                    self.state.send_replace(State::Running);
                    let serve = async {
                        match &self.channel {
                            Some(duties) => self.serve(duties, &instance, &account, requests).await,
                            None => {
                                self.stops.running.cancelled().await;
                                End::Stopped
                            }
                        }
                    };
                    tokio::select! {
                        biased;
                        error = instance.failed() => End::Crashed(error),
                        error = unresponsive(&instance) => End::Crashed(error),
                        end = serve => end,
                    }
                }
            },
        };
        self.current.send_replace(None);
        if created {
            self.shut_down(&instance).await;
        }
        instance.abandon();
        end
    }

    async fn start(&self, instance: &Instance, created: &mut bool) -> Result<Account, Error> {
        instance.call(Method::CREATE, &()).await?;
        *created = true;
        let payload = instance.call(Method::START, &()).await?;
        if self.channel.is_some() {
            payload.decode()
        } else {
            Ok(Account::default())
        }
    }

    async fn shut_down(&self, instance: &Instance) {
        let method = self
            .stops
            .limit
            .get()
            .map_or(Method::SHUTDOWN, |limit| Method::SHUTDOWN.within(*limit));
        match instance.call(method, &()).await {
            Ok(_) if self.stops.receiving.is_cancelled() => info!(plugin = %self.name, "Plugin shut down"),
            Ok(_) => debug!(plugin = %self.name, "Plugin shut down"),
            Err(error) if error.cause == Cause::Timeout => {
                warn!(plugin = %self.name, %error, "Plugin hangs in its shutdown and is left behind");
            }
            Err(error) => warn!(plugin = %self.name, %error, "Plugin failed to shut down"),
        }
    }
}

/// Waits until the instance's thread does not answer, which is a plugin that blocks it.
async fn unresponsive(instance: &Instance) -> Error {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        // The glue answers that there is no such method, which is an answer.
        if let Err(error) = instance.call(Method::HEARTBEAT, &()).await
            && is_unresponsive(&error)
        {
            return error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_plugin_itself_did_is_a_crash() {
        let crash = |error: Error| matches!(End::of(error), End::Crashed(_));
        let platform_is_silent = Error::transient("no answer").because(Cause::Timeout);
        assert!(!crash(platform_is_silent.clone()));
        assert!(!crash(Error::unknown("no answer").because(Cause::Timeout)));
        assert!(crash(platform_is_silent.with("host_deadline", true)));
        assert!(crash(Error::unknown("boom").because(Cause::Panicked)));
        assert!(matches!(End::of(Error::config("no token")), End::Failed(_)));
    }
}
