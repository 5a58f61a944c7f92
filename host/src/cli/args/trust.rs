//! `miniclaw plugin install`, `remove`, `verify`, `sign` and `keygen`.

use std::path::PathBuf;

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// A library, or a folder of which every `*.so` is taken
    #[arg(value_name = "FILE|DIR")]
    pub(crate) source: PathBuf,
    /// Plugin folder [default: the first of `plugins.paths`, or HOME/plugins]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// Go back to an older version, and replace the file of another plugin
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Name of the plugin
    #[arg(value_name = "NAME")]
    pub(crate) plugin: String,
    /// Also where the configuration names it
    #[arg(long)]
    pub(crate) force: bool,
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Path of a library, or name of a plugin
    #[arg(value_name = "FILE|NAME")]
    pub(crate) plugin: String,
    /// Public key instead of `plugins.trusted_keys`: base64, or a `.pub` file; may be repeated
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The library; the signature goes to FILE.minisig
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Secret key of minisign
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) secret_key: PathBuf,
    /// File with the key's password [also MINICLAW_SIGN_PASSWORD; asked for on a terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// Where the keys go: the secret one to DIR/NAME.key, the public one to DIR/NAME.pub
    #[arg(long, value_name = "DIR/NAME")]
    pub(crate) out: PathBuf,
    /// File with the password of the new key [also MINICLAW_SIGN_PASSWORD; asked for on a terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    pub(crate) password_file: Option<PathBuf>,
    /// Leave the secret key unencrypted
    #[arg(long)]
    pub(crate) no_password: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}
