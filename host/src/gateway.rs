//! The daemon: start-up, run, shutdown.

mod assemble;
mod blueprints;
mod channels;
mod folders;
mod ground;
mod lock;
mod observer;
mod observers;
mod policy;
mod roster;
mod shutdown;
mod signals;
mod upkeep;
mod watchdog;
mod watcher;
mod welcome;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::Kind;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub(crate) use assemble::log_sink;
pub(crate) use blueprints::{Blueprints, NoBlueprint, isolated};
pub(crate) use folders::{FolderError, private_folder};
pub(crate) use lock::StateLock;

pub(crate) use roster::{Changed, InstanceState, Link, Look, Reread, Roster, Sights, Taken, Which};

use self::lock::{LockError, PidFile};
use self::observers::Watched;
use self::roster::Slot;
use self::shutdown::Reason;
use self::signals::{Signals, Wanted};
use crate::config::Loaded;
use crate::control::ControlServer;
use crate::hub::ChatHub;
use crate::memory;
use crate::observe::{DoorError, systemd};
use crate::pairing::PairingError;
use crate::plugins::catalog::{CatalogError, UnknownPlugin};
use crate::plugins::trust::keys::KeyError;
use crate::sessions::SessionManager;
use crate::spool::{Spool, SpoolError};
use crate::supervisor::{LedgerError, State, Stops};
use crate::tasks::Tasks;
use crate::telemetry;

/// Threads for the hub and all that is connected to it. Plugins, spool and files have threads of their own.
const WORKERS: usize = 1;
/// Threads that read and write session files.
const BLOCKING: usize = 4;

/// Between the start and the moment when what it needed is let go: the first polls are under way by then.
const SETTLED: Duration = Duration::from_secs(2);

