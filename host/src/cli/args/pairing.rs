//! `miniclaw pairing`.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum PairingCommand {
    /// List who asks to write, who may, and who was denied
    List(Output),
    /// Let somebody write from now on
    Approve(Code),
    /// Keep somebody out; for a day they get no further code
    Deny(Code),
    /// Take back what was decided of somebody
    Revoke {
        /// Name of the channel, as `pairing list` prints it
        channel: String,
        /// Id of the person, as `pairing list` prints it
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Code {
    /// The code that they were told
    pub(crate) code: String,
    #[command(flatten)]
    pub(crate) output: Output,
}
