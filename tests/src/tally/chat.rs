//! One chat's side of the tally.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::script;

#[derive(Debug, Default)]
pub(super) struct Chat {
    /// Messages that its person wrote.
    asked: u32,
    /// The place that comes next.
    next: u32,
    /// Places below `next` that did not arrive.
    skipped: BTreeSet<u32>,
    last: Option<Last>,
    /// The message that the model was asked about last, and the life in which it was.
    called: Option<(u32, u32)>,
}

/// The send that arrived last.
#[derive(Debug)]
struct Last {
    place: u32,
    life: u32,
    at: Instant,
    /// The kill that ended its life, and its age then.
    killed: Option<(usize, Duration)>,
}

/// What a send is to its chat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next place.
    First,
    /// A place ahead of so many others.
    Early(u32),
    /// A place that was skipped.
    Late,
    /// The last place before this kill.
    Again { kill: usize, age: Duration },
    /// A place that arrived before, and no kill explains it.
    Unexplained,
}

impl Chat {
    pub(super) fn ask(&mut self) -> u32 {
        self.asked += 1;
        self.asked - 1
    }

    /// Returns whether the model had to be asked: not again after the answer went out, nor twice in one life.
    pub(super) fn called(&mut self, index: u32, life: u32) -> bool {
        let needed = script::place(index) >= self.next && self.called != Some((index, life));
        self.called = Some((index, life));
        needed
    }

    pub(super) fn arrived(&mut self, place: u32, life: u32, at: Instant) -> Arrival {
        let arrival = if place == self.next {
            Arrival::First
        } else if place > self.next {
            Arrival::Early(place - self.next)
        } else if self.skipped.remove(&place) {
            return Arrival::Late;
        } else {
            return self.again(place, life, at);
        };
        self.skipped.extend(self.next..place);
        self.next = place + 1;
        self.last = Some(Last {
            place,
            life,
            at,
            killed: None,
        });
        arrival
    }

    fn again(&mut self, place: u32, life: u32, at: Instant) -> Arrival {
        let Some(last) = self.last.as_mut().filter(|last| last.place == place) else {
            return Arrival::Unexplained;
        };
        let Some((kill, age)) = last.killed.take() else {
            return Arrival::Unexplained;
        };
        (last.life, last.at) = (life, at);
        Arrival::Again { kill, age }
    }

    /// Remembers the kill for this life's last send; returns how old that was.
    pub(super) fn killed(&mut self, life: u32, kill: usize, at: Instant) -> Option<Duration> {
        let last = self.last.as_mut().filter(|last| last.life == life)?;
        let age = at.saturating_duration_since(last.at);
        last.killed = Some((kill, age));
        Some(age)
    }

    /// Places that are due and did not arrive.
    pub(super) fn missing(&self) -> Vec<u32> {
        let due = script::place(self.asked);
        self.skipped.iter().copied().chain(self.next..due).collect()
    }
}
