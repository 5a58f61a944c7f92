//! The one place that reads signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Interrupt,
    Terminate,
}

impl Stop {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The exit status of a process that the signal cut short.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// The signals of this process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from their default actions.
    ///
    /// # Errors
    /// Where the system refuses a handler.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next request to stop.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn stop(&mut self) -> Stop {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Stop::Interrupt,
                _ = self.terminate.recv() => return Stop::Terminate,
                _ = self.hangup.recv() => {
                    warn!("SIGHUP does nothing: restart the gateway to read the configuration again");
                }
            }
        }
    }
}
