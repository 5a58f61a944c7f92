//! From the configuration to parts that are connected to each other.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use miniclaw_plugin_api::wire::Named;
use miniclaw_plugin_api::{Capability, Kind};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::blueprints::{Blueprints, NoBlueprint};
use super::observer;
use super::observers::Observers;
use super::roster::{self, Roster, Sights, Slot};
use super::{Running, StartError, upkeep, watchdog};
use crate::agent::{AgentLoop, Breakers, Budget, Compaction, Models, Places, Prompt, Providers};
use crate::aliases::Aliases;
use crate::config::{Config, Route};
use crate::control::{ControlServer, Hands};
use crate::delivery::{Outbox, OutboxParts};
use crate::desk::Desk;
use crate::dispatch::Parcels;
use crate::hub::{ChatHub, Counters, TurnParts};
use crate::intake::{Admins, Gate, Told};
use crate::media::MediaStore;
use crate::pairing::Pairing;
use crate::plugins::catalog::Catalog;
use crate::plugins::instance::{AskSink, Hooks, Instance, LogSink};
use crate::plugins::load::Loader;
use crate::plugins::trust::TrustPolicy;
use crate::sessions::SessionManager;
use crate::spool::{Opened, Spool, SpoolError, SqliteSpool, day_of, wall_ms};
use crate::supervisor::{
    Bounds, ChannelDuties, Failure, Ledger, Make, ORDERS, Order, State, Stops, Supervised,
};
use crate::tasks::Tasks;
use crate::telemetry::{self, PluginLog};

/// Inbound rows that are read from the spool at once.
const PAGE: usize = 1_000;

type Current = watch::Sender<Option<Arc<Instance>>>;

/// What all instances have in common.
struct Common<'a> {
    config: &'a Config,
    log_level: u8,
    stops: Stops,
    ledger: Arc<Ledger>,
    supervisors: Tasks,
    console_closed: Arc<watch::Sender<bool>>,
    ask: AskSink,
}

/// An instance before it is supervised.
struct Draft {
    kind: Kind,
    name: Arc<str>,
    /// `None` where the plugin's library was refused, which is in the log.
    make: Option<Make>,
    mark: Arc<Mutex<Option<String>>>,
    failure: Arc<Mutex<Option<Failure>>>,
    current: Current,
    state: watch::Sender<State>,
    orders: mpsc::Receiver<Order>,
}

