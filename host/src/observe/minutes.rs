//! The past hour, minute by minute.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::histogram::Snapshot;
use crate::hub::Counters;
use crate::spool::wall_ms;

/// Minutes that are kept.
const KEPT: usize = 60;
const MINUTE_MS: i64 = 60_000;

/// One minute that is over.
#[derive(Clone, Debug, PartialEq)]
struct Minute {
    /// Its beginning in seconds since 1970.
    minute: i64,
    received: u64,
    delivered: u64,
    turns: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// The minutes that are over, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Minutes(Mutex<VecDeque<Minute>>);

/// What was counted when a minute began.
struct Start {
    received: u64,
    delivered: u64,
    turns: Snapshot,
}

impl Start {
    fn of(counters: &Counters) -> Self {
        Self {
            received: counters.received.get(),
            delivered: counters.delivered.get(),
            turns: counters.turn_time.snapshot(),
        }
    }
}

impl Minutes {
    /// Counts on, until the runtime ends.
    pub(crate) async fn keep(self: Arc<Self>, counters: Arc<Counters>) {
        let (mut start, mut minute) = (Start::of(&counters), minute_of(wall_ms()));
        loop {
            let left = MINUTE_MS - wall_ms().rem_euclid(MINUTE_MS);
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
            let now = minute_of(wall_ms());
            // A timer may fire a little early.
            if now == minute {
                continue;
            }
            let end = Start::of(&counters);
            self.push(minute, &start, &end);
            (start, minute) = (end, now);
        }
    }

    fn push(&self, minute: i64, start: &Start, end: &Start) {
        let turns = end.turns.since(&start.turns);
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() == KEPT {
            minutes.pop_front();
        }
        minutes.push_back(Minute {
            minute,
            received: end.received - start.received,
            delivered: end.delivered - start.delivered,
            turns: turns.count(),
            p50_ms: turns.quantile_ms(0.5),
            p99_ms: turns.quantile_ms(0.99),
        });
    }

    /// For `miniclaw status`.
    pub(crate) fn told(&self) -> Value {
        let minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = minutes.iter().map(|of| {
            json!({
                "minute": of.minute,
                "received": of.received,
                "delivered": of.delivered,
                "turns": of.turns,
                "p50_ms": of.p50_ms,
                "p99_ms": of.p99_ms,
            })
        });
        told.collect()
    }
}

fn minute_of(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS) * 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_what_came_in_it_and_an_hour_is_kept() {
        let (minutes, counters) = (Minutes::default(), Counters::default());
        let mut start = Start::of(&counters);
        for n in 0..70_u64 {
            counters.received.add(n);
            counters.delivered.add(1);
            if n % 2 == 0 {
                counters.turn_time.observe(Duration::from_millis(10));
            }
            let end = Start::of(&counters);
            minutes.push(i64::try_from(n).unwrap() * 60, &start, &end);
            start = end;
        }
        let told = minutes.told();
        let told = told.as_array().unwrap();
        assert_eq!(told.len(), 60);
        assert_eq!(told[0]["minute"], 600);
        assert_eq!(
            (&told[0]["received"], &told[0]["delivered"]),
            (&10.into(), &1.into())
        );
        assert_eq!((&told[1]["turns"], &told[1]["p50_ms"]), (&0.into(), &Value::Null));
        let p99 = told[0]["p99_ms"].as_f64().unwrap();
        assert!((7.0..=10.0).contains(&p99), "{p99}");
    }
}
