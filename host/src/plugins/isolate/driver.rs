//! Reads what a child says, and sees to its end.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use miniclaw_plugin_api::abi::{HostApi as _, LogRecord};
use miniclaw_plugin_api::{Cause, Error};
use rustix::process::{Pid, PidfdFlags};
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::OwnedReadHalf;
use tracing::{debug, warn};

use super::bucket::Bucket;
use super::frame::{self, HEAD, ToHost};
use super::output;
use super::remote::Line;
use crate::telemetry::printable;

/// Room for one reading of the socket, in bytes.
const CHUNK: usize = 64 * 1024;
/// Frames of one child that are handled before others get their turn.
const TURN: usize = 64;
/// And their bytes.
const TURN_BYTES: usize = 256 * 1024;
/// Lines and notices of a plugin that are longer are no help to anybody.
const MAX_UNASKED: usize = 64 * 1024;
/// Of what a plugin's process says of itself, in characters.
const MAX_REASON: usize = 1_000;
/// For the last lines of a child that is gone, which may be what it died of.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// A child that was killed is gone after this, unless the kernel itself holds it.
const GONE: Duration = Duration::from_secs(5);

/// One child, from its start to its end.
pub(super) struct Driver {
    line: Arc<Line>,
    socket: OwnedReadHalf,
    child: Child,
    exit: AsyncFd<OwnedFd>,
    refused: Option<Error>,
}

/// Why a child is read no more.
enum Stopped {
    /// It closed its socket, or ended.
    Ended,
    /// It said what is no frame.
    Garbage,
    /// The gateway is through with it.
    Over,
}

