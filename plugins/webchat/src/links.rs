//! Links that log in once.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use miniclaw_plugin_api::Result;

use crate::lock;
use crate::random::{self, Digest};

/// How long a link can be used.
pub(crate) const VALID: Duration = Duration::from_secs(600);
/// Links that can be used at the same time; a further one ends the oldest.
const MOST: usize = 8;

/// The tokens of the links that were given out; they end with the process.
#[derive(Default)]
pub(crate) struct Links(Mutex<VecDeque<Link>>);

struct Link {
    digest: Digest,
    born: Instant,
    /// Beside the other one, which stands still while the machine sleeps.
    born_wall: SystemTime,
}

impl Links {
    /// A token that is valid from here on.
    ///
    /// # Errors
    /// The machine has no random numbers.
    pub(crate) fn issue(&self) -> Result<String> {
        let token = random::secret()?;
        let mut links = lock(&self.0);
        links.extend(random::digest(&token).map(|digest| Link {
            digest,
            born: Instant::now(),
            born_wall: SystemTime::now(),
        }));
        while links.len() > MOST {
            links.pop_front();
        }
        Ok(token)
    }

    /// Whether the token could be used.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.find(token, |_, _| ()).is_some()
    }

    /// Uses the token up; `false` where it is not valid.
    pub(crate) fn redeem(&self, token: &str) -> bool {
        self.find(token, VecDeque::remove).is_some()
    }

    fn find<T>(&self, token: &str, then: impl FnOnce(&mut VecDeque<Link>, usize) -> T) -> Option<T> {
        let digest = random::digest(token)?;
        let mut links = lock(&self.0);
        links.retain(Link::is_valid);
        // All are looked at, so that the time tells of none.
        let places = links.iter().enumerate();
        let place = places.fold(None, |found, (place, link)| {
            if random::same(&link.digest, &digest) {
                Some(place)
            } else {
                found
            }
        })?;
        Some(then(&mut links, place))
    }

    /// Makes all links older than they are.
    #[cfg(test)]
    pub(crate) fn age(&self, by: Duration) {
        for link in lock(&self.0).iter_mut() {
            link.born_wall -= by;
        }
    }
}

impl Link {
    fn is_valid(&self) -> bool {
        // A clock that was set back ends them too.
        let wall = self.born_wall.elapsed().unwrap_or(VALID);
        self.born.elapsed().max(wall) < VALID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_is_used_once_and_not_after_ten_minutes() {
        let links = Links::default();
        let token = links.issue().unwrap();
        assert!(links.knows(&token) && links.knows(&token));
        assert!(links.redeem(&token));
        assert!(!links.knows(&token) && !links.redeem(&token));
        let token = links.issue().unwrap();
        links.age(VALID - Duration::from_secs(5));
        assert!(links.knows(&token));
        links.age(Duration::from_secs(5));
        assert!(!links.redeem(&token));
    }

    #[test]
    fn ninth_link_ends_the_first() {
        let links = Links::default();
        let tokens: Vec<String> = (0..=MOST).map(|_| links.issue().unwrap()).collect();
        assert!(!links.knows(&tokens[0]));
        assert!(tokens[1..].iter().all(|token| links.knows(token)));
    }
}