pub(super) async fn assemble(
    config: Arc<Config>,
    catalog: &Catalog,
    telemetry: &telemetry::Handle,
    values: Vec<(String, String)>,
) -> Result<Running, StartError> {
    let shared_config = config.clone();
    let config = &*config;
    let observers = Observers::open(config)?;
    let trust = TrustPolicy::of(&config.trust)?;
    let loader = Arc::new(Loader::new(config.state_dir().join("cache"), trust));
    let processes = Tasks::default();
    let (ask, questions) = observer::questions();
    let common = Common {
        config,
        log_level: telemetry.max_level(),
        stops: Stops::default(),
        ledger: Arc::new(Ledger::open(&config.state_dir())?),
        supervisors: Tasks::default(),
        console_closed: Arc::new(watch::channel(false).0),
        ask,
    };
    let blueprints = Blueprints {
        config,
        catalog,
        loader: &loader,
        tasks: &processes,
    };
    let mut slots = Vec::new();
    let mut draft = |kind, name: &String| draft(config, &blueprints, kind, name, &mut slots);
    let providers = config.providers.keys().map(|name| draft(Kind::Provider, name));
    let providers = providers.collect::<Result<Vec<_>, _>>()?;
    let channels = config.channels.keys().map(|name| draft(Kind::Channel, name));
    let channels = channels.collect::<Result<Vec<_>, _>>()?;
    loader.prune();
    let roster = Arc::new(Roster::new(
        shared_config,
        values,
        loader,
        processes,
        common.ledger.clone(),
        slots,
        telemetry.clone(),
    ));
    let pairing = Pairing::open(&config.state_dir())?;
    let Opened {
        spool,
        clean,
        pending,
        outbox,
        dead,
        buried,
        epoch,
    } = SqliteSpool::open(&config.state_dir())?;
    info!(clean, pending, outbox, dead, epoch, "Spool opened");
    let store = spool;
    let spool: Arc<dyn Spool> = store.clone();
    let unfinished = store.unfinished().await?;
    let sessions = SessionManager::new(
        spool.clone(),
        config.sessions_dir(),
        config.sessions.history,
        config.sessions.cache,
    );
    let stored = spool.aliases(Vec::new()).await?;
    let named = |draft: &Draft| {
        (
            draft.name.clone(),
            Arc::new(Aliases::new(draft.name.clone(), &stored)),
        )
    };
    let aliases: HashMap<Arc<str>, Arc<Aliases>> = channels.iter().map(named).collect();
    let counters = Arc::new(Counters::default());
    let common_parts = OutboxCommons {
        spool: spool.clone(),
        sessions: sessions.clone(),
        counters: counters.clone(),
        aliases: aliases.clone(),
    };
    let outboxes = outboxes(config, &common_parts, &channels);
    let gates: HashMap<Arc<str>, watch::Sender<Arc<Gate>>> = channels
        .iter()
        .map(|draft| (draft.name.clone(), watch::channel(gate_of(config, draft)).0))
        .collect();
    let spent = spool.spent(None, day_of(wall_ms())).await?;
    let budget = Budget::new(config.limits, spool.clone(), &spent);
    let agent = agent(config, &providers, budget);
    let told: HashMap<Arc<str>, Arc<Told>> = channels
        .iter()
        .map(|draft| (draft.name.clone(), Arc::default()))
        .collect();
    let sights = Sights {
        born: Instant::now(),
        breakers: agent.breakers.clone(),
        gates: Admins::new(&gates),
        told: told.clone(),
        minutes: observers.minutes.clone(),
    };
    let parts = TurnParts {
        spool: spool.clone(),
        sessions: sessions.clone(),
        agent,
        media: MediaStore {
            dir: config.sessions_dir().into(),
            max_bytes: config.media.max_file_bytes,
            max_pictures: config.media.max_pictures,
        },
        admins: Admins::new(&gates),
        currency: config.currency.clone(),
    };
    let turns = config.gateway.max_concurrent_turns;
    let hub = ChatHub::new(parts, outboxes.clone(), counters, turns);
    for draft in &channels {
        let blueprint = draft.make.as_ref().map(|make| &make.blueprint);
        hub.set_habits(&draft.name, roster::habits(config, &draft.name, blueprint));
    }
    // Where a provider has a channel's name, the channel's state is the one that is told.
    let states = providers
        .iter()
        .chain(&channels)
        .map(|draft| (draft.name.to_string(), draft.state.subscribe()));
    let states: BTreeMap<String, watch::Receiver<State>> = states.collect();
    let names = channels.iter().map(|draft| draft.name.to_string()).collect();
    for draft in providers {
        common.supervise(draft, None);
    }
    for (channel, outbox) in &outboxes {
        let waiting = unfinished.replies.iter().find(|(of, ..)| of == channel);
        outbox.resume(waiting.map_or(0, |(_, count, _)| *count as usize));
    }
    // Before any channel receives: what was accepted first is answered first, and nothing is taken up twice.
    resume_inbound(&hub, &spool, buried).await?;
    for draft in channels {
        let duties = ChannelDuties {
            gate: gates[&draft.name].clone(),
            told_old: told[&draft.name].clone(),
            aliases: aliases[&draft.name].clone(),
            pairing: pairing.clone(),
            hub: hub.clone(),
            spool: spool.clone(),
            tasks: common.supervisors.clone(),
        };
        common.supervise(draft, Some(duties));
    }
    let tasks = Tasks::default();
    upkeep::start(&tasks, config, &sessions, &spool);
    let bound = config.gateway.warn_pending_after;
    tasks.spawn("watchdog", watchdog::watch(hub.clone(), store.clone(), bound));
    let watched = observers.start(&hub, &store, &roster, &tasks);
    let hands = Arc::new(Hands {
        sessions: sessions.clone(),
        desk: Desk {
            spool: store,
            hub: Some(hub.clone()),
        },
        roster: roster.clone(),
        pairing,
        sights,
    });
    tasks.spawn("observer", questions.answer(hands.clone()));
    let control = ControlServer::start(&config.state_dir(), hands, &tasks)
        .inspect_err(|error| warn!(%error, "No control socket, the command line cannot reach this gateway"))
        .ok();
    Ok(Running {
        spool,
        sessions,
        hub,
        outboxes: outboxes.into_values().collect(),
        states,
        channels: names,
        roster,
        supervisors: common.supervisors,
        shutdown_timeout: config.gateway.shutdown_timeout,
        upkeep: tasks,
        console_closed: common.console_closed.subscribe(),
        stops: common.stops,
        watched,
        _control: control,
    })
}

