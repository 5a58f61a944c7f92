//! What a channel's life has beyond a provider's: receiving, pauses, signs of deafness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::wire::Receive;
use miniclaw_plugin_api::{Account, Capability, Cause, Error};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{End, Make, State, Supervised};
use crate::hub::{Channel, ChatHub};
use crate::intake::{Albums, Pump};
use crate::pairing::Pairing;
use crate::plugins::instance::{InboundRequest, Instance, Method};
use crate::spool::Spool;
use crate::tasks::Tasks;

/// A channel that was heard once, and does not say how long its polls are, is deaf after this silence: twice the
/// longest poll that platforms offer, and then some.
const DEAF_AFTER: Duration = Duration::from_secs(180);
/// One that says it is deaf after this many polls and the way there and back.
const DEAF_POLLS: u32 = 3;
const WAY: Duration = Duration::from_secs(1);
/// How often silence is looked at: this often within what makes a channel deaf, and every 10 s at least.
const LOOKS: u32 = 10;
const LISTEN: Duration = Duration::from_secs(10);
/// What `receive` may take to end after it was asked to.
const RECEIVE_ENDS: Duration = Duration::from_millis(2500);
/// A pause lasts at least this long.
const PAUSE: Duration = Duration::from_secs(1);
/// Pauses closer together than this are one, as far as the log is concerned.
const SAME_PAUSE: Duration = Duration::from_secs(60);

/// What a channel instance is connected to.
pub(crate) struct ChannelDuties {
    pub(crate) channel: Arc<Channel>,
    pub(crate) pairing: Arc<Pairing>,
    pub(crate) hub: Arc<ChatHub>,
    pub(crate) spool: Arc<dyn Spool>,
    pub(crate) tasks: Tasks,
}

impl ChannelDuties {
    /// Takes up what an instance's successor brings: who may write, and how long a text may be.
    pub(super) fn admit_by(&self, make: &Make, name: &str) {
        if let Some(gate) = &make.gate {
            self.channel.admit(name, gate.clone(), make.habits);
        }
        let outbox = &self.channel.outbox;
        outbox.set_text_limit(make.blueprint.text_limit, make.blueprint.text_unit);
        outbox.set_attaches(make.blueprint.can(Capability::SendAttachments));
    }
}

impl Supervised {
    /// Receives until it is to receive no more, which is `None`, or the instance breaks.
    pub(super) async fn serve(
        &self,
        duties: &ChannelDuties,
        instance: &Arc<Instance>,
        account: &Account,
        requests: mpsc::Receiver<InboundRequest>,
        receiving: &CancellationToken,
    ) -> Option<End> {
        let pump = Pump {
            channel: self.name.clone(),
            account: account.id.clone(),
            gate: duties.channel.gate.subscribe(),
            told_old: duties.channel.told.clone(),
            aliases: duties.channel.aliases.clone(),
            pairing: duties.pairing.clone(),
            hub: duties.hub.clone(),
            spool: duties.spool.clone(),
            stopping: self.stops.receiving.clone(),
            albums: Albums::default(),
        };
        duties.tasks.spawn("intake", pump.run(requests));
        tokio::select! {
            biased;
            end = self.receive(duties, instance, account, receiving) => end,
            // No crash: the platform may be at fault, and a channel is not given up for that.
            silence = self.deafness(instance, deaf_after(account)) => Some(End::Broken(
                Error::transient(format!("the channel heard nothing from its platform for {silence:?}")),
            )),
        }
    }

    async fn receive(
        &self,
        duties: &ChannelDuties,
        instance: &Instance,
        account: &Account,
        receiving: &CancellationToken,
    ) -> Option<End> {
        let mut paused = None;
        while !receiving.is_cancelled() {
            let cursor = duties
                .spool
                .cursor(self.name.clone(), account.id.clone())
                .await
                .unwrap_or_default();
            let body = Receive { cursor };
            let _receives = self.stops.receives();
            let receive = instance.call(Method::RECEIVE, &body);
            tokio::pin!(receive);
            let ended = tokio::select! {
                ended = &mut receive => ended,
                () = receiving.cancelled() => {
                    let stop = async {
                        // Where the request fails, the wait below ends the operation.
                        let _ = instance.call(Method::STOP_RECEIVING, &()).await;
                        receive.await
                    };
                    // The end of all instances does not wait for this one.
                    let patience = async {
                        tokio::select! {
                            () = tokio::time::sleep(RECEIVE_ENDS) => {}
                            () = self.stops.running.cancelled() => {}
                        }
                    };
                    let stopped = tokio::select! {
                        biased;
                        ended = stop => Ok(ended),
                        () = patience => Err(()),
                    };
                    match stopped {
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => info!(channel = %self.name, %error, "Channel ended receiving with an error"),
                        Err(()) => warn!(channel = %self.name, "Channel went on receiving and was cut off"),
                    }
                    break;
                }
            };
            match ended {
                Err(error) if error.cause == Cause::Busy => {
                    self.pause(duties, &error, &mut paused, receiving).await
                }
                Err(error) if error.cause == Cause::Stopping && receiving.is_cancelled() => break,
                Err(error) => return Some(End::of(error)),
                Ok(_) => {
                    let error = Error::transient("the channel ended receiving by itself");
                    return Some(End::Broken(error));
                }
            }
        }
        None
    }

    /// The platform keeps what comes meanwhile. `last` is when the pause before this one ended.
    async fn pause(
        &self,
        duties: &ChannelDuties,
        error: &Error,
        last: &mut Option<Instant>,
        receiving: &CancellationToken,
    ) {
        if last.is_none_or(|last| last.elapsed() > SAME_PAUSE) {
            warn!(channel = %self.name, %error, "Channel paused, it resumes by itself");
        } else {
            debug!(channel = %self.name, %error, "Channel paused");
        }
        self.turn_to(State::Paused(error.message.clone()));
        let gate = duties.channel.gate.subscribe();
        let level = || gate.borrow().resume_level();
        let resumed = async {
            tokio::time::sleep(PAUSE).await;
            duties.hub.has_room(&self.name, level).await;
        };
        tokio::select! {
            () = resumed => debug!(channel = %self.name, "Channel resumed"),
            () = receiving.cancelled() => {}
        }
        *last = Some(Instant::now());
        self.turn_to(State::Running);
    }

    /// Ends when a channel that was heard is heard no more; never for one that reports no progress, and not while
    /// the host does not listen or the platform is down.
    async fn deafness(&self, instance: &Instance, deaf_after: Duration) -> Duration {
        let listen = LISTEN.min(deaf_after / LOOKS);
        let mut progress = instance.progress();
        if progress.wait_for(Option::is_some).await.is_err() {
            return std::future::pending().await;
        }
        let mut silent = Duration::ZERO;
        while silent < deaf_after {
            match tokio::time::timeout(listen, progress.changed()).await {
                Ok(Ok(())) => silent = Duration::ZERO,
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) if self.listens(instance) => silent += listen,
                Err(_) => silent = Duration::ZERO,
            }
        }
        silent
    }

    fn listens(&self, instance: &Instance) -> bool {
        !matches!(*self.state.borrow(), State::Paused(_))
            && !self.stops.receiving.is_cancelled()
            && !instance.in_outage()
            && !instance.awaits_verdicts()
    }
}

fn deaf_after(account: &Account) -> Duration {
    account.poll_timeout().map_or(DEAF_AFTER, |timeout| {
        timeout.saturating_mul(DEAF_POLLS).saturating_add(WAY)
    })
}
