//! What plugins in processes of their own cost on this machine, beside what the border itself does
//! (`host/benches/isolation.rs`): `cargo run --release -p miniclaw-tests --bin isolation [name…]`.
//!
//! Builds the release binary first, unless `MINICLAW_BENCH_BINARY` names one; homes lie where `bench` has its own.

mod memory;
mod restart;
mod surroundings;

use miniclaw_tests::measure::figure::Figure;
use miniclaw_tests::measure::rig::Bench;

/// A measurement: its name on the command line and what it gives.
type Measurement = (&'static str, fn(&Bench) -> Vec<Figure>);

const MEASUREMENTS: [Measurement; 2] = [("memory", memory::children), ("restart", restart::after_kill)];

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
