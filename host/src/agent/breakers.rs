//! The circuit breakers of all providers, and what the log says of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use miniclaw_plugin_api::{Cause, Error};
use tracing::{info, warn};

use super::breaker::{Breaker, Change, Pass, Verdict};

/// One breaker for each provider that was asked.
#[derive(Clone, Default)]
pub(crate) struct Breakers(Arc<Mutex<HashMap<String, Kept>>>);

#[derive(Default)]
struct Kept {
    breaker: Breaker,
    /// Of the last attempt that failed.
    failure: Option<(String, Instant)>,
}

/// How a provider is, as far as its answers tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// Left alone until then.
    pub(crate) open_until: Option<Instant>,
    /// It failed often enough, and has answered nobody since.
    pub(crate) down: bool,
    /// The last error, and when it came.
    pub(crate) failure: Option<(String, Instant)>,
}

/// An attempt that was let through. Dropping it, as `/stop` does, says nothing of the provider.
pub(super) struct Permit {
    breakers: Breakers,
    name: String,
    pass: Pass,
}

impl Breakers {
    /// Lets an attempt through. `last`: no other provider is left to be asked.
    ///
    /// # Errors
    /// Transient and [`Cause::Unavailable`] while the provider is taken to be down, with the wait.
    pub(super) fn admit(&self, name: &str, last: bool) -> Result<Permit, Error> {
        let now = Instant::now();
        let admitted = self.with(name, |breaker| breaker.admit(now, last));
        admitted
            .map(|pass| Permit {
                breakers: self.clone(),
                name: name.to_owned(),
                pass,
            })
            .map_err(|until| {
                let wait = until - now;
                let message = format!("provider `{name}` failed repeatedly and is asked again in {wait:.0?}");
                Error::transient(message)
                    .retry_after(wait)
                    .because(Cause::Unavailable)
            })
    }

    /// Whether an attempt at `then` would not be let through as things stand.
    pub(super) fn refuses(&self, name: &str, then: Instant, last: bool) -> bool {
        self.with(name, |breaker| breaker.refuses(then, last)).is_some()
    }

    /// What was known of a provider says nothing any more: it is another one, or none.
    pub(crate) fn forget(&self, name: &str) {
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.remove(name);
    }

    /// How a provider is.
    pub(crate) fn health(&self, name: &str) -> Health {
        self.kept(name, |kept| Health {
            open_until: kept.breaker.refuses(Instant::now(), false),
            down: kept.breaker.is_open(),
            failure: kept.failure.clone(),
        })
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Breaker) -> T) -> T {
        self.kept(name, |kept| act(&mut kept.breaker))
    }

    fn kept<T>(&self, name: &str, act: impl FnOnce(&mut Kept) -> T) -> T {
        let mut breakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match breakers.get_mut(name) {
            Some(kept) => act(kept),
            None => act(breakers.entry(name.to_owned()).or_default()),
        }
    }
}

impl Permit {
    /// Notes how the attempt ended.
    pub(super) fn note<T>(mut self, result: &Result<T, Error>) {
        let verdict = result.as_ref().err().map_or(Verdict::Up, Verdict::of);
        if let Err(error) = result {
            let failure = Some((error.message.clone(), Instant::now()));
            self.breakers.kept(&self.name, |kept| kept.failure = failure);
        }
        let pass = std::mem::replace(&mut self.pass, Pass::Usual);
        let change = self
            .breakers
            .with(&self.name, |breaker| breaker.note(Instant::now(), pass, verdict));
        let provider = &*self.name;
        match change {
            Change::None => {}
            Change::Opened(wait) => {
                let error = result.as_ref().err().map(tracing::field::display);
                warn!(
                    provider,
                    ?wait,
                    error,
                    "Provider fails repeatedly, it is left alone for a while"
                );
            }
            Change::Closed => info!(provider, "Provider answers again"),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.pass == Pass::Probe {
            self.breakers.with(&self.name, |breaker| {
                breaker.note(Instant::now(), Pass::Probe, Verdict::Unsaid)
            });
        }
    }
}
