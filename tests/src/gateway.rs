//! The real binary as a process.

mod command;
mod home;
mod output;
mod secrets;

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::watched::DEADLINE;

pub(crate) use command::heed_interrupts;
pub use command::{Command, Finished};
pub use home::{Home, make_folder, write_private};

use output::Output;
use secrets::Secrets;

/// A running gateway; it is killed when this is dropped.
pub struct Gateway {
    child: Child,
    /// Names this very process also after its id was given to another.
    pidfd: OwnedFd,
    stdout: Output,
    stderr: Output,
    /// The configuration, whose secrets are in no output: those of its start, and those of its end.
    config: PathBuf,
    secrets: Secrets,
    ended: bool,
}

impl Gateway {
    /// Starts `miniclaw gateway` with further arguments.
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        Command::new(home, &["gateway"]).args(arguments).start()
    }

    fn adopt(mut child: Child, config: PathBuf) -> Self {
        let pid = Pid::from_child(&child);
        let pidfd =
            pidfd_open(pid, PidfdFlags::empty()).expect("a child that was not waited for has a pidfd");
        let stdout = Output::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Output::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            pidfd,
            stdout,
            stderr,
            secrets: Secrets::of(&config),
            config,
            ended: false,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything on stderr so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Everything on stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Lines on stderr that hold `needle`, in any case.
    pub fn lines_with(&self, needle: &str) -> Vec<String> {
        self.stderr.lines_with(needle)
    }

    /// Waits for a line on stderr that holds `needle`, in any case.
    ///
    /// # Panics
    /// At the deadline, with the whole log.
    pub fn wait_for_line(&self, needle: &str) -> String {
        self.wait_for_lines(needle, 1).swap_remove(0)
    }

    /// Waits for `n` such lines.
    ///
    /// # Panics
    /// At the deadline, with the whole log.
    pub fn wait_for_lines(&self, needle: &str, n: usize) -> Vec<String> {
        self.stderr.wait_for_lines(needle, n).unwrap_or_else(|| {
            panic!(
                "no {n} lines with `{needle}` within {DEADLINE:?} in:\n{}",
                self.log()
            )
        })
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGINT.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) -> Finished {
        self.signal(Signal::KILL);
        self.finish(DEADLINE)
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// At the deadline, with the whole log.
    pub fn wait(mut self) -> Finished {
        self.finish(DEADLINE)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// At the deadline, with the whole log.
    pub fn stop(self) -> Finished {
        self.terminate();
        self.wait()
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        !self.ends_within(Duration::ZERO)
    }

    fn keeps_its_secrets(&self, stdout: &str, stderr: &str) {
        for secrets in [&self.secrets, &Secrets::of(&self.config)] {
            secrets.check("stdout", stdout);
            secrets.check("the log", stderr);
        }
    }

    fn signal(&self, signal: Signal) {
        // A process that has just ended is found out by whoever waits for it.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let timeout = Timespec::try_from(patience).expect("a deadline is short");
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).is_ok_and(|ready| ready > 0)
    }

    fn finish(&mut self, patience: Duration) -> Finished {
        assert!(
            self.ends_within(patience),
            "the process did not end within {patience:?}; its log:\n{}",
            self.log()
        );
        let status = self.child.wait().expect("a child can be waited for");
        self.ended = true;
        let finished = Finished {
            status,
            stdout: self.stdout.complete(),
            stderr: self.stderr.complete(),
        };
        self.keeps_its_secrets(&finished.stdout, &finished.stderr);
        finished
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !self.ended {
            if std::thread::panicking() {
                eprintln!("--- log of the gateway ---\n{}", self.log());
            }
            // It may have ended in between, which is all that is wanted.
            let _ = self.child.kill();
            let _ = self.child.wait();
            if !std::thread::panicking() {
                // What is read so far: a child that it left behind may hold the pipes.
                let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
                self.keeps_its_secrets(&stdout, &stderr);
            }
        }
    }
}

#[cfg(test)]
mod tests;
