//! A plugin in a process of its own: the same library behind the same calls, which cross a socket as frames.
//!
//! The child is this binary with another command. It limits itself, shuts itself into its sandbox, and only then
//! loads the library. What it dies of kills nothing else, what it leaves behind is killed with it.

mod bucket;
pub(crate) mod child;
mod driver;
mod frame;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod output;
mod remote;
pub(crate) mod sandbox;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use miniclaw_plugin_api::abi::{Birth, PluginBox};
use miniclaw_plugin_api::{Cause, Error};
use serde::{Deserialize, Serialize};

use self::driver::Driver;
use self::frame::ToChild;
use self::remote::Remote;
use self::sandbox::Sandbox;
use super::instance::Host;
use crate::tasks::Tasks;

/// The hidden command of this binary that hosts a plugin.
pub(crate) const COMMAND: &str = "plugin-host";

/// What a child gets of the gateway's environment: the way to the network, certificates, language, time zone.
const ENVIRONMENT: [&str; 17] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_TIME",
    "TZ",
];

/// What it takes to run a library in processes of its own.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) source: Source,
    pub(crate) limits: Limits,
    pub(crate) sandbox: Option<Sandbox>,
    /// The instance's own folder, which is made when it is needed.
    pub(crate) data_dir: Arc<Path>,
    /// Drives the sockets.
    pub(crate) tasks: Tasks,
}

/// Where a child takes the plugin from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A copy of a library that was checked, and that nobody else can write.
    Library(PathBuf),
    /// A plugin that is part of the binary, by name.
    Builtin(String),
}

/// What a child may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Memory that it writes to, in bytes.
    pub(crate) memory: u64,
    pub(crate) open_files: u64,
}

/// What a child hosts and within which bounds: the first thing it is told.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    source: Source,
    instance: String,
    settings: String,
    log_level: u8,
    meta: String,
    limits: Limits,
    sandbox: Option<Sandbox>,
}

impl Process {
    /// Differs where the plugin's content or its bounds differ.
    pub(crate) fn mark(&self) -> String {
        format!("{:?} {:?} {:?}", self.source, self.limits, self.sandbox)
    }

    /// Starts a child that makes an instance; returns at once. Needs a runtime.
    ///
    /// # Errors
    /// Transient where the system has no process, socket or memory for it.
    pub(crate) fn instantiate(&self, birth: &Birth, host: Host) -> Result<PluginBox, Error> {
        let none = |error: std::io::Error| {
            Error::transient(format!("no process for the plugin: {error}")).because(Cause::Unavailable)
        };
        let folder = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.data_dir);
        folder.map_err(|error| {
            let path = self.data_dir.display();
            Error::transient(format!("the plugin's folder {path} cannot be made: {error}"))
        })?;
        let folder = std::fs::symlink_metadata(&self.data_dir);
        if folder.is_ok_and(|folder| folder.is_symlink()) {
            let path = self.data_dir.display();
            let text = format!("the plugin's folder {path} is a symbolic link; put a folder in its place");
            return Err(Error::permanent(text).because(Cause::Config));
        }
        if let Source::Library(path) = &self.source
            && !path.exists()
        {
            let (path, name) = (path.display(), &birth.instance);
            let text = format!("the copy {path} is gone; run `miniclaw plugin reload {name}`");
            return Err(Error::permanent(text).because(Cause::Config));
        }
        let (ours, theirs) = UnixStream::pair().map_err(none)?;
        ours.set_nonblocking(true).map_err(none)?;
        let stream = tokio::net::UnixStream::from_std(ours).map_err(none)?;
        let child = start(&birth.instance, theirs.into()).map_err(none)?;
        let task = Task {
            source: self.source.clone(),
            instance: birth.instance.to_string(),
            settings: birth.settings.to_string(),
            log_level: birth.log_level,
            meta: birth.meta.to_string(),
            limits: self.limits.clone(),
            sandbox: self.sandbox.clone(),
        };
        let (remote, driver) = remote::connect(stream, child, host).map_err(none)?;
        if remote.send(&ToChild::Task(task)).is_err() {
            remote.kill();
            let text = "its task cannot be told to its process: the home folder or a path of the sandbox is not UTF-8";
            return Err(Error::permanent(text).because(Cause::Config));
        }
        self.tasks.spawn("plugin process", Driver::run(driver));
        Ok(Remote::boxed(remote))
    }
}

/// The child gets its socket as standard input.
fn start(instance: &str, socket: OwnedFd) -> std::io::Result<Child> {
    let kept = ENVIRONMENT
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)))
        .collect::<Vec<(&str, OsString)>>();
    Command::new("/proc/self/exe")
        .arg0("miniclaw")
        .args([COMMAND, instance])
        .env_clear()
        .envs(kept)
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}
