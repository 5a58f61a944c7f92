//! Standard error as a place that may take nothing: a pipe that nobody reads, a terminal that was stopped. The gateway
//! goes on meanwhile; lines are kept up to a bound, and those beyond it are counted.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes of lines that wait for a reader.
const ROOM: usize = 256 * 1024;
/// What a pipe that says that it takes something takes at once.
const PIECE: usize = 4_096;
/// How long the end of the process waits for a reader.
const FAREWELL: Duration = Duration::from_millis(200);

static STDERR: Mutex<Patient> = Mutex::new(Patient::new());

/// Writes lines without ever waiting.
pub(super) struct Stderr;

impl Write for Stderr {
    /// One call is one line, and is taken or lost whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut patient = STDERR.lock().unwrap_or_else(PoisonError::into_inner);
        patient.take(line, io::stderr().as_fd());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives what waits a last chance, at the end of the process.
pub(crate) fn flush() {
    let mut patient = STDERR.lock().unwrap_or_else(PoisonError::into_inner);
    patient.pass_on(io::stderr().as_fd(), FAREWELL);
}

/// What waits for a reader.
struct Patient {
    waiting: Vec<u8>,
    lost: u64,
}

impl Patient {
    const fn new() -> Self {
        Self {
            waiting: Vec::new(),
            lost: 0,
        }
    }

    fn take(&mut self, line: &[u8], out: BorrowedFd<'_>) {
        if self.waiting.len() + line.len() > ROOM {
            self.pass_on(out, Duration::ZERO);
        }
        if self.waiting.len() + line.len() > ROOM && !self.waiting.is_empty() {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            let told = format!("{lost} lines of the log are missing here: nobody read it\n");
            self.waiting.extend_from_slice(told.as_bytes());
        }
        self.waiting.extend_from_slice(line);
        self.pass_on(out, Duration::ZERO);
    }

    /// Writes what `out` takes; `patience` for each piece.
    fn pass_on(&mut self, out: BorrowedFd<'_>, patience: Duration) {
        let mut done = 0;
        while done < self.waiting.len() && takes(out, patience) {
            let end = self.waiting.len().min(done + PIECE);
            match rustix::io::write(out, &self.waiting[done..end]) {
                Ok(written) => done += written,
                Err(rustix::io::Errno::INTR) => {}
                // Nobody will ever read it.
                Err(_) => done = self.waiting.len(),
            }
        }
        self.waiting.drain(..done);
    }
}

fn takes(out: BorrowedFd<'_>, patience: Duration) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(out, PollFlags::OUT)];
    let patience = Timespec::try_from(patience).ok();
    let ready = poll(&mut fds, patience.as_ref()).unwrap_or(0);
    // A closed pipe is ready as well: the write then says so.
    ready > 0
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_that_sleeps_holds_up_nobody_and_gets_what_fits_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut patient = Patient::new();
        for number in 0..50_000 {
            patient.take(format!("line {number}\n").as_bytes(), writer.as_fd());
        }
        assert!(patient.lost > 0 && patient.waiting.len() <= ROOM);
        let lost = patient.lost;
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        patient.pass_on(writer.as_fd(), Duration::from_secs(10));
        patient.take(b"awake\n", writer.as_fd());
        patient.pass_on(writer.as_fd(), Duration::from_secs(10));
        drop(writer);
        let text = reading.join().unwrap().unwrap();
        let mut lines = text.lines();
        let kept = 50_000 - lost;
        for number in 0..kept {
            assert_eq!(lines.next(), Some(&*format!("line {number}")));
        }
        let told = format!("{lost} lines of the log are missing here: nobody read it");
        assert_eq!(lines.collect::<Vec<_>>(), [&*told, "awake"]);
    }

    #[test]
    fn a_reader_that_is_gone_costs_its_lines_alone() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut patient = Patient::new();
        patient.take(b"line\n", writer.as_fd());
        assert_eq!((patient.waiting.len(), patient.lost), (0, 0));
    }
}
