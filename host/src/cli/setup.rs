//! What commands have in common: the configuration, the log.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::{Format, Global};
use super::config::BAD_CONFIG;
use super::doctor::lock_holder;
use super::{Failure, NO_GATEWAY, Outcome};
use crate::config::{self, Config, FlagOverride, Loaded, Sources};
use crate::control::{self, Op};
use crate::plugins::trust::TrustPolicy;
use crate::spool::SpoolReader;
use crate::telemetry;

/// Where the configuration of this process comes from; `plugins` are the `--plugins` of the command.
pub(super) fn sources(global: &Global, plugins: &[PathBuf]) -> Sources {
    let mut flags = Vec::new();
    if let Some(format) = global.log_format {
        let format = if format == Format::Json { "json" } else { "text" };
        flags.push(flag("log.format", format.into(), "--log-format"));
    }
    if !plugins.is_empty() {
        let paths = plugins
            .iter()
            .map(|path| Value::from(path.to_string_lossy()))
            .collect();
        flags.push(flag("plugins.paths", Value::Array(paths), "--plugins"));
    }
    Sources {
        config: global.config.clone(),
        home: global.home.clone(),
        env: std::env::vars_os().collect(),
        flags,
    }
}

/// The options that lead another command to the same place, as a shell takes them.
pub(super) fn place_options(global: &Global) -> String {
    let given = [("--home", &global.home), ("--config", &global.config)];
    given
        .into_iter()
        .filter_map(|(flag, path)| Some(format!(" {flag} {}", config::for_shell(path.as_ref()?))))
        .collect()
}

/// A value that a flag gives.
pub(super) fn flag(key: &str, value: Value, flag: &'static str) -> FlagOverride {
    FlagOverride {
        key: key.to_owned(),
        value,
        flag,
    }
}

/// The configuration.
///
/// # Errors
/// Status 78 with every error.
pub(super) fn load(sources: &Sources) -> Result<Loaded, Failure> {
    config::load(sources).map_err(|errors| Failure::new(BAD_CONFIG, errors))
}

/// The configuration; where it cannot be used, what finds the gateway of this home all the same, and a warning.
///
/// # Errors
/// Status 78 where not even that is to be had.
pub(super) fn usable(global: &Global, plugins: &[PathBuf]) -> Result<Loaded, Failure> {
    let sources = sources(global, plugins);
    config::load(&sources).or_else(|errors| {
        let Ok(bare) = config::bare(&sources) else {
            return Err(Failure::new(BAD_CONFIG, errors));
        };
        eprintln!("warning: the configuration cannot be used, this goes on without it:\n{errors}");
        Ok(bare)
    })
}

/// The folder of the sessions.
///
/// # Errors
/// Status 78 where a configuration that cannot be used is the one that would tell it.
pub(super) fn sessions_dir(loaded: &Loaded) -> Result<PathBuf, Failure> {
    loaded.sessions_dir().ok_or_else(|| {
        let (path, variable) = (loaded.path.display(), config::WORKSPACE_VARIABLE);
        let text = format!(
            "{path} does not tell where the workspace is, which has the conversations in it; correct the file, or name the \
             folder by {variable}"
        );
        Failure::new(BAD_CONFIG, text)
    })
}

/// What starts one.
pub(super) const START_ONE: &str = "; `miniclaw gateway` starts one";

/// Nobody answers who had to. `then` goes on with the sentence where nobody holds the folder either.
pub(super) fn no_gateway(home: &Path, then: &str) -> Failure {
    let holder = lock_holder(&config::state_of(home));
    let home = home.display();
    let text = match holder {
        Some(process) => format!(
            "process {process} holds {home}, and has no control socket that answers: it starts or ends, or the socket was \
             removed; `kill {process}` stops it in order"
        ),
        None => format!("no gateway runs on {home}{then}"),
    };
    Failure::new(NO_GATEWAY, text)
}

/// Which libraries may be loaded.
///
/// # Errors
/// Status 78 for a key that is none.
pub(super) fn trust(config: &Config) -> Result<TrustPolicy, Failure> {
    TrustPolicy::of(&config.trust)
        .map_err(|error| Failure::new(BAD_CONFIG, format!("key `plugins.trusted_keys`: {error}")))
}

/// Starts the log of this process. `quiet` logs warnings alone where nothing else is asked for.
///
/// # Errors
/// Status 78 for a filter that is none.
pub(super) fn start_log(global: &Global, loaded: &Loaded, quiet: bool) -> Result<telemetry::Handle, Failure> {
    let log = &loaded.config.log;
    let level = if quiet && log.level == "info" {
        "error"
    } else {
        &log.level
    };
    // The configuration has `RUST_LOG` in it.
    let filter = telemetry::filter(global.verbose, level);
    let handle = telemetry::init(&filter, log.format, loaded.config.secrets.clone())
        .map_err(|error| Failure::chain(BAD_CONFIG, &error))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(handle)
}

/// A text of other people for stdout: on a terminal nothing in it can steer the terminal.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| {
        let bidi = matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        bidi || (letter.is_control() && letter != '\n' && letter != '\t')
    };
    if std::io::stdout().is_terminal() && text.contains(steers) {
        text.replace(steers, "\u{FFFD}").into()
    } else {
        text.into()
    }
}

/// The result of a command that writes to stdout; a reader that has seen enough is no failure.
pub(super) fn printed(result: std::io::Result<u8>) -> Outcome {
    match result {
        Ok(status) => Ok(status),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(Failure::new(1, format!("cannot write the result: {error}"))),
    }
}

/// A look into the spool, beside a gateway or without one; `None` where there is none yet.
///
/// # Errors
/// Status 1 where it cannot be read.
pub(super) fn reader(config: &Config) -> Result<Option<SpoolReader>, Failure> {
    let state = config.state_dir();
    if !state.exists() {
        return Ok(None);
    }
    SpoolReader::open(&state).map_err(|error| Failure::chain(1, &error))
}

/// Asks the gateway that runs on this home; `None` where none does.
///
/// # Errors
/// Status 1 with the gateway's refusal.
pub(super) fn ask(config: &Config, op: Op) -> Result<Option<Value>, Failure> {
    control::ask(&config.state_dir(), op).map_err(|error| Failure::new(1, error))
}

/// Prints a command's result.
pub(super) fn print(text: &str, status: u8) -> Outcome {
    let mut out = std::io::stdout();
    printed(
        out.write_all(shown(text).as_bytes())
            .and_then(|()| out.flush())
            .map(|()| status),
    )
}
