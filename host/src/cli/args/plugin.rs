//! `miniclaw plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CheckArgs, InstallArgs, KeygenArgs, NewArgs, Output, RemoveArgs, RunArgs, SignArgs, VerifyArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List built-in plugins and every library found, refused ones with the reason
    List {
        /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
        #[arg(long, value_name = "DIR")]
        plugins: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a library or a built-in plugin says of itself
    Info {
        /// Path of a library, or name of a plugin
        #[arg(value_name = "FILE|NAME")]
        plugin: String,
        /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
        #[arg(long, value_name = "DIR")]
        plugins: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },

    /// Check a library as the gateway does, a trial load included, and put it into the plugin folder
    Install(InstallArgs),
    /// Take a plugin's library and signature out of its folder
    Remove(RemoveArgs),
    /// Check a library's signature and pinned digest; runs nothing of it
    Verify(VerifyArgs),
    /// Sign a library as `minisign` does
    Sign(SignArgs),
    /// Make a pair of keys to sign with
    Keygen(KeygenArgs),
    /// Start a plugin's library, settings and bounds anew in a running gateway, without a gap
    Reload(Instances),
    /// Let an instance, or all of a plugin, run again that was disabled or quarantined
    Enable(Instances),
    /// Stop an instance, or all of a plugin, until it is enabled; its replies wait meanwhile
    Disable(Instances),

    /// Make the crate of a plugin that builds, passes its tests, and is to be changed
    New(NewArgs),
    /// Check a library against the contract, in a child process
    Check(CheckArgs),
    /// Try a library in a throw-away gateway with the echo provider; a rebuilt one is taken up
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Instances {
    /// Name of an instance in the configuration, or of a plugin
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) output: Output,
}
