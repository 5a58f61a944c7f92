//! The child: limits itself, shuts itself in, loads the library, and passes calls on.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::RResult;
use miniclaw_plugin_api::Error;
use miniclaw_plugin_api::abi::{Birth, HostApi, HostApi_TO, LogRecord, Payload, PluginBox, Reply, notice};
use miniclaw_plugin_api::wire::{decode_error, encode_reply};
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, Rlimit, Signal};

use super::frame::{self, Body, HEAD, ToChild, ToHost};
use super::{Limits, Source, Task, sandbox};
use crate::memory;
use crate::plugins::{builtin, load};

/// A child that hears nothing for this long is through with its start.
const SETTLED: Duration = Duration::from_secs(2);
/// Progress that follows sooner on progress is not told.
const PROGRESS: Duration = Duration::from_millis(100);
/// What waiting takes.
const WATCH_STACK: usize = 64 * 1024;

/// Runs a child to its end; its socket is standard input.
pub(crate) fn run() -> u8 {
    let Ok(socket) = take_socket() else {
        eprintln!("error: the gateway runs this command, it is of no use by hand");
        return 2;
    };
    // Where that fails, it keeps a little more memory.
    let _ = socket.set_read_timeout(Some(SETTLED));
    let link = Arc::new(Link::new(socket));
    let mut frames = Frames::new(&link);
    if let Some(ToChild::Task(task)) = frames.next() {
        match load(&task, &link) {
            Ok(plugin) => pass_on(&mut frames, &plugin),
            Err(reason) => drop(link.send(&ToHost::Refused { reason: &reason })),
        }
    }
    end()
}

/// What the plugin left running, or registered for the end, keeps nobody waiting.
fn end() -> u8 {
    let _ = std::io::stdout().flush();
    kill();
    0
}

/// Ends this process and what it started; in a sandbox it can reach itself alone, and has started nothing.
fn kill() {
    let _ = rustix::process::kill_current_process_group(Signal::KILL);
    let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
}

/// The socket moves away from where a plugin would look for its input.
fn take_socket() -> std::io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let socket = UnixStream::from(socket);
    socket.peer_addr()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(socket)
}

fn load(task: &Task, link: &Arc<Link>) -> Result<PluginBox, String> {
    load::without_core_dump();
    limit(&task.limits).map_err(|error| format!("its limits cannot be set: {error}"))?;
    // Where memory runs out, the kernel takes a plugin before the gateway.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let library = match &task.source {
        Source::Library(path) => Some(path.as_path()),
        Source::Builtin(_) => None,
    };
    let gaps = match &task.sandbox {
        Some(sandbox) => sandbox::enter(sandbox, library)?,
        None => String::new(),
    };
    end_with_gateway(link).map_err(|error| format!("its process has no second thread: {error}"))?;
    let root = match &task.source {
        Source::Library(path) => load::map(path).map_err(|reason| reason.to_string())?,
        Source::Builtin(name) => {
            let builtin = builtin::all()
                .into_iter()
                .find(|builtin| builtin.manifest.name == *name);
            (builtin.ok_or("there is no such built-in plugin")?.root)()
        }
    };
    let birth = Birth {
        instance: task.instance.as_str().into(),
        settings: task.settings.as_str().into(),
        log_level: task.log_level,
        meta: task.meta.as_str().into(),
    };
    let host = HostApi_TO::from_value(Gateway(link.clone()), TD_Opaque);
    match root.instantiate()(birth, host) {
        RResult::ROk(plugin) => {
            link.send(&ToHost::Ready { gaps: &gaps });
            Ok(plugin)
        }
        RResult::RErr(payload) => Err(decode_error(&payload).message),
    }
}

/// A plugin that hangs where it is loaded or called keeps the process from reading that the gateway is gone. The thread is
/// in the sandbox as well.
fn end_with_gateway(link: &Arc<Link>) -> std::io::Result<()> {
    let link = link.clone();
    // A thread that begins waits for a library that is being loaded, perhaps for ever.
    let begun = Arc::new(Barrier::new(2));
    let begins = begun.clone();
    let watch = move || {
        begins.wait();
        let mut ends = [PollFd::new(&link.socket, PollFlags::RDHUP)];
        while rustix::event::poll(&mut ends, None).is_err() {}
        kill();
    };
    let thread = std::thread::Builder::new().name("gateway".into());
    thread.stack_size(WATCH_STACK).spawn(watch)?;
    begun.wait();
    Ok(())
}

