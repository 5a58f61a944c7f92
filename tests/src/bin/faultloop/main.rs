//! Has plugins fail in every way at every place, over and over, each in a process of its own beside a healthy one:
//! `cargo run --release -p miniclaw-tests --bin faultloop -- --rounds 200 [--mutated 1000 --seed S] [--p99 --trips 200]`.
//!
//! Without a switch: every fault of the fixture `faulty` at every place, so many rounds each; a message comes with each
//! fault and has to be answered, once but for a death between a send and its report. `--mutated N` adds N copies of a
//! library with bytes changed at random. `--p99` measures instead what a plugin that misbehaves costs its sibling.
//! Exits 1 where a gateway died, a message was lost or answered too often, or a sibling became more than twice as slow.

mod matrix;
mod mutated;
mod sibling;

use miniclaw_tests::chance::seed_of_the_day;
use miniclaw_tests::flags::Flags;

fn main() {
    let flags = Flags::of_process(&["rounds", "mutated", "seed", "trips", "pairs"], &["p99"]);
    let good = if flags.is_on("p99") {
        sibling::measure(flags.number("pairs", 5), flags.number("trips", 200))
    } else {
        let good = matrix::play(flags.number("rounds", 5));
        mutated::play(
            flags.number("mutated", 0),
            flags.number("seed", seed_of_the_day()),
        ) && good
    };
    if !good {
        std::process::exit(1);
    }
}
