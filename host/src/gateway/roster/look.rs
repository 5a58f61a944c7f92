//! How the gateway and all its instances are, for `miniclaw status`. Spans are milliseconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::Kind;
use serde_json::{Map, Value, json};

use super::{Roster, Slot, lock};
use crate::agent::Breakers;
use crate::desk::Desk;
use crate::hub::{Channels, ChatHub};
use crate::observe::Minutes;
use crate::telemetry::printable;

/// Of a text of other people.
const TEXT_CHARS: usize = 500;
/// For a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What [`Look`] looks at beside the roster.
pub(crate) struct Sights {
    pub(crate) born: Instant,
    pub(crate) breakers: Breakers,
    pub(crate) channels: Arc<Channels>,
    pub(crate) minutes: Arc<Minutes>,
}

/// One look.
pub(crate) struct Look<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) desk: &'a Desk,
    pub(crate) sights: &'a Sights,
}

impl Look<'_> {
    /// All of it, in sections.
    pub(crate) async fn all(&self) -> Value {
        let now = Instant::now();
        let slots = self.roster.slots.borrow().clone();
        let states = self.roster.states_of(&slots);
        let instances = |kind: Kind, more: &dyn Fn(&Slot) -> Map<String, Value>| -> Vec<Value> {
            let slots = slots.iter().zip(&states);
            let of_kind = slots.filter(|(slot, _)| slot.kind == kind);
            let whole = of_kind.map(|(slot, state)| {
                let mut whole = json!(state);
                merge(&mut whole, failure(slot, now));
                merge(&mut whole, more(slot));
                whole
            });
            whole.collect()
        };
        let mut status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "up_ms": ms(self.sights.born.elapsed()),
            "channels": instances(Kind::Channel, &|slot| self.channel(slot, now)),
            "providers": instances(Kind::Provider, &|slot| self.provider(slot, now)),
            "counters": self.desk.counters(),
            "minutes": self.sights.minutes.told(),
        });
        if let Some(hub) = &self.desk.hub {
            let (queue, disk_error) = tokio::join!(self.queue(hub), self.disk_error());
            status["queue"] = queue;
            if let Some(reason) = disk_error {
                status["disk_error"] = reason.into();
            }
        }
        self.scrub(&mut status);
        status
    }

    /// Errors come from plugins, which may have put anything into them.
    fn scrub(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.roster.ground.telemetry.scrub(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.scrub(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.scrub(value)),
            _ => {}
        }
    }

    fn channel(&self, slot: &Slot, now: Instant) -> Map<String, Value> {
        let mut map = Map::new();
        if let Some(instance) = &*slot.current.borrow() {
            map.extend(
                instance
                    .account()
                    .map(|name| ("account".into(), printable(name, TEXT_CHARS).into())),
            );
            map.extend(self.unheard(&slot.name, now));
            let heard = *instance.progress().borrow();
            map.extend(heard.map(|heard| ("heard_ms".into(), ms(now.saturating_duration_since(heard)))));
            map.extend(instance.outage().map(|outage| {
                let over = outage.ended.map(|ended| ms(now.saturating_duration_since(ended)));
                let began = ms(now.saturating_duration_since(outage.began));
                (
                    "outage".into(),
                    json!({ "reason": outage.reason, "began_ms": began, "over_ms": over }),
                )
            }));
        }
        let outbox = self.desk.hub.as_ref().and_then(|hub| hub.outbox(&slot.name));
        if let Some(outbox) = outbox {
            map.insert("replies_waiting".into(), outbox.waiting().into());
            map.extend(outbox.flood_wait(now).map(|(left, all)| {
                (
                    "flood_wait".into(),
                    json!({ "left_ms": ms(left), "all_chats": all }),
                )
            }));
        }
        map
    }

    /// Whom a channel does not hear, who may expect that it does.
    fn unheard(&self, channel: &str, now: Instant) -> Map<String, Value> {
        let mut map = Map::new();
        let Some(channel) = self.sights.channels.get(channel) else {
            return map;
        };
        let gate = channel.gate.borrow().clone();
        if gate.is_closed() && !gate.pairs() {
            map.insert("nobody_may_write".into(), true.into());
        }
        let groups = channel.told.asked_lately(now);
        let groups: Vec<Value> = groups
            .into_iter()
            .filter(|(group, _)| !gate.lists(group))
            .map(|(group, ago)| json!({ "group": group, "ago_ms": ms(ago) }))
            .collect();
        if !groups.is_empty() {
            map.insert("groups_not_heard".into(), groups.into());
        }
        map
    }

    fn provider(&self, slot: &Slot, now: Instant) -> Map<String, Value> {
        let health = self.sights.breakers.health(&slot.name);
        let mut map = Map::new();
        let open = health
            .open_until
            .map(|until| until.saturating_duration_since(now));
        map.extend(open.map(|left| ("left_alone_ms".into(), ms(left))));
        map.extend(
            health
                .failure
                .map(|(error, at)| ("last_error".into(), told(&error, at, now))),
        );
        map
    }

    /// Why nothing can be stored at present.
    async fn disk_error(&self) -> Option<String> {
        let spool = &self.desk.spool;
        spool.trouble()?;
        // Nobody else may have anything to store, and this finds out whether it heals.
        let _ = tokio::time::timeout(PATIENCE, spool.probe()).await;
        spool.trouble()
    }

    async fn queue(&self, hub: &ChatHub) -> Value {
        let (waiting, running) = hub.outstanding();
        // What cannot be counted at present is left out: whoever looks has a reason to.
        let counted = tokio::time::timeout(PATIENCE, self.desk.spool.unfinished()).await;
        let dead = counted
            .ok()
            .and_then(Result::ok)
            .map(|unfinished| unfinished.dead);
        json!({ "waiting": waiting, "turns": running, "dead_letters": dead })
    }
}

/// How the last life of an instance ended that ended badly.
fn failure(slot: &Slot, now: Instant) -> Map<String, Value> {
    let failure = lock(&slot.failure).clone();
    let failure = failure.map(|failure| ("last_error".into(), told(&failure.error, failure.at, now)));
    failure.into_iter().collect()
}

fn told(error: &str, at: Instant, now: Instant) -> Value {
    let error = printable(error, TEXT_CHARS);
    json!({ "error": error, "ago_ms": ms(now.saturating_duration_since(at)) })
}

fn merge(whole: &mut Value, more: Map<String, Value>) {
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(more);
    }
}

fn ms(span: Duration) -> Value {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}