fn limit(limits: &Limits) -> std::io::Result<()> {
    for (resource, most) in [
        (Resource::Data, limits.memory),
        (Resource::Nofile, limits.open_files),
    ] {
        let most = rustix::process::getrlimit(resource)
            .maximum
            .map_or(most, |most_allowed| most.min(most_allowed));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    Ok(())
}

fn pass_on(frames: &mut Frames, plugin: &PluginBox) {
    while let Some(message) = frames.next() {
        match message {
            ToChild::Call { op, method, body } => plugin.call(op, method, body.payload()),
            ToChild::Cancel { op } => plugin.cancel(op),
            ToChild::Answer { ticket, ok, body } => plugin.answer(ticket, body.reply(ok)),
            ToChild::LogLevel(level) => plugin.set_log_level(level),
            ToChild::Task(_) => {}
        }
    }
}

/// Frames as they come.
struct Frames {
    socket: BufReader<Socket>,
    bytes: Vec<u8>,
}

impl Frames {
    fn new(link: &Arc<Link>) -> Self {
        Self {
            socket: BufReader::with_capacity(16 * 1024, Socket(link.clone())),
            bytes: Vec::new(),
        }
    }

    /// The next frame; `None` where the gateway is gone.
    fn next(&mut self) -> Option<ToChild<'_>> {
        let mut head = [0; HEAD];
        self.socket.read_exact(&mut head).ok()?;
        self.bytes.clear();
        self.bytes.shrink_to(64 * 1024);
        self.bytes.resize(frame::length(head)?, 0);
        self.socket.read_exact(&mut self.bytes).ok()?;
        frame::parse(&self.bytes)
    }
}

/// The way to the gateway.
struct Link {
    socket: UnixStream,
    /// Frames are written whole; the buffer is used again.
    scratch: Mutex<Vec<u8>>,
    born: Instant,
    /// Milliseconds since `born` when progress was told last.
    progress: AtomicU64,
}

impl Link {
    fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            scratch: Mutex::default(),
            born: Instant::now(),
            progress: AtomicU64::new(0),
        }
    }

    /// Blocks while the gateway does not read; `false` for what is too long to cross.
    fn send(&self, message: &ToHost<'_>) -> bool {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.clear();
        let fits = frame::append(&mut scratch, message).is_ok();
        // A gateway that is gone ends this process in `Frames::next`.
        let _ = (&self.socket).write_all(&scratch);
        scratch.shrink_to(64 * 1024);
        fits
    }

    fn is_news(&self) -> bool {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or_default() + 1;
        let last = self.progress.load(Ordering::Relaxed);
        if last != 0 && now < last + PROGRESS.as_millis() as u64 {
            return false;
        }
        self.progress.store(now, Ordering::Relaxed);
        true
    }
}

/// The reading end. At the first silence it lets go of what the start needed.
struct Socket(Arc<Link>);

impl Read for Socket {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let mut socket = &self.0.socket;
        match socket.read(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                memory::release_startup_code();
                socket.set_read_timeout(None)?;
                socket.read(bytes)
            }
            read => read,
        }
    }
}

/// What the plugin takes for its host.
struct Gateway(Arc<Link>);

impl HostApi for Gateway {
    fn request(&self, ticket: u64, op: u64, method: u32, payload: Payload) {
        let whole = self.0.send(&ToHost::Request {
            ticket,
            op,
            method,
            body: Body::of(&payload),
        });
        if !whole {
            // The gateway knows no such request, and says so: the plugin does not wait in vain.
            self.request(ticket, op, u32::MAX, Payload::default());
        }
    }

    fn done(&self, op: u64, reply: Reply) {
        let (ok, body) = Body::of_reply(&reply);
        if !self.0.send(&ToHost::Done { op, ok, body }) {
            let error = Error::permanent("the result is too long to cross into the gateway");
            self.done(op, encode_reply::<()>(&Err(error)));
        }
    }

    fn log(&self, record: LogRecord) {
        self.0.send(&ToHost::log(&record));
    }

    fn notify(&self, notice: u32, payload: Payload) {
        if notice != notice::PROGRESS || self.0.is_news() {
            self.0.send(&ToHost::Notify {
                notice,
                body: Body::of(&payload),
            });
        }
    }
}
