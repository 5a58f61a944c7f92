//! `miniclaw onboard`.

use std::path::PathBuf;

use clap::Args;

use super::{Output, not_blank};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  miniclaw onboard
  miniclaw onboard --yes --webchat
  miniclaw onboard --yes --telegram-token-file token.txt \\
      --allow-from 123456789 --provider anthropic --api-key-file key.txt
  printf %s \"$TOKEN\" | miniclaw onboard --yes --telegram-token-file - --pairing")]
pub(crate) struct OnboardArgs {
    /// Ask nothing: what no option says has its default
    #[arg(long)]
    pub(crate) yes: bool,
    /// File with the token of the Telegram bot; `-` reads it from stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) telegram_token_file: Option<PathBuf>,
    /// Environment variable that holds the token, at every start of the gateway too
    #[arg(long, value_name = "NAME", conflicts_with = "telegram_token_file", value_parser = not_blank)]
    pub(crate) telegram_token_env: Option<String>,
    /// Address of a Bot API server of your own
    #[arg(long, value_name = "URL", value_parser = not_blank)]
    pub(crate) telegram_api_url: Option<String>,
    /// Telegram ids of those who may write; several follow each other or are divided by commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) allow_from: Vec<String>,
    /// Give everybody else who writes a code, with which you let them in
    #[arg(long)]
    pub(crate) pairing: bool,
    /// Who answers: a built-in provider, or the plugin of one [default: echo]
    #[arg(long, value_name = "NAME", value_parser = not_blank)]
    pub(crate) provider: Option<String>,
    /// Model to ask [default: the provider's]
    #[arg(long, value_name = "MODEL", value_parser = not_blank)]
    pub(crate) model: Option<String>,
    /// File with the key of the provider's API; `-` reads it from stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Address of the provider's server [default: the provider's]
    #[arg(long, value_name = "URL", value_parser = not_blank)]
    pub(crate) base_url: Option<String>,
    /// Chat in a browser on this machine
    #[arg(long)]
    pub(crate) webchat: bool,
    /// Replace a configuration that is there; it is kept beside the new one with `.bak` at its end
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not try token and provider
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}
