//! Keeps plugin instances alive: starts them, restarts them with backoff, gives up on those that cannot run, and puts
//! others in their place.

mod channel;
mod crashes;
mod ledger;
mod life;
mod orders;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, Outcome};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub(crate) use channel::ChannelDuties;
pub(crate) use ledger::{Ledger, LedgerError};
pub(crate) use orders::{Answer, Make, ORDERS, Order};

use self::crashes::Crashes;
use self::life::Ready;
use crate::backoff::{Backoff, chance};
use crate::config::Config;
use crate::feed::{self, Kind};
use crate::plugins::instance::{Hooks, Instance, is_unresponsive};
use crate::sync::lock;
use crate::tasks::Tasks;
use crate::telemetry;

/// Between attempts to reach a platform that is down: it is to be back soon after its outage.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(4),
};
/// The longest wait between lives is this many times the shortest.
const LONGEST: u32 = 60;
/// A life this long was healthy: the next failure counts as the first.
const HEALTHY: Duration = Duration::from_secs(60);
/// What a platform refused for good is sometimes mended on its side: credentials are renewed, a bot is let in again.
/// An instance that failed is tried this often.
const FAILED_AGAIN: Duration = Duration::from_secs(300);

/// What an instance is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Running,
    /// The host takes no messages at present.
    Paused(String),
    Backoff(String),
    /// It cannot run until somebody changes something.
    Failed(String),
    /// It crashed too often: it waits for the operator.
    Quarantined(String),
    /// The operator does not want it to run.
    Disabled,
    Stopped,
}

impl State {
    /// One word, and the reason where there is one.
    pub(crate) fn describe(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Starting => ("starting", None),
            Self::Running => ("running", None),
            Self::Paused(reason) => ("paused", Some(reason)),
            Self::Backoff(reason) => ("backoff", Some(reason)),
            Self::Failed(reason) => ("failed", Some(reason)),
            Self::Quarantined(reason) => ("quarantined", Some(reason)),
            Self::Disabled => ("disabled", None),
            Self::Stopped => ("stopped", None),
        }
    }
}

/// An error, and when it happened.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: String,
    pub(crate) at: Instant,
    /// Lives that followed on ones that ended badly, and those that ended by a crash or a hang.
    pub(crate) restarts: u64,
    pub(crate) crashes: u64,
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
    /// The same among all of the host.
    all: Option<Arc<watch::Sender<usize>>>,
}

impl Stops {
    /// How one instance is ended by itself, beside all of them.
    pub(crate) fn of_one(&self) -> Self {
        Self {
            receiving: self.receiving.child_token(),
            running: self.running.child_token(),
            limit: self.limit.clone(),
            receivers: Arc::default(),
            all: Some(self.receivers.clone()),
        }
    }

