//! `miniclaw service`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Write a unit that runs this program, enable and start it
    #[command(after_help = "Examples:
  miniclaw service install --user
  sudo miniclaw service install
  miniclaw service install --print")]
    Install(ServiceArgs),
    /// Stop the service and remove its unit
    Uninstall(ServiceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// A service of this user alone, without root
    #[arg(long)]
    pub(crate) user: bool,
    /// Change nothing: print the unit, or what would be done
    #[arg(long, visible_alias = "dry-run")]
    pub(crate) print: bool,
    /// Replace or remove a unit that is not of this command's making
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}
