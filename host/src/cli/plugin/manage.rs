//! `miniclaw plugin reload`, `enable` and `disable`, through the gateway or, where none runs, in its place.

use std::fmt::Write as _;

use serde_json::json;

use crate::cli::args::{Global, Instances};
use crate::cli::{Failure, Outcome, setup};
use crate::config::Config;
use crate::control::Op;
use crate::gateway::{Changed, InstanceState, StateLock, private_folder};
use crate::supervisor::Ledger;
use crate::telemetry::printable;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Reload,
    Enable,
    Disable,
}

/// Does it; 1 where an instance could not be changed, 69 where it needs a gateway and none runs.
///
/// # Errors
/// An unknown name, or what the gateway says.
pub(crate) fn run(global: &Global, verb: Verb, args: &Instances) -> Outcome {
    // A gateway that runs needs no configuration of ours.
    let config = setup::usable(global, &[])?.config;
    let name = args.name.clone();
    let op = match verb {
        Verb::Reload => Op::ReloadPlugin { name },
        Verb::Enable => Op::EnablePlugin { name },
        Verb::Disable => Op::DisablePlugin { name },
    };
    let changed: Vec<Changed> = match setup::ask(&config, op)? {
        Some(answer) => serde_json::from_value(answer).map_err(|error| Failure::new(1, error))?,
        None if verb == Verb::Reload => return Err(setup::no_gateway(&config.home, setup::START_ONE)),
        None => {
            let config = setup::load(&setup::sources(global, &[]))?.config;
            offline(&config, verb, &args.name)?
        }
    };
    let status = u8::from(changed.iter().any(|change| !change.ok));
    if args.output.json {
        return setup::print(&format!("{:#}\n", json!(changed)), status);
    }
    let mut text = String::new();
    for Changed {
        instance,
        ok,
        outcome,
    } in &changed
    {
        let outcome = printable(outcome, 4096);
        let failed = if *ok { "" } else { "failed: " };
        let _ = writeln!(text, "{instance}: {failed}{outcome}");
    }
    setup::print(&text, status)
}

/// The list alone, for the next start to read.
fn offline(config: &Config, verb: Verb, name: &str) -> Result<Vec<Changed>, Failure> {
    let all = configured(config);
    let mut wanted: Vec<&InstanceState> = all.iter().filter(|state| state.instance == name).collect();
    if wanted.is_empty() {
        wanted = all.iter().filter(|state| state.plugin == name).collect();
    }
    if wanted.is_empty() {
        let known: Vec<&str> = all.iter().map(|state| &*state.instance).collect();
        return Err(Failure::new(
            1,
            format!(
                "no instance and no plugin in use is called `{}`; the instances are `{}`",
                printable(name, 64),
                known.join("`, `")
            ),
        ));
    }
    let failed = |error: &dyn std::error::Error| Failure::chain(1, error);
    private_folder(&config.state_dir()).map_err(|error| failed(&error))?;
    let _lock = StateLock::acquire(&config.state_dir()).map_err(|error| failed(&error))?;
    let ledger = Ledger::open(&config.state_dir()).map_err(|error| failed(&error))?;
    let written = match verb {
        Verb::Disable => ledger.disable(wanted.iter().map(|state| state.key())),
        _ => ledger.enable(wanted.iter().map(|state| state.key())),
    };
    written.map_err(|error| failed(&error))?;
    let outcome = match verb {
        Verb::Disable => "disabled; no gateway runs",
        _ => "starts with the next gateway",
    };
    let change = |state: &&InstanceState| Changed {
        instance: state.instance.clone(),
        ok: true,
        outcome: outcome.into(),
    };
    Ok(wanted.iter().map(change).collect())
}

/// How every configured instance is: by the gateway that runs, or else by what outlived it. One that runs and does not
/// answer keeps nobody from seeing the rest.
pub(crate) fn states(config: &Config) -> Vec<InstanceState> {
    let mut states = configured(config);
    match setup::ask(config, Op::PluginStates) {
        Ok(Some(answer)) => match serde_json::from_value(answer) {
            Ok(known) => return known,
            Err(_) => unknown(&mut states),
        },
        Ok(None) => {
            let ledger = Ledger::peek(&config.state_dir());
            for state in &mut states {
                if ledger.is_disabled(&state.key()) {
                    state.state = "disabled".into();
                } else if let Some(reason) = ledger.quarantined(&state.key()) {
                    state.state = "quarantined".into();
                    state.reason = Some(reason);
                }
            }
        }
        Err(_) => unknown(&mut states),
    }
    states
}

fn unknown(states: &mut [InstanceState]) {
    states.iter_mut().for_each(|state| state.state = "unknown".into());
}

fn configured(config: &Config) -> Vec<InstanceState> {
    let state = |kind: &str, instance: &str, plugin: &str| InstanceState {
        instance: instance.into(),
        kind: kind.into(),
        plugin: plugin.into(),
        version: None,
        state: "stopped".into(),
        reason: None,
    };
    let channels = config.channels.iter();
    let providers = config.providers.iter();
    channels
        .map(|(name, channel)| state("channel", name, &channel.plugin))
        .chain(providers.map(|(name, provider)| state("provider", name, &provider.plugin)))
        .collect()
}
