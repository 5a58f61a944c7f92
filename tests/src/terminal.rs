//! The real binary on a terminal of its own, as a person meets it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::build;
use crate::gateway::{Home, heed_interrupts};
use crate::watched::DEADLINE;

/// A process and the terminal that it is on; killed when dropped.
pub struct Terminal {
    child: Child,
    screen: File,
    shown: String,
    /// What was waited for already ends here.
    seen: usize,
}

impl Terminal {
    /// Starts the binary with these arguments.
    ///
    /// # Panics
    /// Where the system has no terminal to give.
    pub fn start(home: &Home, arguments: &[&str]) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal can be made");
        grantpt(&screen).expect("a terminal can be granted");
        unlockpt(&screen).expect("a terminal can be unlocked");
        let name = ptsname(&screen, Vec::new()).expect("a terminal has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let side: OwnedFd = rustix::fs::open(name, flags, Mode::empty()).expect("a terminal can be opened");
        let end = || Stdio::from(side.try_clone().expect("a descriptor can be copied"));
        let mut command = std::process::Command::new(&build::artifacts().binary);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.root())
            .stdin(end())
            .stdout(end())
            .stderr(end());
        heed_interrupts(&mut command);
        // SAFETY: both calls are made by the kernel alone, and neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().expect("the binary can be started");
        Self {
            child,
            screen: screen.into(),
            shown: String::new(),
            seen: 0,
        }
    }

    /// Waits for a question, and answers it with a line.
    pub fn answer(&mut self, question: &str, line: &str) {
        self.wait_for(question);
        self.screen
            .write_all(format!("{line}\n").as_bytes())
            .expect("the terminal takes a line");
    }

    /// Presses one key.
    pub fn press(&mut self, key: u8) {
        self.screen.write_all(&[key]).expect("the terminal takes a key");
    }

    /// Whether its keys leave no trace on it.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn hides_what_is_typed(&self) -> bool {
        let settings = tcgetattr(&self.screen).expect("a terminal has settings");
        !settings.local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for a text after everything that was waited for before.
    pub fn wait_for(&mut self, text: &str) {
        self.shows_one_of(&[text]);
        let at = self.shown[self.seen..].find(text).unwrap_or_default();
        self.seen += at + text.len();
    }

    /// Waits until one of these stands there; which, is returned.
    ///
    /// # Panics
    /// At the deadline, or where the process ends without it.
    pub fn shows_one_of(&mut self, texts: &[&str]) -> usize {
        let begun = Instant::now();
        loop {
            let new = &self.shown[self.seen..];
            if let Some(index) = texts.iter().position(|text| new.contains(text)) {
                return index;
            }
            assert!(
                begun.elapsed() < DEADLINE && self.read(),
                "none of {texts:?} on the terminal:\n{}",
                self.shown
            );
        }
    }

    /// Waits for the end; returns the status as shells tell it, and everything that was shown.
    pub fn wait(mut self) -> (i32, String) {
        while self.read() {}
        let status = self.child.wait().expect("a child can be waited for");
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        (code.unwrap_or(-1), std::mem::take(&mut self.shown))
    }

    /// Reads what there is; false once nobody holds the other side, or at the deadline.
    fn read(&mut self) -> bool {
        let timeout = Timespec::try_from(DEADLINE).expect("a deadline is short");
        let ready = poll(&mut [PollFd::new(&self.screen, PollFlags::IN)], Some(&timeout));
        assert!(
            ready.is_ok_and(|ready| ready > 0),
            "the terminal is silent:\n{}",
            self.shown
        );
        let mut bytes = [0; 4096];
        match self.screen.read(&mut bytes) {
            Ok(read) if read > 0 => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
                true
            }
            _ => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
