//! The command line.

mod agent;
mod args;
mod backup;
mod config;
mod doctor;
mod gateway;
mod hidden;
mod logs;
mod manual;
mod models;
mod onboard;
mod pairing;
mod plugin;
mod provider;
mod providers;
mod queue;
mod reload;
mod send;
mod service;
mod sessions;
mod setup;
mod spans;
mod status;
mod stop;
mod tap;
mod trace;
mod usage;
mod web;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

pub(crate) use self::config::describe as config_error;

use self::args::{Cli, Command, ConfigArgs, ConfigCommand, Output, PluginCommand};
use crate::config::{Config, KnownPlugin};
use crate::plugins::inspect::ManifestInfo;
use crate::plugins::{catalog, isolate, load};
use crate::telemetry;

/// Why a command ended without success, and the exit status for it.
pub(crate) struct Failure {
    status: u8,
    /// Empty where the reason was printed already.
    text: String,
}

impl Failure {
    /// `text` may have several lines.
    pub(crate) fn new(status: u8, text: impl fmt::Display) -> Self {
        Self {
            status,
            text: text.to_string(),
        }
    }

    /// An error with its causes.
    pub(crate) fn chain(status: u8, error: &dyn std::error::Error) -> Self {
        Self {
            status,
            text: chain(error),
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

/// No gateway answers (`EX_UNAVAILABLE` of sysexits.h).
pub(crate) const NO_GATEWAY: u8 = 69;

/// A command's result: the exit status.
pub(crate) type Outcome = Result<u8, Failure>;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    // Whatever the user's habit is, what is made here is for the user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The table of all commands would stay with every child, and take a millisecond of its start.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == isolate::COMMAND)
    {
        return ExitCode::from(isolate::child::run());
    }
    keep_descriptors();
    let cli = match Cli::try_parse_from(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell where the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let ended = dispatch(cli);
    telemetry::flush();
    match ended {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("error: {}", failure.text);
            }
            ExitCode::from(failure.status)
        }
    }
}

/// What whoever started this process left open is for no process that it starts, plugins least of all.
fn keep_descriptors() {
    // SAFETY: the call marks descriptors and closes none. A kernel without it (before 5.11) leaves them as they are.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

fn dispatch(cli: Cli) -> Outcome {
    let Cli { global, command } = cli;
    match command {
        Command::Gateway(args) => gateway::run(&global, &args),
        Command::Onboard(args) => onboard::run(&global, &args),
        Command::Agent(args) => agent::run(&global, &args),
        Command::Models(args) => models::run(&global, &args),
        Command::Providers(command) => providers::run(&global, &command),
        Command::Plugin(command) => plugin(&global, command),
        Command::Config(command) => {
            let (out, err) = (&mut io::stdout(), &mut io::stderr());
            let sources = |args: &ConfigArgs| setup::sources(&global, &args.plugins);
            setup::printed(match command {
                ConfigCommand::Validate(args) => {
                    config::validate(&sources(&args), &known_plugins, args.output.json, out, err)
                }
                ConfigCommand::Show(args) => config::show(&sources(&args), args.output.json, out, err),
                ConfigCommand::Schema => config::schema(out),
            })
        }
        Command::Sessions(command) => sessions::run(&global, &command),
        Command::Queue(command) => queue::run(&global, &command),
        Command::Send(args) => send::run(&global, args),
        Command::Web(args) => web::run(&global, args),
        Command::Status(args) => status::run(&global, &args),
        Command::Logs(args) => logs::run(&global, args),
        Command::Tap(args) => tap::run(&global, args),
        Command::Stop(args) => stop::run(&global, &args),
        Command::Reload(output) => reload::run(&global, output),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Pairing(command) => pairing::run(&global, &command),
        Command::Trace { id, output } => trace::run(&global, id, output),
        Command::Backup(args) => backup::back_up(&global, &args),
        Command::Restore(args) => backup::restore(&global, &args),
        Command::Spool(command) => backup::spool(&global, &command),
        Command::Service(command) => service::run(&global, &command),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
        Command::Version(Output { json }) => setup::printed(version(json).map(|()| 0)),
        Command::PluginProbe { file } => Ok(load::probe(&file)),
        Command::PluginCheck { file } => Ok(plugin::check::child(&file)),
    }
}

fn version(json: bool) -> io::Result<()> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let api = miniclaw_plugin_api::manifest::API_VERSION
        .map(|part| part.to_string())
        .join(".");
    let mut out = io::stdout();
    if json {
        writeln!(
            out,
            "{}",
            serde_json::json!({ "name": name, "version": version, "plugin_api": api })
        )
    } else {
        writeln!(out, "{name} {version} (plugin API {api})")
    }
}

fn plugin(global: &args::Global, command: PluginCommand) -> Outcome {
    use plugin::manage::{self, Verb};
    let shelves = |config: Config| -> Result<plugin::Shelves, Failure> {
        Ok(plugin::Shelves {
            folders: config.plugin_folders(),
            trust: setup::trust(&config)?,
            configured: plugin::bounds::configured(&config),
        })
    };
    let out = &mut io::stdout();
    let printed = match command {
        PluginCommand::Install(args) => return plugin::install(global, &args),
        PluginCommand::Remove(args) => return plugin::remove(global, &args),
        PluginCommand::Verify(args) => return plugin::verify(global, &args),
        PluginCommand::Sign(args) => return plugin::sign(&args),
        PluginCommand::Keygen(args) => return plugin::keygen(&args),
        PluginCommand::Reload(args) => return manage::run(global, Verb::Reload, &args),
        PluginCommand::Enable(args) => return manage::run(global, Verb::Enable, &args),
        PluginCommand::Disable(args) => return manage::run(global, Verb::Disable, &args),
        PluginCommand::List { plugins, output } => {
            let config = setup::usable(global, &plugins)?.config;
            let states = manage::states(&config);
            plugin::list(&shelves(config)?, &states, output.json, out)
        }
        PluginCommand::Info {
            plugin,
            plugins,
            output,
        } => {
            let config = setup::load(&setup::sources(global, &plugins))?.config;
            plugin::info(&plugin, &shelves(config)?, output.json, out)
        }
        PluginCommand::New(args) => return plugin::new::run(&args),
        PluginCommand::Check(args) => return plugin::check::run(&args),
        PluginCommand::Run(args) => return plugin::run::run(global, &args),
    };
    printed.map_err(|error| {
        let bad_config = matches!(error, plugin::PluginCommandError::Catalog(_));
        Failure::chain(if bad_config { config::BAD_CONFIG } else { 1 }, &error)
    })
}

/// Every plugin that a configuration could name.
fn known_plugins(config: &Config) -> Vec<KnownPlugin> {
    known_in(&config.plugin_folders())
}

/// The plugins that there are without a configuration.
fn every_known_plugin(home: &Path) -> Vec<KnownPlugin> {
    let own = home.join("plugins");
    let folders: Vec<PathBuf> = own.is_dir().then_some(own).into_iter().collect();
    known_in(&folders)
}

fn known_in(folders: &[PathBuf]) -> Vec<KnownPlugin> {
    // What is wrong with the directories is told by the check of the directories.
    let catalog = catalog::find(folders).or_else(|_| catalog::find(&[]));
    let entries = catalog.map(|catalog| catalog.entries).unwrap_or_default();
    let known = |manifest: &ManifestInfo| KnownPlugin {
        kind: manifest.kind,
        name: manifest.name.clone(),
        schema: manifest.schema.clone(),
        capabilities: manifest.capabilities,
    };
    entries
        .iter()
        .filter_map(catalog::Entry::manifest)
        .map(known)
        .collect()
}