/// An instance of the configuration, and its place in the roster.
fn draft(
    config: &Config,
    blueprints: &Blueprints<'_>,
    kind: Kind,
    name: &str,
    slots: &mut Vec<Slot>,
) -> Result<Draft, StartError> {
    let blueprint = match blueprints.make(kind, name) {
        Ok(blueprint) => Some(blueprint),
        Err(NoBlueprint::Config(error)) => return Err(error),
        Err(NoBlueprint::Library(reason)) => {
            error!(instance = name, "{reason}");
            None
        }
    };
    let state = match &blueprint {
        Some(blueprint) => {
            info!(plugin = name, of = &*blueprint.plugin, version = &*blueprint.version, kind = ?kind, "Plugin loaded");
            State::Starting
        }
        None => State::Failed("its library was refused".into()),
    };
    let (sender, orders) = mpsc::channel(ORDERS);
    let make = blueprint.map(|blueprint| roster::make(config, kind, name, blueprint));
    let draft = Draft {
        kind,
        name: name.into(),
        mark: Arc::new(Mutex::new(make.as_ref().map(|make| make.mark.clone()))),
        make,
        failure: Arc::default(),
        current: watch::channel(None).0,
        state: watch::channel(state).0,
        orders,
    };
    slots.push(Slot {
        kind,
        name: draft.name.clone(),
        orders: sender,
        state: draft.state.subscribe(),
        current: draft.current.subscribe(),
        mark: draft.mark.clone(),
        failure: draft.failure.clone(),
    });
    Ok(draft)
}

fn gate_of(config: &Config, draft: &Draft) -> Arc<Gate> {
    let made = draft.make.as_ref().and_then(|make| make.gate.clone());
    made.unwrap_or_else(|| roster::gate(config, &draft.name, None))
}

impl Common<'_> {
    fn hooks(&self, name: &Arc<str>, duties: Option<&ChannelDuties>) -> Hooks {
        let (closed, channel) = (self.console_closed.clone(), name.clone());
        let aliases = duties.map(|duties| duties.aliases.clone());
        let outbox = duties.and_then(|duties| duties.hub.outbox(name).cloned());
        let event = move |event: Named| match &*event.name {
            "console_closed" => drop(closed.send_replace(true)),
            "recovered" => outbox.iter().for_each(|outbox| outbox.recovered()),
            "chat_migrated" => {
                let id = |key| event.data.get(key).and_then(|id| id.as_str());
                if let (Some(aliases), Some(from), Some(to)) = (&aliases, id("from"), id("to"))
                    && aliases.learn(from, to)
                {
                    info!(channel = &*channel, from, to, "Chat goes on under another id");
                }
            }
            _ => {}
        };
        Hooks {
            log: log_sink(name),
            event: Arc::new(event),
            ask: Some(self.ask.clone()),
        }
    }

    fn supervise(&self, draft: Draft, channel: Option<ChannelDuties>) {
        debug_assert_eq!(draft.kind == Kind::Channel, channel.is_some());
        let supervised = Supervised {
            hooks: self.hooks(&draft.name, channel.as_ref()),
            key: roster::key(draft.kind, &draft.name),
            name: draft.name,
            make: draft.make,
            mark: draft.mark,
            failure: draft.failure,
            log_level: self.log_level,
            current: draft.current,
            state: draft.state,
            stops: self.stops.clone(),
            bounds: Bounds {
                backoff: self.config.gateway.restart_backoff,
                max_crashes: self.config.gateway.max_crashes,
            },
            ledger: self.ledger.clone(),
            tasks: self.supervisors.clone(),
            channel,
        };
        self.supervisors.spawn("supervisor", supervised.run(draft.orders));
    }
}

