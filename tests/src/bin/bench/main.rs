//! The gateway's figures on this machine: `cargo run --release -p miniclaw-tests --bin bench [name…]`.
//!
//! Builds the release binary first. The fakes run in this process, on one thread, on the same machine; homes lie
//! below `MINICLAW_BENCH_DIR`, or else the target folder, so that syncing is real.

mod closed_loop;
mod crowd;
mod fakes;
mod rest;
mod stop;
mod streaming;
mod web;

use miniclaw_tests::measure::figure::Figure;
use miniclaw_tests::measure::rig::Bench;

/// A measurement: its name on the command line and what it gives.
type Measurement = (&'static str, fn(&Bench) -> Vec<Figure>);

const MEASUREMENTS: [Measurement; 12] = [
    ("start", rest::start),
    ("memory", rest::memory),
    ("web", web::memory),
    ("size", rest::size),
    ("latency", closed_loop::latency),
    ("throughput", closed_loop::throughput),
    ("streaming", streaming::first_byte),
    ("users", crowd::users),
    ("burst", crowd::burst),
    ("sigterm", stop::sigterm),
    ("kill", stop::kill),
    ("fakes", fakes::cost),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| MEASUREMENTS.iter().any(|(own, _)| own == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "no measurement is called `{unknown}`; there are {}",
            names.join(", ")
        );
        std::process::exit(2);
    }
    let bench = Bench::default();
    Figure::print_head();
    for (name, measure) in MEASUREMENTS {
        if wanted.is_empty() || wanted.iter().any(|own| own == name) {
            for figure in measure(&bench) {
                figure.print();
            }
        }
    }
}