    /// Waits until no channel receives.
    pub(crate) async fn quiet(&self) {
        // The sender lives as long as self.
        let _ = self.receivers.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Counts a channel as receiving until it is dropped.
    fn receives(&self) -> Receives {
        let counts = [Some(self.receivers.clone()), self.all.clone()];
        let count = |sum: &Arc<watch::Sender<usize>>| sum.send_modify(|count| *count += 1);
        counts.iter().flatten().for_each(count);
        Receives(counts)
    }

    /// Bounds every `shutdown` to come.
    pub(crate) fn end_within(&self, limit: Duration) {
        // Only the shutdown sets it, once.
        let _ = self.limit.set(limit);
    }
}

struct Receives([Option<Arc<watch::Sender<usize>>>; 2]);

impl Drop for Receives {
    fn drop(&mut self) {
        let counts = self.0.iter().flatten();
        counts.for_each(|sum| sum.send_modify(|count| *count -= 1));
    }
}

/// One configured instance.
pub(crate) struct Supervised {
    pub(crate) name: Arc<str>,
    /// Its place in the configuration: `channels.NAME` or `providers.NAME`.
    pub(crate) key: String,
    /// `None` where the plugin's library was refused.
    pub(crate) make: Option<Make>,
    /// Of what makes instances from here on, see [`Make::mark`].
    pub(crate) mark: Arc<Mutex<Option<String>>>,
    pub(crate) telemetry: telemetry::Handle,
    pub(crate) hooks: Hooks,
    pub(crate) current: watch::Sender<Option<Arc<Instance>>>,
    pub(crate) state: watch::Sender<State>,
    /// How the last life ended that ended badly.
    pub(crate) failure: Arc<Mutex<Option<Failure>>>,
    pub(crate) stops: Stops,
    /// In effect.
    pub(crate) config: watch::Receiver<Arc<Config>>,
    pub(crate) ledger: Arc<Ledger>,
    /// What was replaced ends here.
    pub(crate) tasks: Tasks,
    /// `None` for a provider.
    pub(crate) channel: Option<ChannelDuties>,
}

/// How a life ended.
enum End {
    Stopped,
    /// Another instance takes its place.
    Replaced(Box<Ready>, Answer),
    /// The operator does not want it to run, and was told that it does not.
    Disabled,
    Failed(Error),
    /// `create` failed for good. It sees nothing but the settings: no further attempt can help until they are others.
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

/// What earlier lives tell about the next.
#[derive(Default)]
struct Past {
    failures: u32,
    crashes: Crashes,
    failed: bool,
}

/// How a wait between lives ends.
enum Next {
    Life,
    /// A life whose beginning somebody waits for.
    Told(Answer),
    Nothing,
}

impl Supervised {
    /// Runs lives of the instance until the host stops.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let (mut past, mut ready, mut told) = (Past::default(), None, None);
        let mut next = match self.hindrance() {
            Some(state) => self.wait(state, None, &mut orders, &mut past).await,
            None => Next::Life,
        };
        loop {
            match next {
                Next::Nothing => break,
                Next::Told(answer) => told = Some(answer),
                Next::Life => {}
            }
            let born = tokio::time::Instant::now();
            let end = self.live(ready.take(), told.take(), &mut orders).await;
            past.failures = if born.elapsed() >= HEALTHY {
                1
            } else {
                past.failures + 1
            };
            next = match end {
                End::Replaced(successor, answer) => {
                    past = Past::default();
                    ready = Some(successor);
                    Next::Told(answer)
                }
                end => self.rest(end, &mut orders, &mut past).await,
            };
        }
        self.turn_to(State::Stopped);
    }

    /// What it is doing from here on.
    fn turn_to(&self, state: State) {
        feed::tell(Kind::State, |event| {
            let (word, reason) = state.describe();
            let kind = self.key.split_once("s.").map_or("", |(kind, _)| kind);
            let event = event.channel(&self.name).with("instance_kind", kind);
            event.with("state", word).with("reason", reason)
        });
        self.state.send_replace(state);
    }

    /// Why it is not even started.
    fn hindrance(&self) -> Option<State> {
        if self.ledger.is_disabled(&self.key) {
            info!(
                plugin = &*self.name,
                "Plugin is disabled, `miniclaw plugin enable` lets it run"
            );
            return Some(State::Disabled);
        }
        if let Some(reason) = self.ledger.quarantined(&self.key) {
            warn!(
                plugin = &*self.name,
                reason, "Plugin is quarantined, `miniclaw plugin enable` lifts it"
            );
            return Some(State::Quarantined(reason));
        }
        self.make
            .is_none()
            .then(|| State::Failed("its library was refused".into()))
    }

    /// Waits until the next life.
    async fn rest(&mut self, end: End, orders: &mut mpsc::Receiver<Order>, past: &mut Past) -> Next {
        let name = &*self.name;
        self.hint_at_sandbox(&end);
        self.note(&end);
        let again_failed = std::mem::replace(&mut past.failed, matches!(end, End::Failed(_)));
        let (state, wait) = match end {
            End::Stopped | End::Replaced(..) => return Next::Nothing,
            End::Disabled => (State::Disabled, None),
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
                error!(plugin = name, %error, "Plugin failed, it stays down until it gets other settings or is reloaded");
                (State::Failed(error.message), None)
            }
            End::Crashed(error) if self.is_one_crash_too_many(&error, past) => {
                error!(
                    plugin = name, %error,
                    "Plugin crashed too often and is quarantined; when that is mended, run `miniclaw plugin enable {name}`"
                );
                self.ledger.quarantine(&self.key, &error.message);
                (State::Quarantined(error.message), None)
            }
            End::Crashed(error) => self.back_off(error, past.failures, false),
            End::Broken(error) => {
                let outage = is_outage(&error);
                self.back_off(error, past.failures, outage)
            }
        };
        self.wait(state, wait, orders, past).await
    }

