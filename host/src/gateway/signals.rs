//! The one place that reads signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// What a signal asks for.
pub(crate) enum Wanted {
    Stop(Stop),
    /// Read the configuration again.
    Reload,
}

/// The signals of this process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Never read. A write beyond a limit of file sizes fails then, as on a full disk, and does not end the process.
    _too_large: Signal,
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
            _too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the next request.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.interrupt.recv() => Wanted::Stop(Stop::Interrupt),
            _ = self.terminate.recv() => Wanted::Stop(Stop::Terminate),
            _ = self.hangup.recv() => Wanted::Reload,
        }
    }

    /// Waits for the next request to stop: a gateway that stops reads no configuration.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn stop(&mut self) -> Stop {
        loop {
            if let Wanted::Stop(stop) = self.next().await {
                return stop;
            }
        }
    }
}
