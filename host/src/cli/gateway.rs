//! `miniclaw gateway`.

use std::sync::Arc;

use super::args::{GatewayArgs, Global};
use super::{Failure, Outcome, setup};
use crate::config::{self, ConfigErrors, Loaded, Sources};
use crate::gateway::{self, Options};
use crate::telemetry;

/// The key that makes a console channel.
const CONSOLE_PLUGIN: &str = "channels.console.plugin";
/// A process of its own would have no terminal.
const CONSOLE_ISOLATION: &str = "channels.console.isolation";
/// The key that makes a web chat.
const WEB_PLUGIN: &str = "channels.webchat.plugin";

/// Runs the gateway to its end.
///
/// # Errors
/// 78 for a configuration that cannot be used, 1 where the gateway cannot start for another reason.
pub(super) fn run(global: &Global, args: &GatewayArgs) -> Outcome {
    let mut sources = setup::sources(global, &args.plugins);
    if let Some(timeout) = &args.shutdown_timeout {
        sources.flags.push(setup::flag(
            "gateway.shutdown_timeout",
            timeout.as_str().into(),
            "--shutdown-timeout",
        ));
    }
    if args.console {
        sources.flags.extend([
            setup::flag(CONSOLE_PLUGIN, "console".into(), "--console"),
            setup::flag(CONSOLE_ISOLATION, "in-process".into(), "--console"),
        ]);
    }
    let (mut loaded, alone) =
        loaded(&sources).map_err(|errors| Failure::new(super::config::BAD_CONFIG, errors))?;
    let telemetry = setup::start_log(global, &loaded, false)?;
    let console_alone = loaded
        .config
        .channels
        .values()
        .all(|channel| channel.plugin == "console");
    let (verbose, was_read) = (global.verbose, loaded.file.is_some());
    let level = &mut loaded.config.log.level;
    *level = telemetry::filter(verbose, level);
    let options = Options {
        pid_file: args.pid_file.clone(),
        // Where nobody else can reach the agent, the end of the input is the end of the work.
        ends_with_console: console_alone && !loaded.config.channels.is_empty(),
        watch: args.watch,
        welcome: alone.then(|| setup::place_options(global)),
        reread: Arc::new(move || reread(&sources, verbose, was_read)),
    };
    gateway::run(loaded, &options, &telemetry).map_err(|error| Failure::chain(error.status(), &error))
}

/// The configuration, and whether it is the one of a gateway that nobody has configured: that has a web chat.
fn loaded(sources: &Sources) -> Result<(Loaded, bool), ConfigErrors> {
    let loaded = config::load(sources)?;
    if loaded.file.is_some() || !loaded.config.channels.is_empty() {
        return Ok((loaded, false));
    }
    let mut sources = sources.clone();
    let web = setup::flag(WEB_PLUGIN, "webchat".into(), "no configuration");
    sources.flags.push(web);
    Ok((config::load(&sources)?, true))
}

/// The configuration as it is by now, where a start would take it.
fn reread(sources: &Sources, verbose: u8, was_read: bool) -> Result<Loaded, ConfigErrors> {
    let (loaded, _) = loaded(sources)?;
    loaded.check_file(was_read)?;
    let mut loaded = super::config::checked(loaded, &super::known_plugins)?;
    let level = &mut loaded.config.log.level;
    *level = telemetry::filter(verbose, level);
    Ok(loaded)
}