impl Driver {
    /// # Errors
    /// Where the system has no descriptor for it.
    pub(super) fn new(line: Arc<Line>, socket: OwnedReadHalf, child: Child) -> std::io::Result<Self> {
        let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| std::io::Error::other("the process has no number"))?;
        let exit = rustix::process::pidfd_open(number, PidfdFlags::empty())?;
        // SAFETY: the descriptor is owned by the `AsyncFd`, and nothing closes it or puts another in its place.
        let exit = unsafe { AsyncFd::register(exit) }?;
        Ok(Self {
            line,
            socket,
            child,
            exit,
            refused: None,
        })
    }

    /// Runs until the child is gone; every operation under way has ended by then.
    pub(super) async fn run(mut self) {
        let (line, name) = (self.line.clone(), self.line.host.name());
        let outputs = output::both(&mut self.child, &name).fuse();
        tokio::pin!(outputs);
        let flush = async {
            loop {
                line.pending.notified().await;
                while !line.flush() {
                    if line.socket.writable().await.is_err() {
                        break;
                    }
                }
            }
        };
        let stopped = {
            let reading = self.read();
            // A child that closes its standard streams lives on.
            let outputs = async {
                (&mut outputs).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = line.over.cancelled() => Stopped::Over,
                stopped = reading => stopped,
                () = flush => Stopped::Ended,
                () = outputs => Stopped::Ended,
            }
        };
        line.close();
        if !matches!(stopped, Stopped::Ended) {
            line.kill();
        }
        let ended = self.reap().await;
        if !outputs.is_terminated() {
            let _ = tokio::time::timeout(LAST_WORDS, &mut outputs).await;
        }
        let error = match (self.refused.take(), stopped) {
            (Some(refused), _) => refused,
            (None, Stopped::Garbage) => crashed("it sent what is no frame, and was killed".to_owned()),
            (None, Stopped::Over) => {
                debug!(plugin = &*name, "Plugin process ended");
                crashed("it was killed".to_owned())
            }
            (None, Stopped::Ended) => crashed(describe(ended)),
        };
        line.host.died(error);
    }

    /// Reads frames until there are no more.
    async fn read(&mut self) -> Stopped {
        let mut bucket = Bucket::full(Instant::now());
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            bytes.reserve(CHUNK);
            let read = tokio::select! {
                biased;
                read = self.socket.read_buf(&mut bytes) => read,
                // What it said before it ended is read all the same.
                _ = self.exit.readable() => self.socket.try_read_buf(&mut bytes),
            };
            if !matches!(read, Ok(1..)) {
                return Stopped::Ended;
            }
            let Some(taken) = self.take(&bytes, &mut bucket).await else {
                return Stopped::Garbage;
            };
            bytes.drain(..taken);
            if bytes.is_empty() && bytes.capacity() > 4 * CHUNK {
                bytes = Vec::new();
            }
        }
    }

    /// Handles the whole frames in `bytes` and says how long they are together; `None` for what is no frame.
    async fn take(&mut self, bytes: &[u8], bucket: &mut Bucket) -> Option<usize> {
        let (mut at, mut count, mut handled) = (0, 0, 0);
        while let Some(head) = bytes[at..].first_chunk::<HEAD>() {
            let end = at + HEAD + frame::length(*head)?;
            let Some(body) = bytes.get(at + HEAD..end) else {
                break;
            };
            let message = frame::parse(body)?;
            match &message {
                ToHost::Request { ticket, body, .. } => {
                    while !self.line.has_room() {
                        self.line.answered.notified().await;
                    }
                    self.line.open_request(*ticket, body.len()).ok()?;
                }
                ToHost::Done { .. } => {}
                _ => {
                    if let Some(wait) = bucket.take(Instant::now(), end - at) {
                        tokio::time::sleep(wait).await;
                    }
                }
            }
            self.handle(message);
            count += 1;
            handled += end - at;
            at = end;
            if count >= TURN || handled >= TURN_BYTES {
                (count, handled) = (0, 0);
                tokio::task::yield_now().await;
            }
        }
        Some(at)
    }

    fn handle(&mut self, message: ToHost<'_>) {
        let host = &self.line.host;
        match message {
            ToHost::Log { fields, spans, .. } if fields.len() + spans.len() > MAX_UNASKED => {
                let bytes = fields.len() + spans.len();
                warn!(
                    plugin = &*host.name(),
                    bytes, "Plugin logs more in one line than fits, it is left out"
                );
            }
            ToHost::Notify { body, .. } if body.len() > MAX_UNASKED => {
                warn!(
                    plugin = &*host.name(),
                    bytes = body.len(),
                    "Plugin tells more at once than fits, it is left out"
                );
            }
            ToHost::Request {
                ticket,
                op,
                method,
                body,
            } => host.request(ticket, op, method, body.payload()),
            ToHost::Done { op, ok, body } => host.done(op, body.reply(ok)),
            ToHost::Notify { notice, body } => host.notify(notice, body.payload()),
            ToHost::Log {
                level,
                line,
                target,
                file,
                fields,
                spans,
            } => host.log(LogRecord {
                level,
                line,
                target: target.into(),
                file: file.into(),
                fields: fields.into(),
                spans: spans.into(),
            }),
            ToHost::Ready { gaps: "" } => debug!(plugin = &*host.name(), "Plugin loaded in its process"),
            ToHost::Ready { gaps } => {
                warn!(
                    plugin = &*host.name(),
                    "Plugin runs with less of a sandbox than it should: {}",
                    printable(gaps, MAX_REASON)
                );
            }
            ToHost::Refused { reason } => {
                self.refused = Some(Error::permanent(printable(reason, MAX_REASON)).because(Cause::Config));
            }
        }
    }

    /// Waits for the end of the child; kills what does not end by itself, and what it started.
    async fn reap(&mut self) -> Option<ExitStatus> {
        if tokio::time::timeout(Duration::from_millis(100), self.exit.readable())
            .await
            .is_err()
        {
            self.line.kill();
        }
        let exited = tokio::time::timeout(GONE, self.exit.readable()).await;
        // The number is not free before it was waited for.
        self.line.kill();
        self.line.reaped();
        exited.ok().and_then(|_| self.child.try_wait().ok().flatten())
    }
}

fn crashed(how: String) -> Error {
    Error::unknown(format!("the plugin's process is over: {how}")).because(Cause::Panicked)
}

fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "it closed its socket and does not end".to_owned();
    };
    match status.signal() {
        Some(signal) => format!("signal {signal}{}", name_of(signal)),
        None => format!("it exited with status {}", status.code().unwrap_or_default()),
    }
}

/// The signals that faults end with.
fn name_of(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV: it touched memory that is not its own, or its stack overflowed)",
        libc::SIGABRT => " (SIGABRT: it aborted, as one does that gets no memory)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL: somebody killed it, perhaps the kernel for want of memory)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}
