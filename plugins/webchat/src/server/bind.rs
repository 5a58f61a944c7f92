//! Where the page is.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Error, Result};
use tokio::net::{TcpListener, TcpSocket};

use crate::Webchat;
use crate::settings::Site;
use crate::store::Store;

/// The port that an instance of this name holds; empty where it let go of it. A killed one did not.
pub(super) const HELD: &str = "held";
/// The port that was had last, which is tried before any other: cookies and open pages are of that one.
pub(super) const LAST: &str = "last";
/// How long the instance before may take to let go, and between looks.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted. Where the system has no room for one, its browser tries again after seconds.
const WAITING: u32 = 1024;

impl Webchat {
    /// Serves once the instance from before let go of the port.
    ///
    /// # Errors
    /// Nobody can listen there.
    pub(crate) async fn take_over_port(&self) -> Result<()> {
        let begun = Instant::now();
        while !self.serve()? {
            if begun.elapsed() > PATIENCE {
                // Whoever has it is another program.
                self.app()?.store.note(HELD, "")?;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// `None` where the instance that this one replaces has the port.
pub(super) fn bind(site: &Site, store: &Store) -> Result<Option<TcpListener>> {
    let error = match listen(site.listen) {
        Ok(listener) => return Ok(Some(listener)),
        Err(error) => error,
    };
    if error.kind() != io::ErrorKind::AddrInUse {
        return Err(cannot_listen(site.listen, &error));
    }
    let port = |name| {
        store
            .noted(name)
            .map(|text| text.and_then(|text| text.parse::<u16>().ok()))
    };
    let other = |port| listen(SocketAddr::new(site.listen.ip(), port)).ok();
    if site.any_port
        && let Some(listener) = port(LAST)?.and_then(other)
    {
        return Ok(Some(listener));
    }
    match port(HELD)? {
        Some(held) if site.any_port || held == site.listen.port() => Ok(None),
        _ => match other(0).filter(|_| site.any_port) {
            Some(listener) => Ok(Some(listener)),
            None => Err(cannot_listen(site.listen, &error)),
        },
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

pub(super) fn cannot_listen(listen: SocketAddr, error: &io::Error) -> Error {
    let text = format!("settings.listen: cannot listen at {listen} for the web chat: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::config(format!(
            "{text}; a port below 1024 needs a privilege, and a channel in a sandbox `sandbox.allow: [\"listen\"]`"
        )),
        // Whoever has the port may be about to end, as the gateway from before does.
        io::ErrorKind::AddrInUse => Error::transient(format!("{text}; give another port")),
        io::ErrorKind::AddrNotAvailable => {
            Error::transient(format!("{text}; give an address of this machine"))
        }
        _ => Error::transient(text),
    }
}
