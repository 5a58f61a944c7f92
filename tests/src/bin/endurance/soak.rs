//! A million messages in closed loop: what grows?

use std::time::{Duration, Instant};

use miniclaw_tests::Gateway;
use miniclaw_tests::fake_telegram::Injection;
use miniclaw_tests::measure::rig::{Bench, Rig, USER};

use crate::arguments::Arguments;
use crate::sample::{Sample, slope, some};
use crate::tally::Tally;

const EVERY: Duration = Duration::from_secs(1);
/// No reply for so long ends the run.
const PATIENCE: Duration = Duration::from_secs(60);
/// What counts as flat, for 100,000 messages: 2.6 bytes a message, where the smallest allocation is larger. Connections
/// are kept for the most turns, sends and signals that there were at once, which a busy machine finds out late.
const FLAT_KIB: f64 = 256.0;
const FLAT_FILES: f64 = 2.0;

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> bool {
    let messages = arguments.get("messages", 1_000_000);
    let chats = arguments.chats(200);
    let rig = bench.rig();
    let gateway = rig.start_polling();
    let mut asked = u64::try_from(chats).unwrap_or_default();
    let tally = Tally::of(&rig.telegram, move |sent, number| {
        asked += 1;
        (asked <= messages).then(|| Injection::text(sent.chat, USER, format!("m{number}")))
    });
    let started = Instant::now();
    rig.crowd(chats, 1);
    let samples = watch(&rig, &gateway, &tally, messages);
    let took = started.elapsed();
    rig.telegram.set_on_sent(None);
    gateway.stop();
    report(&samples, took, &tally) && tally.answered() == messages && tally.astray() == 0
}

/// Takes samples until all is answered, or nothing is any more.
fn watch(rig: &Rig, gateway: &Gateway, tally: &Tally, messages: u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    Sample::print_head();
    while tally.answered() < messages && tally.silence() < PATIENCE {
        std::thread::sleep(EVERY);
        rig.telegram.forget_sent();
        samples.push(Sample::take(rig, gateway, tally.answered()));
    }
    some(&samples, 10).for_each(Sample::print);
    samples
}

/// Prints the slopes; whether they are flat.
fn report(samples: &[Sample], took: Duration, tally: &Tally) -> bool {
    // The first tenth fills caches: histories, the spool's pages, the allocator's arenas.
    let (first, warm) = samples.split_at(samples.len() / 10);
    let per = |value: fn(&Sample) -> f64| slope(warm, value) * 100_000.0;
    let rss = per(|sample| sample.rss_kb as f64);
    let pss = per(|sample| sample.pss_kb as f64);
    let files = per(|sample| sample.files as f64);
    let bytes = slope(warm, |sample| sample.spool as f64);
    let answered = tally.answered();
    println!(
        "answered {answered}, out of turn or twice {}, {:.0} a second",
        tally.astray(),
        answered as f64 / took.as_secs_f64()
    );
    println!(
        "after {} of {} samples, for 100,000 messages:",
        first.len(),
        samples.len()
    );
    println!(
        "RSS {rss:+.1} KiB, PSS {pss:+.1} KiB (flat: within {FLAT_KIB}); files {files:+.3} (flat: within {FLAT_FILES})"
    );
    println!("spool {bytes:.0} bytes a message, by design: finished rows stay 72 h");
    let flat = rss <= FLAT_KIB && pss <= FLAT_KIB && files <= FLAT_FILES;
    println!("{}", if flat { "flat" } else { "NOT flat" });
    flat
}
