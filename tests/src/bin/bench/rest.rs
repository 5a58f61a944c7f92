//! The gateway at rest: its start, its memory, its size.

use std::time::{Duration, Instant};

use miniclaw_tests::procfs;

use miniclaw_tests::measure::figure::{Figure, median, megabytes, millis};
use miniclaw_tests::measure::rig::{Bench, Rig};

/// From starting the process to the first `getUpdates`.
pub(crate) fn start(bench: &Bench) -> Vec<Figure> {
    let mut fresh: Vec<Duration> = (0..10).map(|_| until_first_poll(&bench.rig())).collect();
    let rig = bench.rig();
    let mut again: Vec<Duration> = (0..20).map(|_| until_first_poll(&rig)).skip(1).collect();
    vec![
        Figure::new(
            "start to first getUpdates, in a home that was used before",
            millis(median(&mut again)),
            "<= 20 ms",
        ),
        Figure::new(
            "start to first getUpdates, in a fresh home",
            millis(median(&mut fresh)),
            "<= 20 ms",
        ),
    ]
}

fn until_first_poll(rig: &Rig) -> Duration {
    rig.telegram.clear_ledger();
    let started = Instant::now();
    let gateway = rig.start();
    let polled = rig.telegram.wait("the first poll", |ledger| {
        ledger.polls.first().map(|poll| poll.at)
    });
    gateway.stop();
    polled - started
}

/// Memory after five seconds of polling for nothing.
pub(crate) fn memory(bench: &Bench) -> Vec<Figure> {
    let mut pss: Vec<u64> = (0..3)
        .map(|_| {
            let rig = bench.rig();
            let gateway = rig.start_polling();
            std::thread::sleep(Duration::from_secs(5));
            let pss = procfs::pss_kb(gateway.pid()) * 1024;
            gateway.stop();
            pss
        })
        .collect();
    vec![Figure::new(
        "idle PSS with Telegram polling",
        megabytes(median(&mut pss)),
        "<= 8 MB",
    )]
}

/// Size of the binary.
pub(crate) fn size(bench: &Bench) -> Vec<Figure> {
    let bytes = std::fs::metadata(&bench.artifacts().binary).map_or(0, |metadata| metadata.len());
    vec![Figure::new(
        "stripped binary, built-ins and SQLite inside",
        megabytes(bytes),
        "<= 10 MB",
    )]
}
