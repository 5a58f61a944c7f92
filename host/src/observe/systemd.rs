//! What systemd is told over `NOTIFY_SOCKET`, and its watchdog. Without the variables nothing is told.
//!
//! The variables reach no plugin: all that this process starts gets an environment of its own.

use std::fmt::Display;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::health::{Beat, Health};

/// Between two looks at what the service is doing.
const LOOK: Duration = Duration::from_secs(10);
/// Beside what a stop may take, so that systemd does not cut it short.
const SPARE: Duration = Duration::from_secs(5);

/// Of this process; set once by [`connect`].
static MANAGER: OnceLock<Manager> = OnceLock::new();
/// Whether the manager was told that the start is over.
static READY: AtomicBool = AtomicBool::new(false);

/// The service manager that started this process.
struct Manager {
    socket: UnixDatagram,
    /// What it allows between two signs of life.
    watchdog: Option<Duration>,
}

/// Finds the manager in the environment of this process.
pub(crate) fn connect() {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    match open(name.as_bytes()) {
        Ok(socket) => {
            let variable = |name| std::env::var(name).ok();
            let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
            // A second gateway in one process does not happen.
            let _ = MANAGER.set(Manager { socket, watchdog });
        }
        Err(error) => {
            warn!(%error, "The service manager cannot be told anything, NOTIFY_SOCKET leads nowhere")
        }
    }
}

/// A path, or after `@` a name of Linux's abstract namespace.
fn open(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that reads nothing holds up nobody.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn watchdog(micros: Option<String>, of: Option<String>) -> Option<Duration> {
    if of.is_some_and(|of| of != std::process::id().to_string()) {
        return None;
    }
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

fn tell(state: impl Display) {
    if let Some(manager) = MANAGER.get() {
        manager.tell(state);
    }
}

impl Manager {
    fn tell(&self, state: impl Display) {
        if let Err(error) = self.socket.send(state.to_string().as_bytes()) {
            debug!(%error, "Service manager not told");
        }
    }
}

/// The start is over.
pub(crate) fn ready(channels: usize, of: usize) {
    tell(format_args!("READY=1\nSTATUS={channels} of {of} channels run"));
    READY.store(true, Ordering::Relaxed);
}

/// The stop begins; it takes `limit` and a little more at most.
pub(crate) fn stopping(limit: Duration) {
    let micros = (limit + SPARE).as_micros();
    tell(format_args!(
        "STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=Answers what is under way, and stops"
    ));
}

/// The configuration is read again, until the guard is dropped. Within the start nothing is told: the end of this would be
/// taken for the end of that.
pub(crate) fn reloading() -> Option<Reloading> {
    if !READY.load(Ordering::Relaxed) {
        return None;
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    tell(format_args!(
        "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reads its configuration again"
    ));
    Some(Reloading)
}

/// See [`reloading`].
pub(crate) struct Reloading;

impl Drop for Reloading {
    fn drop(&mut self) {
        tell("READY=1\nSTATUS=The reload is over");
    }
}

/// Whether somebody is told.
pub(crate) fn is_there() -> bool {
    MANAGER.get().is_some()
}

/// Tells how the gateway is, and that it is, until the runtime ends.
pub(crate) async fn report(health: Arc<Health>) {
    let Some(manager) = MANAGER.get() else { return };
    let feed = async {
        match manager.watchdog {
            Some(limit) => feed(limit, || health.beat_anew(), |state| manager.tell(state)).await,
            None => std::future::pending().await,
        }
    };
    let describe = async {
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let status = health.in_a_line();
            if health.is_started() && status != told {
                manager.tell(format_args!("STATUS={status}"));
                told = status;
            }
        }
    };
    tokio::join!(feed, describe);
}

/// Says twice in each `limit` that the gateway lives, each time because it just went through the hub and the spool. A disk
/// that is full is no reason for a restart, nor is an outage of a platform, which is not looked at.
async fn feed<F: Future<Output = Beat>>(limit: Duration, beat: impl Fn() -> F, tell: impl Fn(&'static str)) {
    loop {
        // A disk that takes its time takes it from the pause.
        let next = Instant::now() + limit / 2;
        match beat().await {
            Beat::Well | Beat::Full => tell("WATCHDOG=1"),
            Beat::Silent => warn!("Spool does not answer, the watchdog is not fed"),
        }
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_watchdog_of_another_process_is_none_of_ours() {
        let of = |micros: &str, of: Option<&str>| watchdog(Some(micros.into()), of.map(str::to_owned));
        let own = std::process::id().to_string();
        assert_eq!(of("2000000", None), Some(Duration::from_secs(2)));
        assert_eq!(of("2000000", Some(&own)), Some(Duration::from_secs(2)));
        assert_eq!(of("2000000", Some("1")), None);
        assert_eq!(
            (of("0", None), of("x", None), watchdog(None, None)),
            (None, None, None)
        );
    }

    #[test]
    fn abstract_names_and_paths_are_both_reached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("miniclaw-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let ends = [
            UnixDatagram::bind(&path).unwrap(),
            UnixDatagram::bind_addr(&address).unwrap(),
        ];
        let names = [path.to_str().unwrap().to_owned(), format!("@{name}")];
        for (end, name) in ends.iter().zip(names) {
            let manager = Manager {
                socket: open(name.as_bytes()).unwrap(),
                watchdog: None,
            };
            manager.tell("READY=1");
            let mut buffer = [0; 64];
            let length = end.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(open(b"/nowhere/at/all").is_err());
    }

    /// A loop that feeds on a runtime of one thread; `work` goes on it too.
    fn watched(
        beat: impl Fn() -> Beat + Send + Sync + 'static,
        work: impl FnOnce() + Send + 'static,
    ) -> std::sync::mpsc::Receiver<()> {
        let (sender, fed) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let feeding = feed(
                Duration::from_millis(20),
                || std::future::ready(beat()),
                move |_| sender.send(()).unwrap_or(()),
            );
            let work = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                work();
            };
            runtime.block_on(async { tokio::join!(feeding, work) });
        });
        fed
    }

    const SOON: Duration = Duration::from_secs(10);
    /// Much longer than the time in which it would have been fed.
    const NEVER: Duration = Duration::from_millis(300);

    #[test]
    fn a_hub_that_hangs_feeds_no_watchdog() {
        let (release, hangs) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = std::sync::mpsc::channel();
        let fed = watched(
            || Beat::Well,
            move || {
                begins.send(()).unwrap();
                hangs.recv().unwrap();
            },
        );
        fed.recv_timeout(SOON).unwrap();
        begun.recv_timeout(SOON).unwrap();
        while fed.try_recv().is_ok() {}
        assert!(fed.recv_timeout(NEVER).is_err());
        release.send(()).unwrap();
        fed.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn a_spool_that_is_silent_feeds_none_and_a_full_disk_does() {
        let silent = Arc::new(AtomicBool::new(true));
        let beat = silent.clone();
        let fed = watched(
            move || {
                if beat.load(Ordering::SeqCst) {
                    Beat::Silent
                } else {
                    Beat::Full
                }
            },
            || {},
        );
        assert!(fed.recv_timeout(NEVER).is_err());
        silent.store(false, Ordering::SeqCst);
        fed.recv_timeout(SOON).unwrap();
    }
}