/// What the command line adds to the configuration.
pub(crate) struct Options {
    pub(crate) pid_file: Option<PathBuf>,
    /// Whether the gateway ends with the console.
    pub(crate) ends_with_console: bool,
    /// Whether libraries that change are taken up.
    pub(crate) watch: bool,
    /// Whether to tell on stdout how to reach a gateway that nobody has configured; the options that lead commands to it.
    pub(crate) welcome: Option<String>,
    pub(crate) reread: Reread,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("cannot write the PID file {}: {source}; name a file in a folder that this user can write", path.display())]
    PidFile { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("key `plugins.trusted_keys`: {0}")]
    TrustedKey(#[from] KeyError),
    #[error(transparent)]
    UnknownPlugin(#[from] UnknownPlugin),
    #[error("`{section}.{name}` names the plugin `{plugin}`, which is no {expected}")]
    WrongKind {
        section: &'static str,
        name: String,
        plugin: String,
        expected: &'static str,
    },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Pairing(#[from] PairingError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("the system refuses what the gateway needs: {0}")]
    System(#[from] std::io::Error),
}

impl StartError {
    /// The process's exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Catalog(_) | Self::TrustedKey(_) | Self::UnknownPlugin(_) | Self::WrongKind { .. } => 78,
            _ => 1,
        }
    }
}

/// Runs a gateway to its end; returns the exit status.
///
/// # Errors
/// Where it cannot start.
pub(crate) fn run(
    loaded: Loaded,
    options: &Options,
    telemetry: &telemetry::Handle,
) -> Result<u8, StartError> {
    let born = Instant::now();
    systemd::connect();
    let config = &loaded.config;
    info!(version = env!("CARGO_PKG_VERSION"), home = %config.home.display(), "miniclaw starting");
    folders::prepare(config)?;
    let _lock = StateLock::acquire(&config.state_dir())?;
    let _pid_file = match &options.pid_file {
        Some(path) => Some(PidFile::write(path).map_err(|source| StartError::PidFile {
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    let catalog = crate::plugins::catalog::find(&config.plugin_folders())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build()?;
    let status = runtime.block_on(async {
        let mut signals = Signals::install()?;
        catalog.refusals().for_each(|refusal| warn!("{refusal}"));
        let mut running = assemble::assemble(loaded, &catalog, telemetry, options.reread.clone()).await?;
        if options.watch {
            running
                .upkeep
                .spawn("watch", watcher::libraries(running.roster.clone()));
        }
        running.log_ready(born, options.welcome.clone());
        let reason = running.serve(&mut signals, options).await;
        Ok(running.shut_down(reason, &mut signals).await)
    });
    // What a plugin blocks must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    status
}

/// A gateway that runs.
pub(crate) struct Running {
    spool: Arc<dyn Spool>,
    sessions: Arc<SessionManager>,
    hub: Arc<ChatHub>,
    roster: Arc<Roster>,
    supervisors: Tasks,
    stops: Stops,
    upkeep: Tasks,
    console_closed: watch::Receiver<bool>,
    watched: Watched,
    /// The operator wants it to stop.
    asked_to_stop: CancellationToken,
    control: Option<ControlServer>,
}

impl Running {
    /// Runs until there is a reason to stop.
    async fn serve(&mut self, signals: &mut Signals, options: &Options) -> Reason {
        let spool = self.spool.clone();
        let mut console = self.console_closed.clone();
        let failed = spool.failed();
        tokio::pin!(failed);
        loop {
            tokio::select! {
                wanted = signals.next() => match wanted {
                    Wanted::Stop(stop) => return Reason::Signal(stop),
                    Wanted::Reload => self.reload(),
                },
                () = self.asked_to_stop.cancelled() => return Reason::Asked,
                error = &mut failed => return Reason::Fatal(error),
                _ = console.wait_for(|closed| *closed), if options.ends_with_console => return Reason::ConsoleClosed,
            }
        }
    }

    /// Reads the configuration again, beside everything else.
    fn reload(&self) {
        let roster = self.roster.clone();
        self.upkeep.spawn("reload", async move {
            info!("SIGHUP: the configuration is read again");
            roster.reconfigure().await;
        });
    }

    /// Logs, when every instance has got past its start, which of them run.
    fn log_ready(&self, born: Instant, welcome: Option<String>) {
        let slots = self.roster.slots();
        let channels = |slots: &[Arc<Slot>]| -> Vec<_> {
            let channels = slots.iter().filter(|slot| slot.kind == Kind::Channel);
            channels.map(|slot| slot.state.clone()).collect()
        };
        if channels(&slots.borrow()).is_empty() {
            warn!(
                "No channel is configured, so nobody can reach the agent: write `telegram_token` and `allow_from`, or \
                 `\"channels\": {{\"webchat\": {{}}}}`, to the configuration, or start with --console"
            );
        }
        let stopping = self.stops.receiving.clone();
        let started = self.watched.started.clone();
        let roster = self.roster.clone();
        self.upkeep.spawn("ready", async move {
            let first = slots.borrow().clone();
            for slot in &first {
                // A sender that is gone leaves its last state behind.
                let _ = slot
                    .state
                    .clone()
                    .wait_for(|state| *state != State::Starting)
                    .await;
            }
            let states = channels(&first);
            drop(first);
            let up = states
                .iter()
                .filter(|state| *state.borrow() == State::Running)
                .count();
            if stopping.is_cancelled() {
                return;
            }
            started.send_replace(true);
            let of = states.len();
            systemd::ready(up, of);
            if up == 0 && of > 0 {
                error!(
                    of,
                    "Gateway is not ready, no channel runs: the reasons stand above"
                );
            } else {
                info!(channels = up, of, elapsed = ?born.elapsed(), "Gateway ready");
            }
            if let Some(options) = welcome {
                welcome::print(&roster, &options).await;
            }
            let settle = async {
                tokio::time::sleep(SETTLED).await;
                memory::release_startup_code();
            };
            tokio::join!(
                channels::watch(slots, up == 0 && of > 0, stopping.clone()),
                settle
            );
        });
    }
}
