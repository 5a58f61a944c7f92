//! `miniclaw doctor`.

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 where all is well (notes do not count), 1 with warnings, 2 with errors that
keep the gateway, or a part of it, from working."
)]
pub(crate) struct DoctorArgs {
    /// Repair what can be repaired without a doubt: modes, leftovers, missing plugin folders
    #[arg(long)]
    pub(crate) fix: bool,
    /// Also ask the servers of the providers, and Telegram
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}
