//! A hundred thousand messages at once, and a model that does not answer for a while.

use std::time::{Duration, Instant};

use miniclaw_tests::Gateway;
use miniclaw_tests::fake_telegram::Injection;
use miniclaw_tests::measure::rig::{Bench, Rig, USER};
use serde_json::json;

use crate::arguments::Arguments;
use crate::sample::Sample;
use crate::tally::Tally;

const LOOK: Duration = Duration::from_millis(200);
/// With the model held nothing moves once the channel is paused; watched for so long.
const HELD: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
/// What the second half may take beyond the first.
const FLAT_KIB: u64 = 1024;

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> bool {
    let chats = arguments.chats(1_000);
    let each = arguments.count("messages", 100_000) / arguments.count("chats", 1_000);
    let pending = arguments.get("pending", 1_000);
    let rig = bench.rig_with(|config| config.with("/gateway/max_pending", json!(pending)));
    rig.model.hold();
    let gateway = rig.start_polling();
    let tally = Tally::of(&rig.telegram, |_, _| None);
    let start = Sample::take(&rig, &gateway, 0);
    flood(&rig, chats, each);
    let waiting = rig.telegram.unconfirmed();
    gateway.wait_for_line("Channel paused");
    let mut samples = watch(&rig, &gateway, &tally, |started, _| started.elapsed() >= HELD);
    let held = rig.telegram.unconfirmed();
    println!(
        "{waiting} messages at once; with the model held {} were taken",
        waiting - held
    );
    rig.model.release();
    let released = Instant::now();
    let all = waiting as u64;
    let done = |_: Instant, tally: &Tally| tally.answered() >= all || tally.silence() > PATIENCE;
    samples.extend(watch(&rig, &gateway, &tally, done));
    let took = released.elapsed();
    let pauses = gateway.lines_with("Channel paused").len();
    gateway.stop();
    println!(
        "answered {} in {took:?} after the release; pauses that are logged: {pauses}",
        tally.answered()
    );
    memory(&start, &samples) && tally.answered() == all && tally.astray() == 0
}

fn flood(rig: &Rig, chats: i64, each: usize) {
    let messages: Vec<Injection> = (0..each)
        .flat_map(|number| (1..=chats).map(move |chat| Injection::text(chat, USER, format!("m{number}"))))
        .collect();
    rig.telegram.inject_all(&messages);
}

fn watch(rig: &Rig, gateway: &Gateway, tally: &Tally, done: impl Fn(Instant, &Tally) -> bool) -> Vec<Sample> {
    let started = Instant::now();
    let mut samples = Vec::new();
    while !done(started, tally) {
        std::thread::sleep(LOOK);
        rig.telegram.forget_sent();
        samples.push(Sample::take(rig, gateway, tally.answered()));
    }
    samples
}

/// Prints what the memory did; whether the second half of the messages took no more than the first, which filled the
/// caches of histories and of the spool.
fn memory(start: &Sample, samples: &[Sample]) -> bool {
    let end = samples.last().copied().unwrap_or_default();
    let paused = samples.first().copied().unwrap_or_default();
    let middle = samples.partition_point(|sample| sample.answered < end.answered / 2);
    let (first, second) = samples.split_at(middle);
    let [first, second] =
        [first, second].map(|half| half.iter().map(|sample| sample.rss_kb).max().unwrap_or_default());
    println!(
        "RSS in KiB: {} before, {} paused, at most {first} and {second} in the two halves, {} at the end",
        start.rss_kb, paused.rss_kb, end.rss_kb
    );
    let flat = second <= first + FLAT_KIB;
    println!("{}", if flat { "flat" } else { "NOT flat" });
    flat
}
