//! The AgentLoop: from a message and its history to a reply.

mod attempt;
mod bill;
mod breaker;
mod breakers;
mod budget;
mod compaction;
mod failure;
mod models;
mod places;
mod prompt;
mod routing;
mod tab;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, InboundMessage, Outcome};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use tracing::{debug, info, warn};

pub(crate) use attempt::Reply;
pub(crate) use bill::{Sums, grouped, is_count};
pub(crate) use breakers::Breakers;
pub(crate) use budget::{Budget, Left};
pub(crate) use compaction::{Compaction, history_tokens};
pub(crate) use models::Models;
pub(crate) use places::Places;
pub(crate) use prompt::fit::Window;
use prompt::fit::{is_too_long, too_long};
pub(crate) use prompt::{Prompt, Request};

pub(crate) use tab::Tab;

use self::breakers::Permit;
use crate::backoff::{Backoff, chance};
use crate::config::{AgentConfig, Config, Route, Terms};
use crate::media::Picture;
use crate::plugins::instance::Instance;
use crate::sessions::Snapshot;
use crate::spool::{Choice, InboundRow, Usage, wall_ms};

/// Between attempts at the same provider. Three of them, the usual number, outlast an outage of 3 s.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(20),
};

/// Further attempts where the provider crashed over a request.
const CRASH_RETRIES: u32 = 1;

/// The configured providers by name.
pub(crate) type Providers = HashMap<String, Provider>;

/// A configured provider.
#[derive(Clone)]
pub(crate) struct Provider {
    /// Its instances, as they come and go.
    pub(crate) running: watch::Receiver<Option<Arc<Instance>>>,
    _asked: Option<Arc<DropGuard>>,
}

impl Provider {
    /// `asked` is held for as long as a turn may ask it: one that is configured no more ends after that. `None` where it
    /// lives as long as the process.
    pub(crate) fn new(
        running: watch::Receiver<Option<Arc<Instance>>>,
        asked: Option<Arc<DropGuard>>,
    ) -> Self {
        Self {
            running,
            _asked: asked,
        }
    }
}

/// Answers messages.
pub(crate) struct AgentLoop {
    pub(crate) providers: Providers,
    pub(crate) breakers: Breakers,
    pub(crate) prompt: Prompt,
    pub(crate) config: AgentConfig,
    pub(crate) routes: Vec<Route>,
    /// Where no route says otherwise.
    pub(crate) default: Route,
    /// Of the providers by name.
    pub(crate) terms: BTreeMap<String, Terms>,
    pub(crate) places: Places,
    pub(crate) models: Models,
    pub(crate) budget: Budget,
    pub(crate) compaction: Compaction,
}

/// The files of a message and of those before it, as the agent gets them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What is read of the message's own.
    pub(crate) lines: Vec<String>,
    /// One list for each message of the history and one for the message; or none at all.
    pub(crate) pictures: Vec<Vec<Picture>>,
}

/// What a turn says.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The message as it goes into the history; empty for what does not.
    pub(crate) heard: String,
    /// The reply; empty for none.
    pub(crate) reply: String,
    /// What people are told below the reply, and no model reads; empty for nothing.
    pub(crate) remark: String,
    /// Whether the conversation starts anew.
    pub(crate) new_generation: bool,
    /// JSON text of the providers' attempts, for who traces the message.
    pub(crate) story: Option<String>,
    /// What the sender chose for the conversation.
    pub(crate) choice: Option<Choice>,
}

/// One question to a provider.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tried {
    pub(crate) provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    pub(crate) took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
}

/// Why a provider gave no answer.
enum Missed {
    NotAsked(Error),
    Failed(Error),
}

