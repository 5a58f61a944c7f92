//! `miniclaw web`.

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct WebArgs {
    /// Name of the web chat, where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
