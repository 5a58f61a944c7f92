//! `miniclaw status`, `logs`, `tap` and `stop`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Output, span};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Tell it again and again, every so many seconds [default: 2]
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = seconds
    )]
    pub(crate) watch: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on with what is logged from here on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The last so many lines; the gateway keeps 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub(crate) lines: usize,
    /// Lines that speak of one channel or provider
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// Lines of this level and graver ones
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Error = 1,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Args)]
pub(crate) struct TapArgs {
    /// Of one channel or provider
    #[arg(long, value_name = "NAME")]
    pub(crate) channel: Option<String>,
    /// Of one conversation: a key of `sessions list`
    #[arg(long, value_name = "KEY")]
    pub(crate) session: Option<String>,
    /// With the text of messages
    #[arg(long)]
    pub(crate) text: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// How long to wait for its end, for example 30s
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = span)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) output: Output,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write a number of seconds, for example 5".into())
}