    fn note(&self, end: &End) {
        if let Some(error) = end.error() {
            let (error, at) = (error.message.clone(), Instant::now());
            let mut failure = lock(&self.failure);
            let (restarts, crashes) = failure
                .as_ref()
                .map_or((0, 0), |last| (last.restarts, last.crashes));
            *failure = Some(Failure {
                error,
                at,
                restarts,
                crashes: crashes + u64::from(matches!(end, End::Crashed(_))),
            });
        }
    }

    fn hint_at_sandbox(&self, end: &End) {
        let blueprint = self.make.as_ref().map(|make| &make.blueprint);
        if let (Some(blueprint), Some(error)) = (blueprint, end.error()) {
            blueprint.hint_at_sandbox(&self.name, error);
        }
    }

    fn is_one_crash_too_many(&self, error: &Error, past: &mut Past) -> bool {
        // A thread of the gateway's own process is lost for good.
        let left_behind = is_unresponsive(error)
            && self
                .make
                .as_ref()
                .is_none_or(|make| !make.blueprint.is_isolated());
        let most = self.config.borrow().gateway.max_crashes;
        past.crashes
            .too_many(tokio::time::Instant::now(), left_behind, most)
    }

    fn back_off(&self, error: Error, failures: u32, outage: bool) -> (State, Option<Duration>) {
        let name = &*self.name;
        let asked = match error.outcome {
            Outcome::Transient { retry_after } => retry_after,
            _ => None,
        };
        let first = self.config.borrow().gateway.restart_backoff;
        let own = Backoff {
            first,
            longest: first * LONGEST,
        };
        let backoff = if outage { OUTAGE } else { own };
        let wait = asked.unwrap_or_else(|| backoff.wait(failures, chance()));
        if outage && failures > 1 {
            debug!(plugin = name, ?wait, failures, %error, "Plugin is restarted");
        } else {
            warn!(plugin = name, ?wait, failures, %error, "Plugin is restarted");
        }
        (State::Backoff(error.message), Some(wait))
    }

    /// Waits in a state until its time is over or the operator wants something else.
    async fn wait(
        &mut self,
        mut state: State,
        mut wait: Option<Duration>,
        orders: &mut mpsc::Receiver<Order>,
        past: &mut Past,
    ) -> Next {
        loop {
            self.turn_to(state.clone());
            let again = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            let order = tokio::select! {
                () = self.stops.running.cancelled() => return Next::Nothing,
                () = again => {
                    if let Some(failure) = lock(&self.failure).as_mut() {
                        failure.restarts += 1;
                    }
                    return Next::Life;
                }
                Some(order) = orders.recv() => order,
            };
            match order {
                Order::Replace(make, answer) => {
                    self.take_over(make);
                    if state == State::Disabled {
                        answer.tell(Ok("it is disabled, and starts when it is enabled".into()));
                        continue;
                    }
                    self.ledger.lift(&self.key);
                    *past = Past::default();
                    return Next::Told(answer);
                }
                Order::Enable(answer) if self.make.is_none() => {
                    answer.tell(Err(
                        "its library was refused; `miniclaw plugin list` says why".into()
                    ));
                    state = State::Failed("its library was refused".into());
                }
                Order::Enable(answer) => {
                    *past = Past::default();
                    return Next::Told(answer);
                }
                Order::Disable(answer) => {
                    answer.tell(Ok("disabled".into()));
                    (state, wait) = (State::Disabled, None);
                }
            }
        }
    }

    /// From here on lives are made with this.
    fn take_over(&mut self, make: Box<Make>) {
        if let Some(duties) = &self.channel {
            duties.admit_by(&make, &self.name);
        }
        *lock(&self.mark) = Some(make.mark.clone());
        self.make = Some(*make);
    }
}

/// Whether the platform or the way to it is at fault.
fn is_outage(error: &Error) -> bool {
    matches!(
        error.cause,
        Cause::Network | Cause::Unavailable | Cause::Timeout | Cause::Protocol
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_instance_ends_beside_the_others_and_all_end_with_the_host() {
        let all = Stops::default();
        let (one, other) = (all.of_one(), all.of_one());
        let (receives, others) = (one.receives(), other.receives());
        one.receiving.cancel();
        one.running.cancel();
        assert!(!other.receiving.is_cancelled() && !all.running.is_cancelled());
        drop(receives);
        one.quiet().await;
        assert_eq!(*all.receivers.borrow(), 1);
        drop(others);
        all.quiet().await;
        all.receiving.cancel();
        assert!(other.receiving.is_cancelled() && all.of_one().receiving.is_cancelled());
    }

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
