//! When a provider is not worth asking. Decides from what happened and the time it is told, and from nothing else.

use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, Outcome};

/// Failures in a row after which a provider is taken to be down.
const FAILURES: u32 = 5;
/// Failures further apart than this are no row.
const QUIET: Duration = Duration::from_secs(300);
/// The first wait; each probe that fails doubles it.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
/// Who has nobody else to ask goes on with the usual retries for this long after the first failure: refusing a turn
/// that a retry would have answered helps nobody, and the retries of a turn fit into it.
const BLIP: Duration = Duration::from_secs(10);

/// The circuit breaker of one provider instance: closed, open, and half open while one probe is under way.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// In a row; the first and the last of them.
    failures: u32,
    row: Option<(Instant, Instant)>,
    /// Times in a row that it opened.
    opened: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// Probes are let through from here on.
    until: Instant,
    /// The same for who has nobody else to ask. It comes sooner: a long wait would keep a person away from a
    /// provider that is back, and saves nobody anything.
    until_last: Instant,
    /// The usual retries of who has nobody else to ask end here.
    blip: Instant,
    probing: bool,
}

/// How an attempt is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Usual,
    /// The one attempt that finds out whether the provider is back.
    Probe,
}

/// What an attempt says of the provider's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers, be it with a refusal.
    Up,
    /// It is down, or will be for everybody until somebody acts; with the wait that it asked for.
    Down(Option<Duration>),
    /// Nothing.
    Unsaid,
}

impl Verdict {
    pub(super) fn of(error: &Error) -> Self {
        match error.cause {
            Cause::Network
            | Cause::Unavailable
            | Cause::Timeout
            | Cause::RateLimited
            | Cause::Protocol
            | Cause::Panicked
            | Cause::Auth
            | Cause::Config => match error.outcome {
                Outcome::Transient { retry_after } => Self::Down(retry_after),
                _ => Self::Down(None),
            },
            Cause::Rejected | Cause::TooLarge => Self::Up,
            // A model that is not there may be one route's alone.
            _ => Self::Unsaid,
        }
    }
}

impl Breaker {
    /// Whether an attempt may be made at `now`. `last`: nobody else is left to be asked.
    ///
    /// # Errors
    /// When the provider may be asked again.
    pub(super) fn admit(&mut self, now: Instant, last: bool) -> Result<Pass, Instant> {
        if let Some(until) = self.refuses(now, last) {
            return Err(until);
        }
        match &mut self.open {
            Some(open) if !(last && (now < open.blip || open.probing)) => {
                open.probing = true;
                Ok(Pass::Probe)
            }
            _ => Ok(Pass::Usual),
        }
    }

    /// Whether it failed often enough, and has answered nobody since.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When an attempt may be made that may not be made at `now`.
    pub(super) fn refuses(&self, now: Instant, last: bool) -> Option<Instant> {
        let open = self.open.as_ref()?;
        let until = if last { open.until_last } else { open.until };
        let usual = last && now < open.blip;
        // Who has nobody else to ask does not wait for another one's probe.
        (!usual && (now < until || (open.probing && !last))).then_some(until.max(now))
    }

    /// Notes how an attempt ended. Returns whether the breaker opened or closed by that.
    pub(super) fn note(&mut self, now: Instant, pass: Pass, verdict: Verdict) -> Change {
        match verdict {
            Verdict::Unsaid => {
                self.give_back(pass);
                Change::None
            }
            Verdict::Up => {
                let was_open = self.open.is_some();
                *self = Self::default();
                if was_open { Change::Closed } else { Change::None }
            }
            Verdict::Down(asked) => self.failed(now, pass, asked),
        }
    }

    /// A probe that ended without saying anything makes room for the next one.
    fn give_back(&mut self, pass: Pass) {
        if pass == Pass::Probe
            && let Some(open) = &mut self.open
        {
            open.probing = false;
        }
    }

    fn failed(&mut self, now: Instant, pass: Pass, asked: Option<Duration>) -> Change {
        let in_row = self
            .row
            .filter(|(_, last)| now.saturating_duration_since(*last) < QUIET);
        self.failures = if in_row.is_some() {
            self.failures.saturating_add(1)
        } else {
            1
        };
        let since = in_row.map_or(now, |(first, _)| first);
        self.row = Some((since, now));
        let again = match &self.open {
            // Attempts from before it opened, and the retries of a blip, say nothing new.
            Some(_) => pass == Pass::Probe,
            None => self.failures >= FAILURES,
        };
        if !again {
            return Change::None;
        }
        self.opened = self.opened.saturating_add(1);
        let blip = self.open.as_ref().map_or(since + BLIP, |open| open.blip);
        let wait = asked.map_or_else(|| wait(self.opened), |asked| asked.min(LONGEST));
        self.open = Some(Open {
            until: now + wait,
            until_last: now + asked.map_or(FIRST, |_| wait),
            blip,
            probing: false,
        });
        if self.opened == 1 {
            Change::Opened(wait)
        } else {
            Change::None
        }
    }
}

/// What an operator is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened(Duration),
    Closed,
}

fn wait(opened: u32) -> Duration {
    let doublings = opened.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests;
