//! The AgentLoop: from a message and its history to a reply.

mod attempt;
mod failure;
mod prompt;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, Outcome};
use tokio::sync::watch;
use tracing::{info, warn};

pub(crate) use attempt::Reply;
pub(crate) use prompt::{Prompt, Request};

use crate::backoff::{Backoff, chance};
use crate::config::{AgentConfig, Route};
use crate::plugins::instance::Instance;
use crate::sessions::Snapshot;
use crate::spool::InboundRow;

/// Between attempts at the same provider.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(20),
};

/// Provider instances by name, as they come and go.
pub(crate) type Providers = HashMap<String, watch::Receiver<Option<Arc<Instance>>>>;

/// Answers messages.
pub(crate) struct AgentLoop {
    pub(crate) providers: Providers,
    pub(crate) prompt: Prompt,
    pub(crate) config: AgentConfig,
    pub(crate) routes: Vec<Route>,
    /// Where no route says otherwise.
    pub(crate) default: Route,
}

/// What a turn says.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The message as it goes into the history; empty for what does not.
    pub(crate) heard: String,
    /// The reply; empty for none.
    pub(crate) reply: String,
    /// Whether the conversation starts anew.
    pub(crate) new_generation: bool,
}

/// An answer while it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress<'a> {
    Text(&'a str),
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
    /// Answers a message. A failure for good is answered as well, with one honest sentence.
    pub(crate) async fn answer(&self, row: &InboundRow, snapshot: &Snapshot) -> Answer {
        let heard = prompt::heard(&row.message);
        let route = self.route(&row.channel, &row.message.chat.id);
        let mut request = self.prompt.request(&snapshot.entries, &heard);
        request.session = &row.session.0;
        request.idempotency_key = format!("turn-{}", row.seq);
        let reply = match self.complete(&route, request, &mut |_: Progress<'_>| {}).await {
            Ok(reply) => reply.text,
            Err(error) => {
                warn!(%error, cause = ?error.cause, "Turn failed, its sender is told so");
                failure::sentence(&error)
            }
        };
        Answer {
            heard,
            reply,
            new_generation: false,
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
        mut request: Request<'_>,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Reply, Error> {
        let end = Instant::now() + self.config.turn_timeout;
        let mut last =
            Error::permanent("no provider is configured for this conversation").because(Cause::Config);
        for (index, name) in route.provider.iter().chain(&route.fallback).enumerate() {
            // A model's name means something to the provider that it was configured for.
            request.model = if index == 0 { route.model.as_deref() } else { None };
            match self.try_provider(name, &request, end, listener).await {
                Ok(reply) => return Ok(reply),
                Err(error) => last = error,
            }
            if Instant::now() >= end {
                break;
            }
            warn!(provider = name, error = %last, "Provider gave no answer");
            listener(Progress::Restart);
        }
        Err(last)
    }

    async fn try_provider(
        &self,
        name: &str,
        request: &Request<'_>,
        end: Instant,
        listener: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Reply, Error> {
        let mut failures = 0;
        loop {
            let error = match self.attempt(name, request, end, listener).await {
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
            if failures > self.config.retries || Instant::now() + wait >= end {
                return Err(error);
            }
            info!(provider = name, failures, ?wait, %error, "Provider is asked again");
            listener(Progress::Restart);
            tokio::time::sleep(wait).await;
        }
    }

    /// The first route that matches; what it leaves open is the default's.
    pub(crate) fn route(&self, channel: &str, chat: &str) -> Route {
        let matches = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let found = self
            .routes
            .iter()
            .find(|route| matches(&route.channel, channel) && matches(&route.chat, chat));
        let Some(route) = found else {
            return self.default.clone();
        };
        let mut route = route.clone();
        if route.provider.is_none() {
            route.provider.clone_from(&self.default.provider);
            route.model = route.model.or_else(|| self.default.model.clone());
        }
        route
    }
}
