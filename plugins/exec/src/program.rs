//! The process: its start, its group, its end.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use miniclaw_plugin_api::{Cause, Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::settings::Settings;

/// What is handed on of the gateway's environment.
const HANDED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];
/// Where programs are looked up that run under a gateway without a `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that was started, with everything that it starts in one process group. When this is dropped, all of it is killed.
pub(crate) struct Program {
    name: String,
    group: Arc<Group>,
    status: watch::Receiver<Option<ExitStatus>>,
}

/// The ends of the program's pipes.
pub(crate) struct Pipes {
    pub(crate) input: pipe::Sender,
    pub(crate) output: pipe::Receiver,
    pub(crate) errors: pipe::Receiver,
}

/// The id of a group may be signalled as long as its leader was not waited for.
struct Group {
    leader: Pid,
    over: Mutex<bool>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*over {
            // A group that is gone is what is wanted.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// Waits for the leader's end, and kills what it left behind.
    fn wait(&self, child: &mut Child) -> Option<ExitStatus> {
        let left_to_wait_for = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(self.leader), left_to_wait_for) {}
        self.signal(Signal::KILL);
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        *over = true;
        child.wait().ok()
    }
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// Permanent where there is no such program, or it cannot be executed.
    pub(crate) fn start(settings: &Settings) -> Result<(Self, Pipes)> {
        let Some((name, arguments)) = settings.command.split_first() else {
            return Err(Error::config("settings.command: names no program"));
        };
        let mut child = command(name, arguments, settings)
            .spawn()
            .map_err(|error| cannot_start(name, &error, settings))?;
        let leader = Pid::from_child(&child);
        let group = Arc::new(Group {
            leader,
            over: Mutex::new(false),
        });
        let pipes = Pipes::of(&mut child);
        let (sender, status) = watch::channel(None);
        let waiter = group.clone();
        let thread = std::thread::Builder::new().name("mc-exec-wait".into());
        let waiting = thread.spawn(move || {
            let status = waiter.wait(&mut child);
            sender.send_replace(status);
        });
        let program = Self {
            name: name.clone(),
            group,
            status,
        };
        waiting.map_err(|error| Error::transient(format!("no thread to wait for `{name}`: {error}")))?;
        Ok((program, pipes?))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> i32 {
        self.group.leader.as_raw_nonzero().get()
    }

    /// Waits for its end, and says how it was.
    pub(crate) async fn ended(&self) -> String {
        let mut status = self.status.clone();
        match status.wait_for(Option::is_some).await.map(|status| *status) {
            Ok(Some(status)) => described(status),
            _ => "ended".to_owned(),
        }
    }

    /// SIGTERM to all of it.
    pub(crate) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// SIGKILL to all of it.
    pub(crate) fn kill(&self) {
        self.group.signal(Signal::KILL);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Pipes {
    fn of(child: &mut Child) -> Result<Self> {
        let lost = |error| Error::transient(format!("no pipe to the program: {error}"));
        let missing = || lost(std::io::Error::from(ErrorKind::BrokenPipe));
        let input: OwnedFd = child.stdin.take().ok_or_else(missing)?.into();
        let output: OwnedFd = child.stdout.take().ok_or_else(missing)?.into();
        let errors: OwnedFd = child.stderr.take().ok_or_else(missing)?.into();
        Ok(Self {
            input: pipe::Sender::from_owned_fd(input).map_err(lost)?,
            output: pipe::Receiver::from_owned_fd(output).map_err(lost)?,
            errors: pipe::Receiver::from_owned_fd(errors).map_err(lost)?,
        })
    }
}

fn command(name: &str, arguments: &[String], settings: &Settings) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env_clear().env("PATH", PATH);
    for name in HANDED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(&settings.env)
        .current_dir(settings.cwd.as_deref().unwrap_or("/".as_ref()))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Whatever ends this instance's thread, a kill of its process included, ends the program.
    let end_with_this_thread = || {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(Into::into)
    };
    // SAFETY: between fork and exec this makes one system call; it takes no lock and no memory.
    unsafe { command.pre_exec(end_with_this_thread) };
    command
}

fn cannot_start(name: &str, error: &std::io::Error, settings: &Settings) -> Error {
    let missing_folder = settings.cwd.as_ref().filter(|folder| !folder.is_dir());
    let what = match missing_folder {
        Some(folder) => format!("cannot start `{name}`: there is no folder {}", folder.display()),
        None => format!("cannot start `{name}`: {error}"),
    };
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput => Error::config(what),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => Error::config(what),
        _ => Error::transient(what).because(Cause::Unavailable),
    }
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
