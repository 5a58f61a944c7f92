//! `miniclaw send`.

use std::path::PathBuf;

use clap::Args;

use super::{Output, not_blank};

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Name of the channel, as in the configuration
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: String,
    /// Id of the chat on its platform
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = not_blank)]
    pub(crate) to: String,
    /// Id of the topic or thread in the chat
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = not_blank)]
    pub(crate) thread: Option<String>,
    /// A picture, a recording, a film or any other file, of at most 20 MiB
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// Deliver without a sound
    #[arg(long)]
    pub(crate) silent: bool,
    /// The text, in Markdown; `-` reads it from stdin
    #[arg(required_unless_present = "file", value_name = "TEXT")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
