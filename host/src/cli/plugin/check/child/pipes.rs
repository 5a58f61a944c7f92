//! What a child says on both its outputs, without ever waiting for one of them alone.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What is kept of the errors, and of a line without an end.
const KEPT: usize = 64 * 1024;

/// A child's outputs.
pub(super) struct Pipes {
    out: ChildStdout,
    err: ChildStderr,
    unfinished: Vec<u8>,
    lines: VecDeque<String>,
    complaints: Vec<u8>,
    open: [bool; 2],
}

/// What came next.
pub(super) enum Said {
    Line(String),
    /// Nothing, for as long as one waits.
    Nothing,
    /// The output was closed: the child is about to end, or has ended.
    End,
}

impl Pipes {
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let missing = || io::Error::other("the child has no pipes");
        let out = child.stdout.take().ok_or_else(missing)?;
        let err = child.stderr.take().ok_or_else(missing)?;
        rustix::fs::fcntl_setfl(&out, rustix::fs::OFlags::NONBLOCK)?;
        rustix::fs::fcntl_setfl(&err, rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self {
            out,
            err,
            unfinished: Vec::new(),
            lines: VecDeque::new(),
            complaints: Vec::new(),
            open: [true; 2],
        })
    }

    /// The next line of standard output.
    pub(super) fn next(&mut self, patience: Duration) -> io::Result<Said> {
        let until = Instant::now() + patience;
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Said::Line(line));
            }
            if !self.open[0] {
                self.read_errors();
                return Ok(Said::End);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Said::Nothing);
            }
            self.wait(left)?;
            self.read_output();
            self.read_errors();
        }
    }

    /// The last line on standard error.
    pub(super) fn last_complaint(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaints);
        let mut lines = text.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    }

    fn wait(&self, left: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut fds = vec![PollFd::new(&self.out, PollFlags::IN)];
        if self.open[1] {
            fds.push(PollFd::new(&self.err, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn read_output(&mut self) {
        self.open[0] = available(&mut self.out, &mut self.unfinished);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            self.lines
                .push_back(String::from_utf8_lossy(&line).trim().to_owned());
        }
        bound(&mut self.unfinished);
    }

    fn read_errors(&mut self) {
        self.open[1] = self.open[1] && available(&mut self.err, &mut self.complaints);
        bound(&mut self.complaints);
    }
}

/// Keeps the end.
fn bound(bytes: &mut Vec<u8>) {
    let more = bytes.len().saturating_sub(KEPT);
    bytes.drain(..more);
}

/// Takes what is there; whether there may be more.
fn available(pipe: &mut (impl Read + AsFd), into: &mut Vec<u8>) -> bool {
    let mut piece = [0; 8192];
    // Not until it is empty: a plugin that floods it must not keep the clock from being looked at.
    match pipe.read(&mut piece) {
        Ok(0) => false,
        Ok(count) => {
            into.extend_from_slice(&piece[..count]);
            true
        }
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        ),
    }
}
