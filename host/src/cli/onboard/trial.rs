//! Whether the answers make a configuration, and whether token and key are taken.

use std::time::Duration;

use miniclaw_plugin_api::{Account, Cause, Error, Kind};

use super::super::plugin::scratch::Scratch;
use super::super::provider::{self, NotStarted, block_on, told};
use super::super::{Failure, config::BAD_CONFIG, config::trial as settings, providers};
use super::plan::{ECHO, Plan, TELEGRAM};
use crate::config::{self, Config, ConfigErrors, KnownPlugin, Loaded, Sources};
use crate::telemetry;

/// Whoever is asked has this long; a dead network must not hold up the rest.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(PartialEq)]
pub(super) enum Verdict {
    Good,
    /// It says nothing of the secret.
    Unknown,
    /// The other side does not take the secret.
    Refused,
}

pub(super) struct Test {
    pub(super) what: String,
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

/// The configuration as it will be, with secrets.
///
/// # Errors
/// 78 with everything that `config validate` would refuse.
pub(super) fn checked(sources: &Sources, plan: &Plan, known: &[KnownPlugin]) -> Result<Loaded, Failure> {
    let checked = config::would_be(sources, &format!("{:#}", plan.literal())).and_then(|loaded| {
        loaded.check_plugins(known)?;
        ConfigErrors::refuse(settings::refusals(&loaded))?;
        Ok(loaded)
    });
    checked.map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("key `{}`: {}", error.key, error.problem))
            .collect();
        let text = format!(
            "the answers make no configuration; nothing was written\n{}",
            lines.join("\n")
        );
        Failure::new(BAD_CONFIG, text)
    })
}

/// Tries token and provider.
///
/// # Errors
/// Where there is no room to do so.
pub(super) fn tests(
    loaded: &Loaded,
    plan: &Plan,
    telemetry: &telemetry::Handle,
) -> Result<Vec<Test>, Failure> {
    let scratch = Scratch::new("onboard").map_err(|error| Failure::chain(1, &error))?;
    let mut config = loaded.config.clone();
    config.home = scratch.path().to_owned();
    config.agent.turn_timeout = config.agent.turn_timeout.min(PATIENCE);
    config.agent.first_chunk_timeout = config.agent.first_chunk_timeout.min(PATIENCE);
    let mut tests = Vec::new();
    if plan.token.is_some() {
        let account = block_on(async {
            let asked = tokio::time::timeout(PATIENCE, account(&config, telemetry));
            asked.await.unwrap_or_else(|_| Err(late()))
        })?;
        tests.push(of_token(&config, account));
    }
    if plan.provider != ECHO {
        let known = super::super::known_plugins(&config);
        let (error, text) = block_on(providers::trial(&config, &known, telemetry, &plan.provider))??;
        let verdict = error.as_ref().map_or(Verdict::Good, verdict);
        tests.push(Test {
            what: format!("provider {}", plan.provider),
            verdict,
            text: told(&config, &text),
        });
    }
    Ok(tests)
}

async fn account(config: &Config, telemetry: &telemetry::Handle) -> Result<Account, Error> {
    let started = provider::begin(config, telemetry, Kind::Channel, TELEGRAM).await;
    let (instance, answer) = started.map_err(|not| match not {
        NotStarted::Setup(failure) => Error::config(failure.text),
        NotStarted::Plugin(error) => error,
    })?;
    provider::end(&instance).await;
    answer.decode()
}

fn of_token(config: &Config, account: Result<Account, Error>) -> Test {
    let (verdict, text) = match account {
        Ok(account) => (
            Verdict::Good,
            format!("ok: the token is that of {}", account.name),
        ),
        Err(error) => match verdict(&error) {
            Verdict::Refused => (
                Verdict::Refused,
                format!(
                    "the token is refused: {}; @BotFather tells the right one",
                    error.message
                ),
            ),
            _ => (
                Verdict::Unknown,
                format!("not tried, Telegram could not be asked: {}", error.message),
            ),
        },
    };
    Test {
        what: TELEGRAM.into(),
        verdict,
        text: told(config, &text),
    }
}

fn verdict(error: &Error) -> Verdict {
    let refused = matches!(error.cause, Cause::Auth | Cause::Config);
    match refused && !error.meta.contains_key("unpaid") {
        true => Verdict::Refused,
        false => Verdict::Unknown,
    }
}

fn late() -> Error {
    Error::transient(format!("there was no answer within {PATIENCE:?}")).because(Cause::Timeout)
}
