//! Starting the binary.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use super::{Gateway, Home};
use crate::build;

/// One call of the binary, with an environment of `PATH` and `HOME` alone.
pub struct Command {
    binary: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    config: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The exit status, or 128 and the signal where one killed it, as shells say.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .expect("a process that has ended has a status")
    }

    /// Whether the process ended by itself, rather than by a signal.
    pub fn exited(&self) -> bool {
        self.status.code().is_some()
    }

    /// Checks the exit status.
    ///
    /// # Panics
    /// Where it is another, with all output.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert!(
            self.exited() && self.code() == code,
            "exit status {} instead of {code}; stdout:\n{}\nstderr:\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Command {
    /// The binary under test with these arguments, in this home.
    pub fn new(home: &Home, arguments: &[&str]) -> Self {
        Self::of(&build::artifacts().binary, home).args(arguments)
    }

    /// Another binary, without arguments.
    pub fn of(binary: impl Into<PathBuf>, home: &Home) -> Self {
        Self {
            binary: binary.into(),
            arguments: Vec::new(),
            variables: vec![("HOME".into(), home.root().into())],
            config: home.config(),
        }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: &[S]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Starts the process.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(self) -> Gateway {
        let mut command = std::process::Command::new(&self.binary);
        heed_interrupts(&mut command);
        let child = command
            .args(self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.binary.display()));
        Gateway::adopt(child, self.config)
    }

    /// Starts the process and waits for its end.
    ///
    /// # Panics
    /// Where it cannot be started, or does not end.
    pub fn run(self) -> Finished {
        self.start().wait()
    }
}

/// Of a shell's job in the background a child inherits that SIGINT is ignored.
pub(crate) fn heed_interrupts(command: &mut std::process::Command) {
    // SAFETY: the call is made by the kernel alone, and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
}
