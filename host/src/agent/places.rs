//! How much is asked of a provider at once and in a minute.

mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use miniclaw_plugin_api::{Cause, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::window::Window;
use crate::config::Terms;

/// Marks the error of who got no place.
const NO_PLACE: &str = "no_place";

/// The bounds of all providers; one without bounds has no entry.
#[derive(Default)]
pub(crate) struct Places(HashMap<String, Arc<Place>>);

struct Place {
    bounds: Bounds,
    /// Fair: who waits gets a permit in order.
    concurrent: Option<Arc<Semaphore>>,
    minute: Option<Mutex<Window>>,
}

/// At once, and in a minute.
type Bounds = (Option<usize>, Option<u32>);

/// A place among the requests under way.
pub(super) struct Taken {
    _permit: Option<OwnedSemaphorePermit>,
}

/// A start that was reserved and is given back where nobody makes it.
struct Reserved<'a> {
    window: &'a Mutex<Window>,
    at: Option<Instant>,
}

impl Places {
    /// Where a bound is as it was `before`, who waits goes on waiting in the same line.
    pub(crate) fn new(terms: &BTreeMap<String, Terms>, before: Option<&Self>) -> Self {
        let place = |(name, terms): (&String, &Terms)| {
            let bounds = (terms.max_concurrent_requests, terms.requests_per_minute);
            let before = before.and_then(|before| before.0.get(name));
            let place = match before.filter(|before| before.bounds == bounds) {
                Some(same) => same.clone(),
                None => Arc::new(Place::new(bounds, before.map(Arc::as_ref))),
            };
            (bounds != (None, None)).then(|| (name.clone(), place))
        };
        Self(terms.iter().filter_map(place).collect())
    }

    /// Waits in order for a request's place, at most until `end`; with somebody else to ask, half of that, so that there
    /// is time to.
    ///
    /// # Errors
    /// Transient and [`Cause::RateLimited`] where no place is free in time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue.
    pub(super) async fn take(&self, name: &str, end: Instant, nobody_else: bool) -> Result<Taken, Error> {
        let Some(place) = self.0.get(name) else {
            return Ok(Taken { _permit: None });
        };
        let left = end.saturating_duration_since(Instant::now());
        let latest = Instant::now() + if nobody_else { left } else { left / 2 };
        let full = || {
            Error::transient(format!(
                "provider `{name}` has no place for a further request in time"
            ))
            .because(Cause::RateLimited)
            .with(NO_PLACE, true)
        };
        let permit = match &place.concurrent {
            Some(semaphore) => {
                let turn = tokio::time::timeout_at(latest.into(), semaphore.clone().acquire_owned());
                match turn.await {
                    Ok(Ok(permit)) => Some(permit),
                    // It is never closed.
                    Ok(Err(_)) => None,
                    Err(_) => return Err(full()),
                }
            }
            None => None,
        };
        if let Some(window) = &place.minute {
            let at = lock(window).reserve(Instant::now(), latest).ok_or_else(full)?;
            let mut reserved = Reserved { window, at: Some(at) };
            tokio::time::sleep_until(at.into()).await;
            reserved.at = None;
        }
        Ok(Taken { _permit: permit })
    }
}

impl Place {
    /// A server counts the requests of the last minute, whatever their bound was `before`.
    fn new((concurrent, minute): Bounds, before: Option<&Self>) -> Self {
        let starts = before
            .and_then(|before| before.minute.as_ref())
            .map(|window| lock(window).clone());
        Self {
            bounds: (concurrent, minute),
            concurrent: concurrent.map(|most| Arc::new(Semaphore::new(most))),
            minute: minute.map(|most| Mutex::new(Window::new(most).after(starts, Instant::now()))),
        }
    }
}

/// Whether an error says that the host's own bounds left no place.
pub(super) fn is_full(error: &Error) -> bool {
    error.meta.contains_key(NO_PLACE)
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            lock(self.window).give_back(at);
        }
    }
}

fn lock(window: &Mutex<Window>) -> std::sync::MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn places(terms: Terms) -> Places {
        Places::new(&[("p".to_owned(), terms)].into(), None)
    }

    #[tokio::test]
    async fn who_waits_for_a_place_gets_it_in_order() {
        let places = Arc::new(places(Terms {
            max_concurrent_requests: Some(1),
            ..Terms::default()
        }));
        let end = Instant::now() + Duration::from_secs(3_600);
        let first = places.take("p", end, true).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting = (0..5).map(|number| {
            let (places, order) = (places.clone(), order.clone());
            async move {
                let _taken = places.take("p", end, true).await.unwrap();
                order.lock().unwrap().push(number);
            }
        });
        let waiting = futures_util::future::join_all(waiting);
        tokio::join!(waiting, async { drop(first) });
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn other_bounds_forget_neither_who_waits_nor_what_was_asked_in_the_minute() {
        let terms = |concurrent, minute| Terms {
            max_concurrent_requests: Some(concurrent),
            requests_per_minute: Some(minute),
            ..Terms::default()
        };
        let with =
            |terms: Terms, before: &Places| Places::new(&[("p".to_owned(), terms)].into(), Some(before));
        let end = || Instant::now() + Duration::from_secs(1);
        let first = places(terms(1, 2));
        let held = first.take("p", end(), true).await.unwrap();
        let same = with(terms(1, 2), &first);
        assert!(same.take("p", end(), true).await.is_err(), "the place is taken");
        drop(held);
        drop(same.take("p", end(), true).await.unwrap());
        assert!(with(terms(1, 2), &same).take("p", end(), true).await.is_err());
        assert!(with(terms(5, 3), &same).take("p", end(), true).await.is_ok());
        assert!(with(terms(5, 1), &same).take("p", end(), true).await.is_err());
        let none = Places::new(&[("p".to_owned(), Terms::default())].into(), Some(&same));
        assert!(none.take("p", end(), true).await.is_ok());
    }

    #[tokio::test]
    async fn who_would_wait_too_long_for_the_minute_is_told_at_once() {
        let places = places(Terms {
            requests_per_minute: Some(1),
            ..Terms::default()
        });
        let end = Instant::now() + Duration::from_secs(30);
        drop(places.take("p", end, true).await.unwrap());
        let refused = places.take("p", end, true).await.err().unwrap();
        assert!(is_full(&refused) && refused.cause == Cause::RateLimited);
        assert!(places.take("other", end, true).await.is_ok());
    }
}
