//! Instances that are configured no more: they end in order, and lose nothing.

use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::Kind;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::{Changed, Roster, Slot, changed};
use crate::supervisor::State;

/// For a channel to end receiving: a little more than what cuts it off.
const QUIET: Duration = Duration::from_millis(2600);
/// For what is under way on a channel, where the end of the gateway may take longer.
const LONGEST: Duration = Duration::from_secs(30);
/// Turns that began before may ask a provider for so long: as long as the longest turn.
const ASKED: Duration = Duration::from_secs(300);

impl Roster {
    /// Ends an instance that is configured no more.
    pub(super) async fn depart(&self, slot: Arc<Slot>) -> Changed {
        let name = slot.name.clone();
        let outcome = match slot.kind {
            Kind::Provider => self.dismiss(slot),
            _ => self.close(slot).await,
        };
        info!(instance = &*name, "Plugin removed: {outcome}");
        changed(&name, Ok(outcome))
    }

    /// A provider ends when no turn is left that may ask it.
    fn dismiss(&self, slot: Arc<Slot>) -> String {
        self.ground.hub.policy().agent.breakers.forget(&slot.name);
        let (unasked, stops, current) = (slot.unasked.clone(), slot.stops.clone(), slot.current.clone());
        drop(slot);
        let all = self.ground.stops.running.clone();
        self.ground.supervisors.spawn("removed provider", async move {
            let instance = current.borrow().clone();
            let settled = async {
                unasked.cancelled().await;
                if let Some(instance) = instance {
                    instance.settled().await;
                }
            };
            tokio::select! {
                () = settled => {}
                () = tokio::time::sleep(ASKED) => {}
                () = all.cancelled() => {}
            }
            stops.running.cancel();
        });
        "removed; it ends when nobody asks it any more".into()
    }

    /// A channel receives no more, answers and sends what is under way, and shuts down. What waits longer stays in the spool.
    async fn close(&self, slot: Arc<Slot>) -> String {
        let name = &*slot.name;
        let hub = &self.ground.hub;
        let Some(channel) = hub.channels.get(name) else {
            return "removed".into();
        };
        let end = Instant::now() + self.config().gateway.shutdown_timeout.min(LONGEST);
        slot.stops.receiving.cancel();
        // One that hangs is cut off with its instance.
        let _ = timeout(QUIET, slot.stops.quiet()).await;
        let messages = hub.under_way(name);
        if !messages.is_empty() {
            info!(
                channel = name,
                ?messages,
                "Channel is being removed. These turns end first"
            );
        }
        let under_way = async {
            hub.ended(&messages).await;
            channel.outbox.flushed().await;
        };
        if timeout_at(end, under_way).await.is_err() {
            warn!(
                channel = name,
                "Not everything that was under way is answered and sent, the rest waits in the spool"
            );
        }
        hub.channels.remove(name);
        let closed = timeout_at(end.max(Instant::now() + QUIET), channel.outbox.close()).await;
        slot.stops.running.cancel();
        let mut state = slot.state.clone();
        // A sender that is gone has stopped.
        let _ = state.wait_for(|state| *state == State::Stopped).await;
        if closed.is_err() {
            // Its sends ended with their instance; whatever comes in its place must not find them under way.
            channel.outbox.close().await;
        }
        match channel.outbox.waiting() {
            0 => "removed".into(),
            1 => "removed; 1 reply waits in the spool until the channel is configured again".into(),
            waiting => {
                format!("removed; {waiting} replies wait in the spool until the channel is configured again")
            }
        }
    }
}
