//! Connects what observes the gateway from outside to its parts.

use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::hub::ChatHub;
use crate::observe::{Alerts, Door, DoorError, Health, Metrics, Minutes, systemd};
use crate::spool::SqliteSpool;
use crate::tasks::Tasks;

use super::roster::Roster;

/// What is taken before anything else starts, and what starts last.
pub(super) struct Observers {
    door: Option<Door>,
    pub(super) minutes: Arc<Minutes>,
}

/// What the rest of the gateway's life needs of them.
pub(super) struct Watched {
    /// Whether every instance has got past its start.
    pub(super) started: watch::Sender<bool>,
}

impl Observers {
    /// # Errors
    /// A port that cannot be had.
    pub(super) fn open(config: &Config) -> Result<Self, DoorError> {
        Ok(Self {
            door: config.http.map(Door::open).transpose()?,
            minutes: Arc::default(),
        })
    }

    pub(super) fn start(
        self,
        hub: &Arc<ChatHub>,
        spool: &Arc<SqliteSpool>,
        roster: &Arc<Roster>,
        config: watch::Receiver<Arc<Config>>,
        tasks: &Tasks,
    ) -> Watched {
        tasks.spawn("minutes", self.minutes.keep(hub.counters.clone()));
        let (started, starts) = watch::channel(false);
        let health = Arc::new(Health::new(hub.clone(), spool.clone(), roster.clone(), starts));
        #[cfg(feature = "otel")]
        if let Some(connected) = crate::observe::otel::connect() {
            tasks.spawn("traces", crate::observe::otel::run(connected));
        }
        if systemd::is_there() {
            tasks.spawn("systemd", systemd::report(health.clone()));
        }
        tasks.spawn("alerts", Alerts::new(config, health.clone()).watch());
        if let Some(door) = self.door {
            let metrics = Metrics {
                health: health.clone(),
            };
            tasks.spawn("http", door.serve(Arc::new(metrics), tasks.clone()));
        }
        Watched { started }
    }
}
