//! `miniclaw plugin`.

use std::path::PathBuf;

use clap::Subcommand;

use super::Output;

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
}
