//! Logs: to stderr, a line for each event, without secrets.

mod clock;
mod fields;
mod layer;
mod line;
mod plugin_log;
mod recent;
mod scrub;
mod stderr;
mod targets;

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};
use tracing_log::AsLog as _;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::reload;

pub(crate) use clock::rfc3339_ms;
pub(crate) use plugin_log::PluginLog;
pub(crate) use recent::{Logged, Wanted, follow, recent};
pub(crate) use scrub::{Scrubber, percent_encoded, printable};
pub(crate) use stderr::flush;
pub(crate) use targets::targets;

use crate::config::LogFormat;
use layer::LogLayer;
use line::Style;

/// Of the log of this process.
static SCRUBBER: OnceLock<Arc<Scrubber>> = OnceLock::new();

/// The log of this process.
#[derive(Clone)]
pub(crate) struct Handle {
    max_level: Arc<AtomicU8>,
    filter: reload::Handle<Targets, Registry>,
    scrubber: Arc<Scrubber>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    #[error(
        "log filter `{filter}` is not understood: {reason}; write for example `info` or `info,miniclaw=debug`"
    )]
    Filter { filter: String, reason: String },
    #[error("the log is set up already")]
    Twice,
}

/// Starts the log of this process. `filter` is one of [`filter`]'s, `secrets` never appear in a line.
///
/// # Errors
/// A filter that is none, or a second call.
pub(crate) fn init(filter: &str, format: LogFormat, secrets: Vec<String>) -> Result<Handle, TelemetryError> {
    let style = Style {
        format,
        colour: format == LogFormat::Text && stderr_has_colour(),
    };
    let scrubber = Arc::new(Scrubber::default());
    scrubber.register(secrets);
    // A second call fails below.
    let _ = SCRUBBER.set(scrubber.clone());
    let (dispatch, handle) = build(filter, style, scrubber, Box::new(stderr::Stderr), true)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| TelemetryError::Twice)?;
    // Crates of built-in plugins log through `log`. It fails only where a logger exists, which is then heard instead.
    let level = level_filter(handle.max_level());
    drop(
        tracing_log::LogTracer::builder()
            .with_max_level(level.as_log())
            .init(),
    );
    Ok(handle)
}

/// A text of a plugin's without the secrets of this process: it may be stored, shown, or told to the operator.
pub(crate) fn without_secrets(text: String) -> String {
    let Some(scrubber) = SCRUBBER.get() else {
        return text;
    };
    match scrubber.scrub(&text) {
        Cow::Owned(scrubbed) => scrubbed,
        Cow::Borrowed(_) => text,
    }
}

/// What to log: `-v` and `-vv` before the configuration, which has `MINICLAW_LOG` and `RUST_LOG` in it.
pub(crate) fn filter(verbose: u8, configured: &str) -> String {
    /// Libraries that say more than anyone asked for.
    const QUIET: &str = "h2=info,hyper=info,hyper_util=info,reqwest=info,rustls=info";
    match verbose {
        0 => configured.to_owned(),
        1 => format!("debug,{QUIET}"),
        _ => format!("trace,{QUIET}"),
    }
}

impl Handle {
    /// The most detailed level that any target is logged at: 1 error … 5 trace, 0 for none. Plugins forward no more.
    pub(crate) fn max_level(&self) -> u8 {
        self.max_level.load(Ordering::Relaxed)
    }

    /// From here on another filter decides.
    ///
    /// # Errors
    /// One that is none.
    pub(crate) fn set_filter(&self, filter: &str) -> Result<(), TelemetryError> {
        let (targets, level) = parsed(filter)?;
        // The log lives as long as the process.
        let _ = self.filter.reload(targets);
        self.max_level.store(level, Ordering::Relaxed);
        tracing_log::log::set_max_level(level_filter(level).as_log());
        Ok(())
    }

    /// A text without the secrets that are kept out of the log.
    pub(crate) fn scrub(&self, text: &str) -> String {
        self.scrubber.scrub(text).into_owned()
    }

    /// Keeps further secrets out of the log.
    pub(crate) fn hide(&self, secrets: Vec<String>) {
        self.scrubber.register(secrets);
    }
}

fn build(
    filter: &str,
    style: Style,
    scrubber: Arc<Scrubber>,
    out: Box<dyn Write + Send>,
    keeps: bool,
) -> Result<(Dispatch, Handle), TelemetryError> {
    let (targets, level) = parsed(filter)?;
    let (filter, reload) = reload::Layer::new(targets);
    let handle = Handle {
        max_level: Arc::new(AtomicU8::new(level)),
        filter: reload,
        scrubber: scrubber.clone(),
    };
    let mut layer = LogLayer::new(out, scrubber, style, SystemTime::now);
    if keeps {
        layer = layer.keeping();
    }
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.and_then(filter)));
    Ok((dispatch, handle))
}

/// A filter, and the most detailed level that it lets pass.
fn parsed(filter: &str) -> Result<(Targets, u8), TelemetryError> {
    let targets = parse(filter)?;
    let level = Layer::<Registry>::max_level_hint(&targets).unwrap_or(LevelFilter::TRACE);
    Ok((targets, level.into_level().map_or(0, level_number)))
}

fn parse(filter: &str) -> Result<Targets, TelemetryError> {
    targets(filter).map_err(|reason| TelemetryError::Filter {
        filter: printable(filter, 200),
        reason,
    })
}

fn stderr_has_colour() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stderr().is_terminal() && unset("NO_COLOR") && !dumb
}

/// 1 error … 5 trace, as plugins number them.
fn level_number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn level_filter(number: u8) -> LevelFilter {
    match number {
        0 => LevelFilter::OFF,
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests;
