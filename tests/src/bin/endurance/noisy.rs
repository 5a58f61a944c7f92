//! One chat that writes without pause, and what the others notice of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_tests::fake_telegram::{Injection, Sent};
use miniclaw_tests::measure::figure::{millis, quantile};
use miniclaw_tests::measure::rig::{Bench, Rig, USER};
use serde_json::json;

use crate::arguments::Arguments;

const NOISE: i64 = 1_000_000;
const TICK: Duration = Duration::from_millis(5);
/// Each of the others writes again so long after it wrote last, once it was answered.
const THINK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
const TARGET: Duration = Duration::from_millis(10);

/// What the others wait for, and what became of the noise.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    others: HashMap<i64, Other>,
    waits: Vec<Duration>,
    noise: u64,
}

/// One of the others and its last message.
#[derive(Clone, Copy)]
struct Other {
    wrote: Instant,
    answered: bool,
}

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> bool {
    let window = Duration::from_secs(arguments.get("seconds", 5));
    let (rate, chats) = (arguments.get("rate", 1_000), arguments.chats(20));
    let rig = bench.rig_with(|config| {
        config
            .with("/gateway/max_pending", json!(1_000_000))
            .with("/gateway/max_pending_per_conversation", json!(1_000_000))
    });
    let gateway = rig.start_polling();
    let watch = Watch::default();
    let seen = watch.clone();
    rig.telegram
        .set_on_sent(Some(Box::new(move |sent| seen.take(sent))));
    let (mut quiet, mut noisy, mut made) = (Vec::new(), Vec::new(), 0);
    for _ in 0..arguments.get("rounds", 4) {
        drive(&rig, &watch, window, chats, 0);
        quiet.append(&mut watch.lock().waits);
        made += drive(&rig, &watch, window, chats, rate);
        noisy.append(&mut watch.lock().waits);
        drain(&rig, &watch, made);
    }
    let answered = watch.lock().noise;
    gateway.stop();
    println!("noise: {made} messages, {answered} answered");
    report(&mut quiet, &mut noisy) && answered == made
}

/// Has the others write at their pace, and the noise at `rate` a second; how much noise there was.
fn drive(rig: &Rig, watch: &Watch, window: Duration, chats: i64, rate: u64) -> u64 {
    let started = Instant::now();
    let mut made = 0;
    while started.elapsed() < window {
        let due = started.elapsed().as_millis() as u64 * rate / 1_000;
        let mut messages: Vec<Injection> = (made..due)
            .map(|_| Injection::text(NOISE, USER, "noise"))
            .collect();
        made = made.max(due);
        messages.extend(watch.who_writes(chats));
        if !messages.is_empty() {
            rig.telegram.inject_all(&messages);
        }
        std::thread::sleep(TICK);
    }
    made
}

/// Waits until all the noise so far is answered, and forgets it.
fn drain(rig: &Rig, watch: &Watch, made: u64) {
    let started = Instant::now();
    while watch.lock().noise < made && started.elapsed() < PATIENCE {
        std::thread::sleep(TICK);
    }
    println!("the rest of the noise took {}", millis(started.elapsed()));
    watch.lock().waits.clear();
    rig.telegram.forget_sent();
}

impl Watch {
    fn take(&self, sent: &Sent) -> Option<Injection> {
        let mut seen = self.lock();
        if sent.chat == NOISE {
            seen.noise += 1;
        } else if let Some(other) = seen.others.get_mut(&sent.chat) {
            other.answered = true;
            let wait = sent.at - other.wrote;
            seen.waits.push(wait);
        }
        None
    }

    /// Those of the others who were answered and have thought long enough; they write at this moment.
    fn who_writes(&self, chats: i64) -> Vec<Injection> {
        let mut seen = self.lock();
        let wrote = Instant::now();
        let waits = |other: &Other| !other.answered || wrote - other.wrote < THINK;
        let ready: Vec<i64> = (1..=chats)
            .filter(|chat| !seen.others.get(chat).is_some_and(waits))
            .collect();
        let other = Other {
            wrote,
            answered: false,
        };
        seen.others.extend(ready.iter().map(|chat| (*chat, other)));
        ready
            .into_iter()
            .map(|chat| Injection::text(chat, USER, "hi"))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints what the others waited; whether the noise moved it by no more than the target.
fn report(quiet: &mut [Duration], noisy: &mut [Duration]) -> bool {
    let row = |what: &str, waits: &mut [Duration]| {
        let [middle, slow, slowest] = [0.5, 0.99, 1.0].map(|share| quantile(waits, share));
        let count = waits.len();
        println!(
            "{what}: {count} waits, p50 {}, p99 {}, most {}",
            millis(middle),
            millis(slow),
            millis(slowest)
        );
        slow
    };
    let without = row("the others without noise", quiet);
    let with = row("the others beside the noise", noisy);
    let moved = with.saturating_sub(without);
    let ratio = with.as_secs_f64() / without.as_secs_f64().max(f64::EPSILON);
    println!(
        "p99 moves by {} (to reach: at most {}), times {ratio:.1}",
        millis(moved),
        millis(TARGET)
    );
    moved <= TARGET
}
