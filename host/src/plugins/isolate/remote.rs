//! The gateway's end of a child's socket, as a plugin.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::process::Child;
use std::sync::{Arc, Mutex};

use abi_stable::sabi_trait::TD_Opaque;
use miniclaw_plugin_api::abi::{HostApi as _, Payload, Plugin, Plugin_TO, PluginBox, Reply};
use miniclaw_plugin_api::wire::encode_reply;
use miniclaw_plugin_api::{Cause, Error};
use rustix::process::{Pid, Signal};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::frame::{self, Body, ToChild};
use crate::plugins::instance::Host;
use crate::sync::lock;

/// Bytes that may wait for a child to read them. One that reads so little is ended.
const MAX_UNREAD: usize = 64 * 1024 * 1024;
/// What was written stays in memory up to here, so that the rest is not moved each time.
const MOVED: usize = 256 * 1024;
/// Requests of a child that may wait for their answers, and their bytes. Full means *wait*: the child is read on
/// when one was answered.
const MAX_REQUESTS: usize = 512;
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// One end of the line; dropping it ends the child.
pub(super) struct Remote(Arc<Line>);

/// What both ends of a child's socket share in this process.
pub(super) struct Line {
    pub(super) socket: OwnedWriteHalf,
    pub(super) host: Host,
    unread: Mutex<Unread>,
    /// Something waits to be written.
    pub(super) pending: Notify,
    requests: Mutex<Requests>,
    /// A request was answered.
    pub(super) answered: Notify,
    /// The gateway is through with the child.
    pub(super) over: CancellationToken,
    /// `None` from the moment on when the number may be another process's.
    group: Mutex<Option<Pid>>,
}

#[derive(Default)]
struct Unread {
    bytes: Vec<u8>,
    /// How much of it was written.
    written: usize,
    closed: bool,
}

/// A ticket that is in use: whoever sends it keeps no rules.
#[derive(Debug)]
pub(super) struct Taken;

#[derive(Default)]
struct Requests {
    open: HashMap<u64, usize>,
    bytes: usize,
}

impl Unread {
    fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::default()
        };
    }
}

/// Why a frame does not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// Nobody will read it.
    Over,
    /// It is longer than a frame may be.
    TooLong,
}

/// Both users of a new line.
pub(super) fn connect(stream: UnixStream, child: Child, host: Host) -> std::io::Result<(Arc<Line>, Driver)> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (reader, socket) = stream.into_split();
    let line = Arc::new(Line {
        socket,
        host,
        unread: Mutex::default(),
        pending: Notify::new(),
        requests: Mutex::default(),
        answered: Notify::new(),
        over: CancellationToken::new(),
        group: Mutex::new(group),
    });
    let driver = Driver::new(line.clone(), reader, child).inspect_err(|_| line.kill())?;
    Ok((line, driver))
}

impl Remote {
    pub(super) fn boxed(line: Arc<Line>) -> PluginBox {
        Plugin_TO::from_value(Self(line), TD_Opaque)
    }
}

impl Plugin for Remote {
    fn call(&self, op: u64, method: u32, payload: Payload) {
        let body = Body::of(&payload);
        let error = match self.0.send(&ToChild::Call { op, method, body }) {
            Ok(()) => return,
            Err(Unsent::Over) => Error::transient("the plugin's process is over").because(Cause::Cancelled),
            Err(Unsent::TooLong) => {
                Error::permanent("it is too long to cross into the plugin's process").because(Cause::TooLarge)
            }
        };
        self.0.host.done(op, encode_reply::<()>(&Err(error)));
    }

    fn cancel(&self, op: u64) {
        // A process that is over has nothing to cancel.
        let _ = self.0.send(&ToChild::Cancel { op });
    }

    fn answer(&self, ticket: u64, reply: Reply) {
        let (ok, body) = Body::of_reply(&reply);
        // Nor does it wait for an answer.
        let _ = self.0.send(&ToChild::Answer { ticket, ok, body });
        self.0.close_request(ticket);
    }

    fn set_log_level(&self, level: u8) {
        let _ = self.0.send(&ToChild::LogLevel(level));
    }
}

impl Drop for Remote {
    /// At once, since the process may end before the driver gets to it.
    fn drop(&mut self) {
        self.0.kill();
        self.0.over.cancel();
    }
}

impl Line {
    /// Has the driver write a frame, in one go with what else is said until it gets to it.
    ///
    /// # Errors
    /// See [`Unsent`].
    pub(super) fn send(&self, message: &ToChild<'_>) -> Result<(), Unsent> {
        let mut unread = lock(&self.unread);
        let waits = !unread.bytes.is_empty();
        if unread.closed {
            return Err(Unsent::Over);
        }
        frame::append(&mut unread.bytes, message).map_err(|_| Unsent::TooLong)?;
        if unread.bytes.len() > MAX_UNREAD {
            unread.closed = true;
            self.over.cancel();
            return Err(Unsent::Over);
        }
        if !waits {
            self.pending.notify_one();
        }
        Ok(())
    }

    /// Writes what waits; `true` when nothing is left.
    pub(super) fn flush(&self) -> bool {
        let mut unread = lock(&self.unread);
        self.write(&mut unread);
        unread.bytes.is_empty()
    }

    fn write(&self, unread: &mut Unread) {
        while unread.written < unread.bytes.len() {
            match self.socket.try_write(&unread.bytes[unread.written..]) {
                Ok(count) => unread.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The child is gone, which the driver is about to see.
                Err(_) => {
                    unread.close();
                    return;
                }
            }
        }
        let Unread { bytes, written, .. } = unread;
        if *written == bytes.len() || *written > MOVED {
            bytes.drain(..*written);
            *written = 0;
        }
        if bytes.is_empty() && bytes.capacity() > MOVED {
            *bytes = Vec::new();
        }
    }

    /// Nothing is written from here on.
    pub(super) fn close(&self) {
        lock(&self.unread).close();
    }

    /// Counts a request until it is answered.
    ///
    /// # Errors
    /// A ticket that waits already.
    pub(super) fn open_request(&self, ticket: u64, bytes: usize) -> Result<(), Taken> {
        let mut requests = lock(&self.requests);
        if requests.open.insert(ticket, bytes).is_some() {
            return Err(Taken);
        }
        requests.bytes += bytes;
        Ok(())
    }

    fn close_request(&self, ticket: u64) {
        let mut requests = lock(&self.requests);
        if let Some(bytes) = requests.open.remove(&ticket) {
            requests.bytes -= bytes;
            self.answered.notify_one();
        }
    }

    /// Whether a request may be taken.
    pub(super) fn has_room(&self) -> bool {
        let requests = lock(&self.requests);
        requests.open.len() < MAX_REQUESTS && requests.bytes < MAX_REQUEST_BYTES
    }

    /// Kills the child and what it started.
    pub(super) fn kill(&self) {
        if let Some(group) = *lock(&self.group) {
            // An error means that nobody is left in it.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }

    /// The child was reaped: its number is free for others.
    pub(super) fn reaped(&self) {
        lock(&self.group).take();
    }
}
