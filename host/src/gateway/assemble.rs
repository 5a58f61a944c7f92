//! From the configuration to parts that are connected to each other: what lasts as long as the process.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ground::Ground;
use super::observers::Observers;
use super::policy::policy;
use super::roster::{Reread, Roster, Sights, Workshop};
use super::{Running, StartError, observer, upkeep, watchdog};
use crate::agent::{Budget, Providers};
use crate::config::Loaded;
use crate::control::{ControlServer, Hands};
use crate::desk::Desk;
use crate::hub::{Channels, ChatHub, TurnParts};
use crate::pairing::Pairing;
use crate::plugins::catalog::Catalog;
use crate::plugins::instance::LogSink;
use crate::plugins::load::Loader;
use crate::plugins::trust::TrustPolicy;
use crate::sessions::SessionManager;
use crate::spool::{InboundRow, Opened, Spool, SpoolError, SqliteSpool, day_of, wall_ms};
use crate::supervisor::{Ledger, Stops};
use crate::tasks::Tasks;
use crate::telemetry::{self, PluginLog};

/// Inbound rows that are read from the spool at once.
const PAGE: usize = 1_000;

pub(super) async fn assemble(
    loaded: Loaded,
    catalog: &Catalog,
    telemetry: &telemetry::Handle,
    reread: Reread,
) -> Result<Running, StartError> {
    let values = loaded.comparable();
    let config = Arc::new(loaded.config);
    let workshop = Workshop {
        config: config.clone(),
        loader: Arc::new(Loader::new(
            config.state_dir().join("cache"),
            TrustPolicy::of(&config.trust)?,
        )),
        processes: Tasks::default(),
    };
    let observers = Observers::open(&config)?;
    let ledger = Arc::new(Ledger::open(&config.state_dir())?);
    // What is wrong with plugins is found before anything is opened.
    let made = workshop.make_configured(catalog)?;
    workshop.loader.prune();
    let pairing = Pairing::open(&config.state_dir())?;
    let opened = SqliteSpool::open(&config.state_dir())?;
    let store = opened.spool.clone();
    let (pending, outbox, dead) = (opened.pending, opened.outbox, opened.dead);
    info!(
        clean = opened.clean,
        pending,
        outbox,
        dead,
        epoch = opened.epoch,
        "Spool opened"
    );
    let sessions = SessionManager::new(
        store.clone(),
        config.sessions_dir(),
        config.sessions.history,
        config.sessions.cache,
    );
    let spent = store.spent(None, day_of(wall_ms())).await?;
    let budget = Budget::new(store.clone(), &spent);
    let parts = TurnParts {
        spool: store.clone(),
        sessions: sessions.clone(),
    };
    let nobody = policy(&config, Providers::new(), &budget, None);
    let hub = ChatHub::new(parts, nobody, Arc::new(Channels::default()));
    let (ask, questions) = observer::questions();
    let (in_effect, follows) = watch::channel(config.clone());
    let ground = Ground {
        config: follows.clone(),
        store: store.clone(),
        sessions: sessions.clone(),
        pairing: pairing.clone(),
        hub: hub.clone(),
        stops: Stops::default(),
        ledger,
        supervisors: Tasks::default(),
        console_closed: Arc::new(watch::channel(false).0),
        ask,
        telemetry: telemetry.clone(),
    };
    let roster = Arc::new(Roster::new(in_effect, values, workshop, ground, reread));
    roster.begin(made, resume_inbound(&hub, &store, opened)).await?;
    let tasks = Tasks::default();
    upkeep::start(&tasks, &follows, &sessions, &store);
    tasks.spawn(
        "watchdog",
        watchdog::watch(hub.clone(), store.clone(), follows.clone()),
    );
    let minutes = observers.minutes.clone();
    let watched = observers.start(&hub, &store, &roster, follows, &tasks);
    let asked_to_stop = CancellationToken::new();
    let hands = Arc::new(Hands {
        sessions: sessions.clone(),
        desk: Desk {
            spool: store.clone(),
            hub: Some(hub.clone()),
        },
        roster: roster.clone(),
        pairing,
        sights: Sights {
            born: Instant::now(),
            breakers: hub.policy().agent.breakers.clone(),
            channels: hub.channels.clone(),
            minutes,
        },
        stop: asked_to_stop.clone(),
    });
    tasks.spawn("observer", questions.answer(hands.clone()));
    let control = ControlServer::start(&config.state_dir(), hands, &tasks)
        .inspect_err(|error| warn!(%error, "No control socket, the command line cannot reach this gateway"))
        .ok();
    Ok(Running {
        spool: store,
        sessions,
        hub,
        supervisors: roster.ground.supervisors.clone(),
        console_closed: roster.ground.console_closed.subscribe(),
        stops: roster.ground.stops.clone(),
        roster,
        upkeep: tasks,
        watched,
        asked_to_stop,
        control,
    })
}

/// Where an instance's log goes.
pub(crate) fn log_sink(name: &str) -> LogSink {
    let log = PluginLog::new(name, tracing::Span::none());
    Arc::new(move |record| log.record(&record))
}

/// Takes up the messages that an earlier process left unanswered: before any channel receives, so that what was accepted
/// first is answered first, and nothing is taken up twice.
async fn resume_inbound(
    hub: &Arc<ChatHub>,
    spool: &Arc<SqliteSpool>,
    opened: Opened,
) -> Result<(), SpoolError> {
    hub.counters.buried.add(opened.buried.len() as u64);
    for InboundRow { seq, session, .. } in opened.buried {
        error!(inbound = seq, conversation = %session.0, "Message ended the process too often and is a dead letter");
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
