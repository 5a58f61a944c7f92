//! The trial load: a damaged library kills a child instead of the gateway.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::super::inspect::Reason;

/// A trial takes 2 ms; a constructor that needs seconds would hold up the gateway as well.
const DEADLINE: Duration = Duration::from_secs(5);
/// What a child says beyond this is cut.
const MAX_OUTPUT: u64 = 4096;

/// How a trial is run.
pub(crate) struct Probe {
    program: PathBuf,
    arguments: Vec<String>,
    deadline: Duration,
}

impl Probe {
    /// This binary's own `plugin-probe` command.
    pub(crate) fn own_binary() -> Self {
        Self::command("/proc/self/exe", &["plugin-probe"], DEADLINE)
    }

    /// A program that gets the file's path as its last argument and exits with 0 where all is well.
    pub(super) fn command(program: &str, arguments: &[&str], deadline: Duration) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            deadline,
        }
    }

    /// Loads the file in a child process.
    pub(crate) fn run(&self, file: &Path) -> Result<(), Reason> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(file)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Reason::NoTrial)?;
        let ended = wait(&mut child, self.deadline);
        // Also what a hostile library started in the child's group.
        kill_group(&child);
        match ended.map_err(Reason::NoTrial)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.verdict(status, &mut child)),
            None => {
                // Reaps the child, which the group's end has reached unless it left the group.
                child
                    .kill()
                    .and_then(|()| child.wait())
                    .map_err(Reason::NoTrial)?;
                Err(Reason::Hung {
                    seconds: self.deadline.as_secs(),
                })
            }
        }
    }

    fn verdict(&self, status: ExitStatus, child: &mut Child) -> Reason {
        if let Some(signal) = status.signal() {
            return Reason::Crashed(format!("signal {signal}"));
        }
        let said = child.stdout.as_mut().map(available).unwrap_or_default();
        let complained = child.stderr.as_mut().map(available).unwrap_or_default();
        let last_line = |text: &str| text.trim_end().lines().last().unwrap_or_default().to_owned();
        match (last_line(&said), last_line(&complained)) {
            (said, _) if !said.is_empty() && status.code() == Some(1) => Reason::Trial(said),
            (_, complained) if !complained.is_empty() => Reason::Trial(complained),
            _ => Reason::Crashed(status.to_string()),
        }
    }
}

/// Keeps a crash of this process, which is expected, from filling the disk.
pub(crate) fn without_core_dump() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Where the limit stays, a crash leaves a core dump and is found out all the same.
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

/// The child's end; `None` where the deadline came first.
fn wait(child: &mut Child, deadline: Duration) -> io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Kills what is left of the group that a child leads: the child, and what it started.
pub(crate) fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // An error means that nobody is left in it.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// What is in a pipe; does not wait for more, since a process that outlived the child may hold it open.
fn available(pipe: &mut (impl Read + AsFd)) -> String {
    if rustix::fs::fcntl_setfl(&*pipe, rustix::fs::OFlags::NONBLOCK).is_err() {
        return String::new();
    }
    let mut bytes = Vec::new();
    // It ends with `WouldBlock` where the pipe is still open; what was read until then stands.
    let _ = pipe.take(MAX_OUTPUT).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