/// Where an instance's log goes.
pub(crate) fn log_sink(name: &str) -> LogSink {
    let log = PluginLog::new(name, tracing::Span::none());
    Arc::new(move |record| log.record(&record))
}

/// What all outboxes stand on.
struct OutboxCommons {
    spool: Arc<dyn Spool>,
    sessions: Arc<SessionManager>,
    counters: Arc<Counters>,
    aliases: HashMap<Arc<str>, Arc<Aliases>>,
}

fn outboxes(config: &Config, parts: &OutboxCommons, channels: &[Draft]) -> HashMap<Arc<str>, Arc<Outbox>> {
    let outbox = |draft: &Draft| {
        let limit = draft
            .make
            .as_ref()
            .map(|make| (make.blueprint.text_limit, make.blueprint.text_unit));
        let limit = limit.unwrap_or((0, miniclaw_plugin_api::TextUnit::Chars));
        Outbox::new(OutboxParts {
            channel: draft.name.clone(),
            spool: parts.spool.clone(),
            config: config.delivery.clone(),
            instance: draft.current.subscribe(),
            limit,
            // Of a refused library it is not known; a send tells when there is another one.
            attaches: draft
                .make
                .as_ref()
                .is_none_or(|make| make.blueprint.can(Capability::SendAttachments)),
            sessions: parts.sessions.clone(),
            counters: parts.counters.clone(),
            aliases: parts.aliases[&draft.name].clone(),
            parcels: Parcels::new(&config.state_dir()),
        })
    };
    channels
        .iter()
        .map(|draft| (draft.name.clone(), outbox(draft)))
        .collect()
}

fn agent(config: &Config, providers: &[Draft], budget: Budget) -> AgentLoop {
    let providers: Providers = providers
        .iter()
        .map(|draft| (draft.name.to_string(), draft.current.subscribe()))
        .collect();
    let terms: Vec<_> = config
        .providers
        .iter()
        .map(|(name, provider)| (name, &provider.terms))
        .collect();
    AgentLoop {
        providers,
        breakers: Breakers::default(),
        prompt: Prompt::new(&config.agent.system_prompt, &config.workspace),
        config: config.agent.clone(),
        routes: config.routes.clone(),
        default: Route {
            provider: Some(config.provider.clone()),
            model: config.model.clone(),
            ..Route::default()
        },
        terms: terms
            .iter()
            .map(|(name, terms)| ((*name).clone(), (*terms).clone()))
            .collect(),
        places: Places::new(terms),
        models: Models::default(),
        budget,
        compaction: Compaction::new(config.sessions.compaction),
    }
}

/// Takes up the messages that an earlier process left unanswered.
async fn resume_inbound(
    hub: &Arc<ChatHub>,
    spool: &Arc<dyn Spool>,
    buried: Vec<crate::spool::InboundRow>,
) -> Result<(), SpoolError> {
    for row in buried {
        error!(inbound = row.seq, conversation = %row.session.0, "Message ended the process too often and is a dead letter");
    }
    let mut after = 0;
    loop {
        let rows = spool.pending(after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.seq;
        for row in rows {
            hub.load.take(&row.session);
            hub.push(row);
        }
    }
}
