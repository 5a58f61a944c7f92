//! `miniclaw completions` and `miniclaw man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  miniclaw completions bash \\
      > ~/.local/share/bash-completion/completions/miniclaw
  miniclaw completions zsh > ~/.zfunc/_miniclaw
  miniclaw completions fish > ~/.config/fish/completions/miniclaw.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: ShellArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellArg {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  miniclaw man | man -l -
  miniclaw man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder that a page of every command goes into; without it the first page is printed
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
