//! What the commands for a plugin's author take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the plugin, and of the folder to make
    pub(crate) name: String,
    /// What it is
    #[arg(long, value_name = "KIND", default_value = "channel")]
    pub(crate) kind: KindArg,
    /// Source of miniclaw-plugin-api to build against, instead of its published version
    #[arg(long, value_name = "DIR")]
    pub(crate) api_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Kind of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Brings messages in and carries replies out
    Channel,
    /// Talks to models
    Provider,
}

/// The settings of one instance.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// A setting; the value is JSON, or else text; a dot goes into an object; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// File with the settings as a JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The library
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// A chat that the channel's platform knows; sends to it must then succeed
    #[arg(long, value_name = "ID")]
    pub(crate) chat: Option<String>,
    /// How long one call may take, for example 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = super::span)]
    pub(crate) timeout: Duration,
    /// Also write the result as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The library
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Sender who may write to the channel; may be repeated [default: everybody]
    #[arg(long, value_name = "ID")]
    pub(crate) allow: Vec<String>,
}
