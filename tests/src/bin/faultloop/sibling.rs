//! What a plugin that misbehaves costs the one beside it.

use std::time::{Duration, Instant};

use miniclaw_tests::measure::figure::{median, millis, quantile};
use miniclaw_tests::ward::{Fault, Plan, Ward};
use serde_json::json;

/// What goes on without an end until the process is killed, or the next time again.
const NOISES: [(&str, &str, &str, u64); 7] = [
    ("crash loop", "segfault", "receive", 0),
    ("flood of log lines", "flood_log", "task", u64::MAX),
    ("flood of messages", "flood_inbound", "task", 50_000),
    ("flood of progress", "flood_progress", "task", u64::MAX),
    ("flood of output", "flood_stdout", "task", u64::MAX),
    ("a thread that blocks", "hang_blocking", "task", 0),
    ("a busy core", "cpu_hog", "task", 0),
];
/// How much slower the sibling may become.
const MOST: f64 = 2.0;

/// Measures pairs of quiet and noise, so many round trips each; false where a median of the ratios is too high.
pub(crate) fn measure(pairs: u64, trips: u64) -> bool {
    println!(
        "{:<22} {:>12} {:>12} {:>8}",
        "beside it", "quiet p99", "noisy p99", "ratio"
    );
    let mut good = true;
    for (title, fault, at, amount) in NOISES {
        let fault = Fault {
            amount,
            ..Fault::named(fault)
        };
        // Shorter than what is usual, so that there are crashes in every measurement.
        let mut ward = Plan::of(&[(fault, at)])
            .with("/gateway/restart_backoff", json!("100ms"))
            .open();
        trips_of(&ward, trips);
        let (mut quiet, mut noisy, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs {
            let (calm, wild) = both(&ward, trips, pair % 2 == 1);
            ratios.push((wild.as_secs_f64() / calm.as_secs_f64() * 1e3) as u64);
            quiet.push(calm);
            noisy.push(wild);
        }
        let ratio = median(&mut ratios) as f64 / 1e3;
        println!(
            "{title:<22} {:>12} {:>12} {ratio:>8.2}",
            millis(median(&mut quiet)),
            millis(median(&mut noisy))
        );
        good &= ratio <= MOST && ward.gateway().is_running();
        ward.take_gateway().stop();
    }
    good
}

/// The 99th percentile of both, `noise_first` or not.
fn both(ward: &Ward, trips: u64, noise_first: bool) -> (Duration, Duration) {
    if noise_first {
        let noisy = under_noise(ward, trips);
        return (trips_of(ward, trips), noisy);
    }
    let quiet = trips_of(ward, trips);
    (quiet, under_noise(ward, trips))
}

fn under_noise(ward: &Ward, trips: u64) -> Duration {
    let bed = &ward.beds[0];
    let before = bed.platform.faults();
    bed.platform.grant(u64::MAX);
    bed.kill();
    bed.platform.wait_for_faults(before + 1);
    let noisy = trips_of(ward, trips);
    bed.platform.grant(0);
    bed.kill();
    let text = format!("quiet after {before}");
    bed.assert_well(&text);
    noisy
}

fn trips_of(ward: &Ward, trips: u64) -> Duration {
    let mut times: Vec<Duration> = (0..trips)
        .map(|_| {
            let asked = Instant::now();
            ward.assert_healthy();
            asked.elapsed()
        })
        .collect();
    quantile(&mut times, 0.99)
}
