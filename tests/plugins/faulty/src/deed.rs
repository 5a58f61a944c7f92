//! What it does.

use std::hint::black_box;
use std::io::Write;

use miniclaw_plugin_api::{Context, InboundMessage, Inbox};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Lines, notices or messages where the settings say nothing.
const MANY: u64 = 100_000;
/// Bytes of memory where the settings say nothing.
const HOG_BYTES: u64 = 1 << 30;
/// Bytes of garbage for each descriptor where the settings say nothing.
const GARBAGE_BYTES: u64 = 1 << 16;
/// Descriptors that get garbage.
const DESCRIPTORS: std::ops::Range<i32> = 3..256;

/// How it fails.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    Panic,
    Segfault,
    Abort,
    /// Ends the process with status 0, as if all were well.
    Exit,
    StackOverflow,
    /// Takes and touches memory, and keeps it.
    MemoryHog,
    /// Keeps a core busy; the instance's thread answers nothing any more.
    CpuHog,
    /// Opens files until there is no descriptor left, and keeps them.
    DescriptorHog,
    /// Starts threads until there is none left, and keeps them.
    ThreadHog,
    Hang,
    HangBlocking,
    FloodLog,
    /// Messages of strangers, without waiting for a verdict.
    FloodInbound,
    /// Notices of progress, or events where there is no inbox.
    FloodProgress,
    /// Lines on standard output and standard error.
    FloodStdout,
    /// Noise on every Unix socket that the process has.
    Garbage,
    /// Closes every descriptor but the standard ones.
    CloseAll,
}

impl Fault {
    /// Floods, hogs and garbage end, and the channel goes on; the others do not.
    pub(crate) async fn commit(self, amount: Option<u64>, context: &Context, inbox: Option<&Inbox>) {
        let many = amount.unwrap_or(MANY);
        match self {
            Self::Panic => panic!("a panic, as asked"),
            Self::Segfault => segfault(),
            Self::Abort => std::process::abort(),
            Self::Exit => std::process::exit(0),
            Self::StackOverflow => drop(black_box(overflow(1))),
            Self::MemoryHog => hog_memory(amount.unwrap_or(HOG_BYTES)),
            Self::CpuHog => loop {
                black_box(0);
            },
            Self::DescriptorHog => hog_descriptors(),
            Self::ThreadHog => hog_threads(many),
            Self::Hang => std::future::pending().await,
            Self::HangBlocking => loop {
                std::thread::park();
            },
            Self::FloodLog => flood_log(many),
            Self::FloodInbound => flood_inbound(many, inbox),
            Self::FloodProgress => flood_progress(many, context, inbox),
            Self::FloodStdout => flood_stdout(many),
            Self::Garbage => write_garbage(amount.unwrap_or(GARBAGE_BYTES)),
            Self::CloseAll => close_all(),
        }
    }
}

/// Writes to an address that no process has.
pub(crate) fn segfault() {
    // SAFETY: not safe at all, which is the point: page 0 is never mapped.
    unsafe { black_box(std::ptr::without_provenance_mut::<u8>(16)).write_volatile(1) }
}

#[expect(unconditional_recursion, reason = "it shall overflow")]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 128]);
    black_box(overflow(depth + 1)) + frame[0]
}

fn hog_memory(bytes: u64) {
    const STEP: usize = 1 << 20;
    for _ in 0..bytes / STEP as u64 {
        Box::leak(black_box(vec![1_u8; STEP].into_boxed_slice()));
    }
}

fn hog_descriptors() {
    while let Ok(file) = std::fs::File::open("/dev/null").or_else(|_| dup()) {
        std::mem::forget(file);
    }
}

fn dup() -> std::io::Result<std::fs::File> {
    use std::os::fd::AsFd;
    Ok(std::io::stderr().as_fd().try_clone_to_owned()?.into())
}

fn hog_threads(count: u64) {
    for _ in 0..count {
        let thread = std::thread::Builder::new().stack_size(16 * 1024);
        let parked = thread.spawn(|| {
            loop {
                std::thread::park();
            }
        });
        if parked.is_err() {
            return;
        }
    }
}

fn flood_log(lines: u64) {
    for line in 0..lines {
        tracing::info!(
            line,
            "A line of a flood that says nothing in as many words as it takes"
        );
    }
}

fn flood_inbound(messages: u64, inbox: Option<&Inbox>) {
    let Some(inbox) = inbox else { return };
    for number in 0..messages {
        let inbox = inbox.clone();
        let message = InboundMessage::new("flood", format!("flood-{number}"), "stranger", "flood");
        tokio::spawn(async move { drop(inbox.emit(message).await) });
    }
}

fn flood_progress(notices: u64, context: &Context, inbox: Option<&Inbox>) {
    for _ in 0..notices {
        match inbox {
            Some(inbox) => inbox.progress(),
            None => context.event("flood", Value::Null),
        }
    }
}

fn flood_stdout(lines: u64) {
    for line in 0..lines {
        // A host that reads neither is not this side's trouble.
        let _ = writeln!(std::io::stdout(), "line {line} of a flood on standard output");
        let _ = writeln!(std::io::stderr(), "line {line} of a flood on standard error");
    }
}

/// Only Unix sockets, never files: in the gateway's own process it would destroy what no fault of a plugin's could.
fn write_garbage(bytes: u64) {
    let noise = noise(bytes);
    for number in DESCRIPTORS {
        // SAFETY: borrowed for this call alone; the kernel refuses a number that is no open socket.
        let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        let unix = rustix::net::sockopt::socket_domain(descriptor)
            .is_ok_and(|domain| domain == rustix::net::AddressFamily::UNIX);
        if unix {
            use rustix::net::SendFlags;
            let _ = rustix::net::send(descriptor, &noise, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
    }
}

/// Bytes without a pattern, the same every time.
fn noise(length: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(step)
        .take(usize::try_from(length).unwrap_or(usize::MAX))
        .collect()
}

fn close_all() {
    use std::os::fd::FromRawFd;
    for number in DESCRIPTORS {
        // SAFETY: not safe at all, which is the point: others lose what they hold.
        drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(number) });
    }
}
