//! Whether the answers make a configuration, and whether token and key are taken.

use std::fmt;
use std::time::Duration;

use miniclaw_plugin_api::{Account, Cause, Error, Kind};

use super::super::args::Global;
use super::super::plugin::scratch::Scratch;
use super::super::provider::{self, NotStarted, block_on, told};
use super::super::{Failure, config::BAD_CONFIG, config::trial as settings, providers, setup};
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

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.text)
    }
}

/// Checks and tries what is planned so far.
pub(super) struct Trial<'a> {
    global: &'a Global,
    sources: &'a Sources,
    pub(super) known: &'a [KnownPlugin],
    offline: bool,
    log: Option<telemetry::Handle>,
    token: Option<Test>,
    provider: Option<Test>,
}

impl<'a> Trial<'a> {
    /// `offline` tries nothing.
    pub(super) fn new(
        global: &'a Global,
        sources: &'a Sources,
        known: &'a [KnownPlugin],
        offline: bool,
    ) -> Self {
        Self {
            global,
            sources,
            known,
            offline,
            log: None,
            token: None,
            provider: None,
        }
    }

    /// What `config validate` would say against what is planned, of the keys that are meant.
    pub(super) fn refusals(&self, plan: &Plan, meant: impl Fn(&str) -> bool) -> Vec<String> {
        let Err(errors) = self.checked(plan) else {
            return Vec::new();
        };
        let concerned = errors.iter().filter(|error| meant(&error.key));
        concerned.map(|error| error.problem.to_string()).collect()
    }

    /// Asks Telegram whose the token is; `None` where nothing is tried.
    ///
    /// # Errors
    /// Where there is no room to do so, and as [`Self::over`].
    pub(super) fn token(&mut self, plan: &Plan) -> Result<Option<&Test>, Failure> {
        self.token = None;
        if plan.token.is_some() && !self.offline {
            let (config, log, _scratch) = self.ready(plan)?;
            let account = block_on(async {
                let asked = tokio::time::timeout(PATIENCE, account(&config, &log));
                asked.await.unwrap_or_else(|_| Err(late()))
            })?;
            self.token = Some(of_token(&config, account));
        }
        Ok(self.token.as_ref())
    }

    /// Asks the provider something short; `None` where nothing is tried.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub(super) fn provider(&mut self, plan: &Plan) -> Result<Option<&Test>, Failure> {
        self.provider = None;
        if plan.provider != ECHO && !self.offline {
            let (config, log, _scratch) = self.ready(plan)?;
            let known = super::super::known_plugins(&config);
            let (error, text) = block_on(providers::trial(&config, &known, &log, &plan.provider))??;
            self.provider = Some(Test {
                what: format!("provider {}", plan.provider),
                verdict: error.as_ref().map_or(Verdict::Good, verdict),
                text: told(&config, &text),
            });
        }
        Ok(self.provider.as_ref())
    }

    /// The configuration as it will be, with secrets, and how token and provider were taken. Tries what was not tried yet.
    ///
    /// # Errors
    /// 78 with everything that `config validate` would refuse.
    pub(super) fn over(mut self, plan: &Plan) -> Result<(Loaded, Vec<Test>), Failure> {
        let loaded = self.checked(plan).map_err(|errors| refused(&errors))?;
        if self.token.is_none() {
            self.token(plan)?;
        }
        if self.provider.is_none() {
            self.provider(plan)?;
        }
        Ok((loaded, self.token.into_iter().chain(self.provider).collect()))
    }

    fn checked(&self, plan: &Plan) -> Result<Loaded, ConfigErrors> {
        let loaded = self.would_be(plan)?;
        loaded.check_plugins(self.known)?;
        ConfigErrors::refuse(settings::refusals(&loaded))?;
        Ok(loaded)
    }

    fn would_be(&self, plan: &Plan) -> Result<Loaded, ConfigErrors> {
        config::would_be(self.sources, &format!("{:#}", plan.literal()))
    }

    /// What a try that nobody waits for long needs: the configuration, the log without its secrets, and a folder of its own.
    fn ready(&mut self, plan: &Plan) -> Result<(Config, telemetry::Handle, Scratch), Failure> {
        // What is asked later may be missing still.
        let loaded = self.would_be(plan).map_err(|errors| refused(&errors))?;
        let log = match &self.log {
            Some(log) => {
                log.hide(loaded.config.secrets.clone());
                log.clone()
            }
            // The log's words are told in other words here.
            None => setup::start_log(self.global, &loaded, true)?,
        };
        self.log = Some(log.clone());
        let scratch = Scratch::new("onboard").map_err(|error| Failure::chain(1, &error))?;
        let mut config = loaded.config;
        config.home = scratch.path().to_owned();
        config.agent.turn_timeout = config.agent.turn_timeout.min(PATIENCE);
        config.agent.first_chunk_timeout = config.agent.first_chunk_timeout.min(PATIENCE);
        Ok((config, log, scratch))
    }
}

fn refused(errors: &ConfigErrors) -> Failure {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("key `{}`: {}", error.key, error.problem))
        .collect();
    let text = format!(
        "the answers make no configuration; nothing was written\n{}",
        lines.join("\n")
    );
    Failure::new(BAD_CONFIG, text)
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
