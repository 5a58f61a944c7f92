//! What instances stand on, and how one is put on it.

use std::sync::{Arc, Mutex};

use miniclaw_plugin_api::wire::Named;
use miniclaw_plugin_api::{Capability, Kind, TextUnit};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::log_sink;
use super::roster::{self, Slot};
use crate::aliases::Aliases;
use crate::config::Config;
use crate::delivery::{Outbox, OutboxParts};
use crate::dispatch::Parcels;
use crate::hub::{Channel, ChatHub};
use crate::pairing::Pairing;
use crate::plugins::instance::{AskSink, Hooks, Instance};
use crate::sessions::SessionManager;
use crate::spool::{Alias, SqliteSpool};
use crate::supervisor::{ChannelDuties, Ledger, Make, ORDERS, Order, State, Stops, Supervised};
use crate::tasks::Tasks;
use crate::telemetry;

/// What all instances have in common, for as long as the process lives.
pub(super) struct Ground {
    /// In effect.
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) store: Arc<SqliteSpool>,
    pub(super) sessions: Arc<SessionManager>,
    pub(super) pairing: Arc<Pairing>,
    pub(super) hub: Arc<ChatHub>,
    pub(super) stops: Stops,
    pub(super) ledger: Arc<Ledger>,
    pub(super) supervisors: Tasks,
    pub(super) console_closed: Arc<watch::Sender<bool>>,
    pub(super) ask: AskSink,
    pub(super) telemetry: telemetry::Handle,
}

/// An instance that is configured and not supervised yet.
pub(super) struct Arrival {
    pub(super) slot: Arc<Slot>,
    /// `None` where the plugin's library was refused, which is in the log.
    make: Option<Make>,
    current: watch::Sender<Option<Arc<Instance>>>,
    state: watch::Sender<State>,
    orders: mpsc::Receiver<Order>,
}

impl Ground {
    /// An instance with its place in the roster.
    pub(super) fn arrival(&self, kind: Kind, name: &Arc<str>, made: Result<Make, String>) -> Arrival {
        let state = match &made {
            Ok(make) => {
                let blueprint = &make.blueprint;
                info!(plugin = &**name, of = &*blueprint.plugin, version = &*blueprint.version, kind = ?kind, "Plugin loaded");
                State::Starting
            }
            Err(reason) => {
                error!(instance = &**name, "{reason}");
                State::Failed("its library was refused".into())
            }
        };
        let (sender, orders) = mpsc::channel(ORDERS);
        let (current, state) = (watch::channel(None).0, watch::channel(state).0);
        let unasked = CancellationToken::new();
        let slot = Slot {
            kind,
            name: name.clone(),
            orders: sender,
            state: state.subscribe(),
            current: current.subscribe(),
            failure: Arc::default(),
            mark: Arc::new(Mutex::new(made.as_ref().ok().map(|make| make.mark.clone()))),
            stops: self.stops.of_one(),
            asked: Arc::new(unasked.clone().drop_guard()),
            unasked,
        };
        Arrival {
            slot: Arc::new(slot),
            make: made.ok(),
            current,
            state,
            orders,
        }
    }

    /// Makes a channel known, so that replies find it; its outbox sends nothing before it is resumed.
    pub(super) fn open(&self, arrival: &Arrival, config: &Config, aliases: &[Alias]) {
        let name = &arrival.slot.name;
        let blueprint = arrival.make.as_ref().map(|make| &make.blueprint);
        let aliases = Arc::new(Aliases::new(name.clone(), aliases));
        let outbox = Outbox::new(OutboxParts {
            channel: name.clone(),
            spool: self.store.clone(),
            config: config.delivery.clone(),
            instance: arrival.slot.current.clone(),
            limit: blueprint.map_or((0, TextUnit::Chars), |blueprint| {
                (blueprint.text_limit, blueprint.text_unit)
            }),
            // Of a refused library it is not known; a send tells when there is another one.
            attaches: blueprint.is_none_or(|blueprint| blueprint.can(Capability::SendAttachments)),
            sessions: self.sessions.clone(),
            counters: self.hub.counters.clone(),
            aliases: aliases.clone(),
            parcels: Parcels::new(&config.state_dir()),
        });
        let gate = roster::gate(config, name, blueprint);
        let habits = roster::habits(config, name, blueprint);
        let channel = Channel::new(name, outbox, aliases, gate, habits);
        self.hub.channels.insert(name.clone(), Arc::new(channel));
    }

    /// Lets an instance live.
    pub(super) fn supervise(&self, arrival: Arrival) {
        let Arrival {
            slot,
            make,
            current,
            state,
            orders,
        } = arrival;
        let channel = self
            .hub
            .channels
            .get(&slot.name)
            .filter(|_| slot.kind == Kind::Channel);
        let duties = channel.map(|channel| ChannelDuties {
            channel,
            pairing: self.pairing.clone(),
            hub: self.hub.clone(),
            spool: self.store.clone(),
            tasks: self.supervisors.clone(),
        });
        let supervised = Supervised {
            hooks: self.hooks(&slot.name, duties.as_ref().map(|duties| &duties.channel)),
            key: roster::key(slot.kind, &slot.name),
            name: slot.name.clone(),
            make,
            mark: slot.mark.clone(),
            failure: slot.failure.clone(),
            telemetry: self.telemetry.clone(),
            current,
            state,
            stops: slot.stops.clone(),
            config: self.config.clone(),
            ledger: self.ledger.clone(),
            tasks: self.supervisors.clone(),
            channel: duties,
        };
        self.supervisors.spawn("supervisor", supervised.run(orders));
    }

    fn hooks(&self, name: &Arc<str>, channel: Option<&Arc<Channel>>) -> Hooks {
        let (closed, name) = (self.console_closed.clone(), name.clone());
        let log = log_sink(&name);
        let channel = channel.cloned();
        let event = move |event: Named| match (&*event.name, &channel) {
            ("console_closed", _) => drop(closed.send_replace(true)),
            ("recovered", Some(channel)) => channel.outbox.recovered(),
            ("chat_migrated", Some(channel)) => {
                let id = |key| event.data.get(key).and_then(|id| id.as_str());
                if let (Some(from), Some(to)) = (id("from"), id("to"))
                    && channel.aliases.learn(from, to)
                {
                    info!(channel = &*name, from, to, "Chat goes on under another id");
                }
            }
            _ => {}
        };
        Hooks {
            log,
            event: Arc::new(event),
            ask: Some(self.ask.clone()),
        }
    }
}
