//! `miniclaw models` and `miniclaw providers`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Provider to ask: a name from the configuration, or a built-in one [default: all that are configured]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// List the providers with plugin, model, address, and what uses them
    List {
        /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
        #[arg(long, value_name = "DIR")]
        plugins: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Send one tiny request and tell how long the answer took, or what is wrong and what to do
    Check(CheckProvidersArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckProvidersArgs {
    /// A name from the configuration, or a built-in provider [default: all that are configured]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}
