//! Why a library is not loaded: one line that names both sides.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::telemetry::printable;

/// Longest piece of text from a file or a library that a line repeats, in characters.
const QUOTE_CHARS: usize = 200;

/// A library that this host does not load.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Refusal {
    /// The plugin's name, where the file said one.
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
    /// Part of the line already, so no `#[source]`.
    pub(crate) reason: Reason,
}

impl Refusal {
    pub(crate) fn of(path: &Path, reason: Reason) -> Self {
        Self {
            name: None,
            path: path.to_owned(),
            reason,
        }
    }

    pub(crate) fn named(name: &str, path: &Path, reason: Reason) -> Self {
        Self {
            name: Some(name.to_owned()),
            path: path.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = printable(&self.path.to_string_lossy(), 4096);
        match &self.name {
            Some(name) => write!(f, "cannot load plugin `{name}` from {path}: {}", self.reason),
            None => write!(f, "cannot load a plugin from {path}: {}", self.reason),
        }
    }
}

/// What is wrong with a library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("it cannot be read: {0}; check the path, and who may read it")]
    Unreadable(std::io::Error),
    #[error("it is a {kind}, a plugin is a regular file")]
    NotAFile { kind: &'static str },
    #[error("it has {} MiB, a plugin has at most 256 MiB", size / (1024 * 1024))]
    TooLarge { size: u64 },
    #[error("{which} is writable by others than its owner; run `chmod go-w {which}`")]
    Writable { which: String },
    #[error(
        "{which} belongs to user {owner}, this host runs as user {host}; run `chown {host} {which}` if you trust it"
    )]
    Owner { which: String, owner: u32, host: u32 },
    #[error("it is not an ELF library")]
    NotElf,
    #[error("built for {found}, this host is {host}; rebuild it for {host}")]
    Machine { found: String, host: &'static str },
    #[error("it is {found}, a plugin is a shared library; build it with crate-type = [\"cdylib\"]")]
    NotShared { found: &'static str },
    #[error("it is damaged: {0}; copy or build it again")]
    Damaged(&'static str),
    #[error("it is no miniclaw plugin: it exports no {symbol}; a plugin's crate ends with `export_plugin!`")]
    NoSymbol { symbol: &'static str },
    #[error("its manifest is damaged: {0}; copy or build it again")]
    Manifest(&'static str),
    #[error(
        "its manifest has format {found}, this host reads {host}; rebuild it against miniclaw-plugin-api {api}"
    )]
    ManifestFormat { found: u32, host: u32, api: String },
    #[error(
        "built for plugin API {found}, this host speaks {host}; rebuild it against miniclaw-plugin-api {host}"
    )]
    Api { found: String, host: String },
    #[error(
        "built with panic = \"abort\", this host needs panic = \"unwind\"; rebuild it with panic = \"unwind\""
    )]
    PanicAbort,
    #[error("built for {found}, this host for {host}; rebuild it with --target {host}")]
    Target { found: String, host: &'static str },
    #[error("it needs glibc {}.{}, this system has {}.{}; build it on an older system", needed.0, needed.1, host.0, host.1)]
    Glibc { needed: (u32, u32), host: (u32, u32) },
    #[error("the library crashed a trial load ({0})")]
    Crashed(String),
    #[error("the library did not finish a trial load within {seconds} s")]
    Hung { seconds: u64 },
    #[error("the trial load said: {}", printable(.0, 4 * QUOTE_CHARS))]
    Trial(String),
    #[error("the trial load could not be started: {0}")]
    NoTrial(std::io::Error),
    #[error("its private copy {} failed: {error}", path.display())]
    Copy { path: PathBuf, error: std::io::Error },
    #[error("it changed while it was being loaded; try again")]
    Changed,
    #[error("the dynamic loader refuses it: {}", printable(.0, QUOTE_CHARS))]
    Dlopen(String),
    #[error("built with another abi_stable ({}); rebuild it against miniclaw-plugin-api {host}", printable(.found, QUOTE_CHARS))]
    AbiHeader { found: String, host: String },
    #[error(
        "its layout differs from this host's in {fields}, although both speak plugin API {host}; rebuild it against miniclaw-plugin-api {host}"
    )]
    Layout { fields: String, host: String },
    #[error(
        "its SHA-256 is {found}, `plugins.pins` allows {pinned} alone; put that library back, or pin this one if you trust it"
    )]
    Pin { found: String, pinned: String },
    #[error(
        "it is not signed, this host trusts {trusted}; put its signature at {file}, or sign it with `miniclaw plugin sign`"
    )]
    Unsigned { file: String, trusted: String },
    #[error(
        "it is signed by the key {key}, this host trusts {trusted}; add that key to `plugins.trusted_keys` if you trust it"
    )]
    UnknownKey { key: String, trusted: String },
    #[error(
        "it or its signature was modified: its bytes are not those that the key {key} signed; copy both again"
    )]
    Modified { key: String },
    #[error(
        "its signature {file} is of no use: {reason}; this host trusts {trusted}; copy or make the signature again"
    )]
    UselessSignature {
        file: String,
        reason: String,
        trusted: String,
    },
    #[error("it gives no root module: {}", printable(.0, QUOTE_CHARS))]
    Root(String),
}