/// An answer while it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress<'a> {
    Text(&'a str),
    /// A provider is being asked a question of so many tokens.
    Asked {
        provider: &'a str,
        model: Option<&'a str>,
        tokens: u64,
    },
    /// A provider was asked, to whatever end.
    Tried(&'a Tried),
    /// What came until here is void: the attempt failed, and another one begins.
    Restart,
}

impl Answer {
    /// A sentence that is not part of the conversation.
    pub(crate) fn note(reply: impl Into<String>) -> Self {
        Self {
            reply: reply.into(),
            ..Self::default()
        }
    }
}

impl AgentLoop {
    /// As a configuration wants it. What is known of providers, budgets and conversations comes from the one `before`.
    pub(crate) fn new(config: &Config, providers: Providers, budget: &Budget, before: Option<&Self>) -> Self {
        let terms = config.providers.iter();
        let terms: BTreeMap<_, _> = terms
            .map(|(name, provider)| (name.clone(), provider.terms.clone()))
            .collect();
        Self {
            providers,
            breakers: before.map(|before| before.breakers.clone()).unwrap_or_default(),
            prompt: Prompt::new(&config.agent.system_prompt, &config.workspace),
            config: config.agent.clone(),
            routes: config.routes.clone(),
            default: Route {
                provider: Some(config.provider.clone()),
                model: config.model.clone(),
                ..Route::default()
            },
            places: Places::new(&terms, before.map(|before| &before.places)),
            terms,
            models: before.map(|before| before.models.clone()).unwrap_or_default(),
            budget: budget.with(config.limits),
            compaction: Compaction::new(
                config.sessions.compaction,
                before.map(|before| &before.compaction),
            ),
        }
    }

    /// Answers a message, which may be that of `row` joined with others. A failure for good is answered as well, with
    /// one honest sentence. `listener` hears the answer as it comes.
    pub(crate) async fn answer(
        &self,
        row: &InboundRow,
        message: &InboundMessage,
        seen: &Seen,
        snapshot: &Snapshot,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Answer {
        if let Some(refusal) = self.budget.refusal(&row.session).await {
            return Answer::note(refusal);
        }
        if let Some(sentence) = failure::cannot_open(message, &seen.lines) {
            return Answer::note(sentence);
        }
        let heard = prompt::heard(message, &seen.lines);
        let route = self.route(row, message, &snapshot.choice);
        let mut request = self.prompt.request(&snapshot.entries, &heard, &seen.pictures);
        request.session = &row.session.0;
        request.idempotency_key = format!("turn-{}", row.seq);
        request.meta.inbound = row.seq;
        let mut story = Vec::new();
        let mut hear = |progress: Progress<'_>| {
            if let Progress::Tried(tried) = progress {
                story.push(tried.clone());
            }
            listener(progress);
        };
        let mut unread = false;
        let (reply, remark) = match self.complete(&route, request, &mut hear).await {
            Ok(reply) => {
                let unseen = reply.blind && seen.pictures.last().is_some_and(|own| !own.is_empty());
                let remarks = [reply.remark, if unseen { failure::BLIND } else { "" }];
                let remarks: Vec<&str> = remarks.into_iter().filter(|remark| !remark.is_empty()).collect();
                (reply.text, remarks.join("\n\n"))
            }
            Err(error) => {
                warn!(%error, cause = ?error.cause, "Turn failed, its sender is told so");
                unread = is_too_long(&error);
                (failure::sentence(&error), String::new())
            }
        };
        let heard = if unread { failure::unread(&heard) } else { heard };
        Answer {
            heard,
            reply,
            remark,
            story: serde_json::to_string(&story).ok(),
            ..Answer::default()
        }
    }

    /// Tries the route's providers in order, each with retries, until one answers. `listener` hears the answer
    /// as it comes.
    ///
    /// # Errors
    /// The last provider's, where none answered.
    pub(crate) async fn complete(
        &self,
        route: &Route,
        request: Request<'_>,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Reply, Error> {
        let end = Instant::now() + self.config.turn_timeout;
        let (mut failed, mut refused) = (None, None);
        let count = route.provider.iter().len() + route.fallback.len();
        let targets = route
            .provider
            .iter()
            .map(|name| (name.as_str(), route.model.as_deref()));
        let targets = targets.chain(route.fallback.iter().map(|target| routing::target(target)));
        for (index, (name, model)) in targets.enumerate() {
            let nobody_else = index + 1 == count;
            let error = match self
                .ask_provider(name, model, nobody_else, &request, end, listener)
                .await
            {
                Ok(reply) => return Ok(reply),
                Err(Missed::Failed(error)) => error,
                Err(Missed::NotAsked(error)) => {
                    debug!(provider = name, %error, "Provider is not asked");
                    refused = Some(error);
                    continue;
                }
            };
            warn!(provider = name, %error, "Provider gave no answer");
            failed = Some(error);
            if Instant::now() >= end {
                break;
            }
            listener(Progress::Restart);
        }
        // What a provider said itself says more than that another one was not asked.
        let nobody =
            || Error::permanent("no provider is configured for this conversation").because(Cause::Config);
        Err(failed.or(refused).unwrap_or_else(nobody))
    }

    /// Asks a provider for all of a conversation that its model reads. Where nobody knows how much that is, and the
    /// server refuses it as too long, half of it is tried, and remembered.
    async fn ask_provider(
        &self,
        name: &str,
        model: Option<&str>,
        nobody_else: bool,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Reply, Missed> {
        let mut learnt = false;
        loop {
            let mut fitted = self.fitted(request, name, model).await.map_err(Missed::Failed)?;
            // A model's name means something to the provider that it was configured for.
            fitted.model = model;
            let permit = self.breakers.admit(name, nobody_else).map_err(Missed::NotAsked)?;
            let asked = self.try_provider(name, permit, nobody_else, &fitted, end, listener);
            let error = match asked.await {
                Ok(reply) => {
                    if learnt {
                        let tokens = self.window(name, model).tokens;
                        warn!(
                            "Provider `{name}` takes about {tokens} tokens; set `providers.{name}.context_tokens`"
                        );
                    }
                    return Ok(reply);
                }
                Err(error) => error,
            };
            let guessed = !self.window(name, model).known;
            let shorter = error.cause == Cause::TooLarge && guessed && fitted.has_history();
            if !shorter || Instant::now() >= end {
                // Where nothing stood before it, it is the message that is too long.
                let alone = error.cause == Cause::TooLarge && !fitted.has_history();
                return Err(Missed::Failed(if alone { too_long(error) } else { error }));
            }
            info!(provider = name, %error, "Provider is asked again with less of the conversation");
            self.models.learn(name, model, fitted.tokens / 2);
            learnt = true;
            listener(Progress::Restart);
        }
    }

    /// Asks a provider until it answers, fails for good, or is taken to be down.
    async fn try_provider(
        &self,
        name: &str,
        mut permit: Permit,
        nobody_else: bool,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Reply, Error> {
        let mut failures = 0;
        loop {
            let place = self.places.take(name, end, nobody_else).await?;
            let (asked, at_ms) = (Instant::now(), wall_ms());
            let (ended, usage) = self.attempt(name, request, end, listener).await;
            drop(place);
            listener(Progress::Tried(&Tried {
                provider: name.to_owned(),
                model: request.model.map(str::to_owned),
                at_ms,
                took_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
                error: ended.as_ref().err().map(|error| error.message.clone()),
                usage,
            }));
            permit.note(&ended);
            let error = match ended {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            failures += 1;
            let wait = match error.outcome {
                Outcome::Permanent => return Err(error),
                Outcome::Transient {
                    retry_after: Some(wait),
                } => wait,
                _ => BACKOFF.wait(failures, chance()),
            };
            let then = Instant::now() + wait;
            // What may have ended the provider is not to end it until it is quarantined for everybody.
            let retries = match error.cause {
                Cause::Panicked => self.config.retries.min(CRASH_RETRIES),
                _ => self.config.retries,
            };
            if failures > retries || then >= end || self.breakers.refuses(name, then, nobody_else) {
                return Err(error);
            }
            info!(provider = name, failures, ?wait, %error, "Provider is asked again");
            listener(Progress::Restart);
            tokio::time::sleep(wait).await;
            let Ok(again) = self.breakers.admit(name, nobody_else) else {
                return Err(error);
            };
            permit = again;
        }
    }
}
