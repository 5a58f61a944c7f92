//! What the command line takes.

mod author;
mod doctor;
mod examples;
mod manual;
mod observe;
mod onboard;
mod pairing;
mod plugin;
mod providers;
mod send;
mod service;
mod trust;
mod web;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use author::{CheckArgs, KindArg, NewArgs, RunArgs, SettingsArgs};
pub(crate) use doctor::DoctorArgs;
pub(crate) use manual::{CompletionsArgs, ManArgs, ShellArg};
pub(crate) use observe::{LogsArgs, StatusArgs, StopArgs, TapArgs};
pub(crate) use onboard::OnboardArgs;
pub(crate) use pairing::PairingCommand;
pub(crate) use plugin::{Instances, PluginCommand};
pub(crate) use providers::{CheckProvidersArgs, ModelsArgs, ProvidersCommand};
pub(crate) use send::SendArgs;
pub(crate) use service::{ServiceArgs, ServiceCommand};
pub(crate) use trust::{InstallArgs, KeygenArgs, RemoveArgs, SignArgs, VerifyArgs};
pub(crate) use web::WebArgs;

/// Keeps an AI agent reachable: channels bring messages in, a language model answers them.
#[derive(Debug, Parser)]
#[command(
    name = "miniclaw",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 80,
    after_help = "Begin with `miniclaw onboard`, or with `miniclaw gateway` alone."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Configuration file [default: HOME/config.json; also MINICLAW_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of configuration, state and workspace [default: ~/.miniclaw; also MINICLAW_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Format of the log on stderr
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<Format>,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until SIGTERM or SIGINT
    #[command(after_help = examples::GATEWAY)]
    Gateway(GatewayArgs),
    /// Write a first configuration, by questions or by options
    Onboard(OnboardArgs),
    /// Ask the agent one question and print the answer; needs no running gateway
    #[command(after_help = examples::AGENT)]
    Agent(AgentArgs),
    /// List the models that the servers of the providers offer; needs no running gateway
    Models(ModelsArgs),
    /// Look at the providers, and check that they answer; needs no running gateway
    #[command(subcommand)]
    Providers(ProvidersCommand),
    /// Look at plugins, install, sign and verify them, write one, check it and try it
    #[command(subcommand, after_help = examples::PLUGIN)]
    Plugin(PluginCommand),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at conversations and delete them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Look at what waits and at dead letters, try them again or drop them
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Send a message or a file through a channel of the running gateway
    #[command(after_help = examples::SEND)]
    Send(SendArgs),
    /// Print a link that opens the web chat of the running gateway, once
    Web(WebArgs),
    /// Tell how the running gateway, its channels and providers are
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Print the last lines of the running gateway's log
    Logs(LogsArgs),
    /// Print what happens in the running gateway as it happens, as JSON lines
    Tap(TapArgs),
    /// Stop the running gateway as SIGTERM does, and wait for its end
    Stop(StopArgs),
    /// Take up the changed configuration in the running gateway
    Reload(Output),
    /// Look for what is wrong with configuration, files, plugins and machine, and what to do
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArgs),
    /// Let people in who asked to write, or keep them out
    #[command(subcommand)]
    Pairing(PairingCommand),
    /// Tell what became of a message
    Trace {
        /// Its id: `inbound` in the log, or an id of `queue list`
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Write messages and conversations to one file; a running gateway goes on meanwhile
    Backup(BackupArgs),
    /// Put a backup in place; needs the gateway stopped
    Restore(BackupArgs),
    /// Check the spool, and save what can be read of a damaged one
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Run the gateway as a service of systemd
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print what completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command
    Man(ManArgs),
    /// Print the version
    Version(Output),
    /// Load a library and exit: the gateway runs this before it loads one itself
    #[command(hide = true)]
    PluginProbe { file: PathBuf },
    /// Check a loaded library: `plugin check` runs this for the stages that run the plugin's code
    #[command(hide = true)]
    PluginCheck { file: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    /// File to write the process id to
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Talk to the agent on this terminal
    #[arg(long)]
    pub(crate) console: bool,
    /// Take up plugin libraries that change while the gateway runs
    #[arg(long)]
    pub(crate) watch: bool,
    /// How long a shutdown may take, for example 10s [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) shutdown_timeout: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The question
    #[arg(short, long, value_name = "TEXT", value_parser = not_blank)]
    pub(crate) message: String,
    /// Model to ask
    #[arg(short = 'M', long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Provider to ask: a name from the configuration, or a built-in one
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Conversation to continue; without one nothing is kept
    #[arg(long, value_name = "ID", value_parser = not_blank)]
    pub(crate) session: Option<String>,
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and print every error
    Validate(ConfigArgs),
    /// Print the effective configuration and where each value comes from
    Show(ConfigArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Directory to find plugin libraries in; may be repeated [also MINICLAW_PLUGINS]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List conversations
    List(Output),
    /// Print a conversation
    Show {
        /// Key as `sessions list` prints it
        key: String,
        #[command(flatten)]
        output: Output,
    },
    /// Delete a conversation; a running gateway forgets it too
    Delete {
        /// Key as `sessions list` prints it
        key: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List messages that wait for an answer, replies that wait to be sent, and dead letters
    List {
        /// Dead letters alone
        #[arg(long)]
        dead: bool,
        /// What waits alone
        #[arg(long, conflicts_with = "dead")]
        waiting: bool,
        /// Of one channel
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Print one of them with its text
    Show {
        /// Id as `queue list` prints it
        id: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Let dead letters wait again, and try replies at once that wait for their next attempt
    Retry(Selection),
    /// End what waits, or dead letters, without an answer
    Drop(Selection),
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Ids as `queue list` prints them
    #[arg(required_unless_present = "dead", conflicts_with = "dead", value_name = "ID")]
    pub(crate) ids: Vec<u64>,
    /// All dead letters
    #[arg(long)]
    pub(crate) dead: bool,
    /// With --dead: of one channel
    #[arg(long, value_name = "NAME", requires = "dead")]
    pub(crate) channel: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace what is there: `backup` an earlier backup, `restore` the state, which it moves aside
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// Check the spool and print every finding; changes nothing, also beside a running gateway
    Check(Output),
    /// Read what can be read of a damaged spool into a sound one; needs the gateway stopped
    Salvage {
        /// Folder for the sound spool; without it, it takes the damaged one's place, which is kept
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("write a whole number from 1 on".into()),
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("it is empty; write what it is to be".into())
    } else {
        Ok(text.to_owned())
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let known = crate::config::parse_duration(text).filter(|span| !span.is_zero());
    known.ok_or_else(|| "write a number and a unit, for example 500ms, 10s or 5m".into())
}

/// Checks it here, so that the refusal is one of usage; the configuration reads it.
fn duration(text: &str) -> Result<String, String> {
    crate::config::parse_duration(text)
        .map(|_| text.to_owned())
        .ok_or_else(|| "write a number and a unit, for example 500ms, 10s or 5m".into())
}
