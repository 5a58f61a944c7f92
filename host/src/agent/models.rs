//! What providers say of their models.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Model, Outcome};
use tokio::sync::Notify;
use tracing::debug;

use crate::plugins::instance::{Instance, Method};
use crate::tasks::Tasks;

/// How long a provider may take; a reload waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// A person who asks for the list gets one that is no older.
const FRESH: Duration = Duration::from_secs(300);
/// One that could not tell is asked again after this long, since its network may be down at its start.
const AGAIN: Duration = Duration::from_secs(60);

/// Models of which it is remembered what they take.
const LEARNED: usize = 100;

/// The models of each provider instance, asked for until it tells, and again when a person wants the list.
#[derive(Clone, Default)]
pub(crate) struct Models {
    listed: Arc<Mutex<HashMap<String, Listed>>>,
    /// Tokens that a model took no more of, where nobody says how many it reads.
    learned: Arc<Mutex<HashMap<String, u64>>>,
    /// Somebody answered.
    answers: Arc<Notify>,
    /// They end with the runtime.
    tasks: Tasks,
}

struct Listed {
    instance: Weak<Instance>,
    at: Instant,
    /// Empty while it is asked, and where it does not say.
    models: Arc<[Model]>,
    answer: Answer,
}

/// What an instance says to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is being asked for the first time.
    Asked,
    /// It may still tell.
    NotYet,
    /// It did tell, or never will.
    Told,
}

impl Models {
    /// What an instance said so far. As long as it did not it is asked, in the background: no turn waits for that.
    pub(super) fn known(&self, name: &str, instance: &Arc<Instance>) -> Arc<[Model]> {
        let models: Arc<[Model]> = Arc::new([]);
        {
            let mut listed = self.lock();
            let answer = match listed.get(name).filter(|found| found.is_of(instance)) {
                Some(found) if !found.is_due(Instant::now()) => return found.models.clone(),
                Some(_) => Answer::NotYet,
                None => Answer::Asked,
            };
            listed.insert(name.to_owned(), Listed::new(instance, models.clone(), answer));
        }
        let (this, name, instance) = (self.clone(), name.to_owned(), instance.clone());
        self.tasks
            .spawn("models", async move { this.ask(&name, &instance).await });
        models
    }

    /// What an instance offers, asked for where that is not known or old.
    pub(crate) async fn list(&self, name: &str, instance: &Arc<Instance>) -> Arc<[Model]> {
        let fresh = {
            let listed = self.lock();
            let found = listed.get(name).filter(|found| {
                found.is_of(instance) && !found.models.is_empty() && found.at.elapsed() < FRESH
            });
            found.map(|found| found.models.clone())
        };
        match fresh {
            Some(models) => models,
            None => self.ask(name, instance).await,
        }
    }

    async fn ask(&self, name: &str, instance: &Arc<Instance>) -> Arc<[Model]> {
        let answer = instance.call(Method::MODELS.within(PATIENCE), &()).await;
        let answer = answer.and_then(|answer| answer.decode::<Vec<Model>>());
        let mut listed = self.lock();
        let before = listed
            .get(name)
            .filter(|before| before.is_of(instance) && !before.models.is_empty());
        let now = match (answer, before) {
            (Ok(models), _) => Listed::new(instance, models.into(), Answer::Told),
            (Err(error), before) => {
                debug!(provider = name, %error, "Provider does not tell its models");
                if let Some(before) = before {
                    return before.models.clone();
                }
                let answer = match error.outcome {
                    Outcome::Permanent => Answer::Told,
                    _ => Answer::NotYet,
                };
                Listed::new(instance, Arc::new([]), answer)
            }
        };
        let models = now.models.clone();
        listed.insert(name.to_owned(), now);
        self.answers.notify_waiters();
        models
    }

    /// Remembers that a model takes no more than so many tokens, until the next start.
    pub(super) fn learn(&self, name: &str, model: Option<&str>, tokens: u64) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.len() >= LEARNED {
            learned.clear();
        }
        learned.insert(key(name, model), tokens);
    }

    /// What [`Models::learn`] was told.
    pub(super) fn learned(&self, name: &str, model: Option<&str>) -> Option<u64> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.get(&key(name, model)).copied()
    }

    /// Whether an instance has still to say what it offers.
    pub(super) fn asking(&self, name: &str) -> bool {
        let listed = self.lock();
        listed
            .get(name)
            .is_some_and(|listed| listed.answer != Answer::Told)
    }

    /// Waits while an instance is being asked for the first time.
    pub(super) async fn asked(&self, name: &str) {
        loop {
            let answered = self.answers.notified();
            let answer = self.lock().get(name).map(|listed| listed.answer);
            if answer != Some(Answer::Asked) {
                return;
            }
            answered.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str, model: Option<&str>) -> String {
    format!("{name}/{}", model.unwrap_or_default())
}

impl Listed {
    fn new(instance: &Arc<Instance>, models: Arc<[Model]>, answer: Answer) -> Self {
        Self {
            instance: Arc::downgrade(instance),
            at: Instant::now(),
            models,
            answer,
        }
    }

    fn is_of(&self, instance: &Arc<Instance>) -> bool {
        std::ptr::eq(self.instance.as_ptr(), Arc::as_ptr(instance))
    }

    /// Whether it is asked again without being wanted.
    fn is_due(&self, now: Instant) -> bool {
        self.answer != Answer::Told && now.duration_since(self.at) >= AGAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_could_not_tell_its_models_is_asked_again_after_a_while() {
        let asked = |answer| Listed {
            instance: Weak::new(),
            at: Instant::now(),
            models: Arc::new([]),
            answer,
        };
        let now = Instant::now();
        for answer in [Answer::Asked, Answer::NotYet] {
            assert!(!asked(answer).is_due(now) && asked(answer).is_due(now + 2 * AGAIN));
        }
        assert!(!asked(Answer::Told).is_due(now + 2 * AGAIN));
    }
}
