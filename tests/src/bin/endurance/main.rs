//! Long runs of the gateway against the fakes: `cargo run --release -p miniclaw-tests --bin endurance NAME [--what N]…`.
//!
//! Builds the release binary first, unless `MINICLAW_BENCH_BINARY` names one. Homes lie where `bench` has its own. Each run prints its figures and ends with
//! status 1 where one of them is missed.
//!
//! | name | arguments and what they are by default |
//! |---|---|
//! | `soak` | `--messages 1000000 --chats 200` |
//! | `flood` | `--messages 100000 --chats 1000 --pending 1000` |
//! | `restart` | `--sessions 10000 --pending 1000 --runs 5` |
//! | `noisy` | `--rate 1000 --chats 20 --seconds 5 --rounds 4` |
//! | `reload` | `--reloads 100 --in-process 20 --rate 100 --pause 500` (milliseconds between reloads) |

mod arguments;
mod flood;
mod noisy;
mod reload;
mod restart;
mod sample;
mod soak;
mod tally;

use std::process::ExitCode;

use arguments::Arguments;
use miniclaw_tests::measure::rig::Bench;

/// A run: its name, what it takes, and what it does; whether all its figures are reached.
type Run = (
    &'static str,
    &'static [&'static str],
    fn(&Bench, &Arguments) -> bool,
);

const RUNS: [Run; 5] = [
    ("soak", &["messages", "chats"], soak::run),
    ("flood", &["messages", "chats", "pending"], flood::run),
    ("restart", &["sessions", "pending", "runs"], restart::run),
    ("noisy", &["rate", "chats", "seconds", "rounds"], noisy::run),
    ("reload", &["reloads", "in-process", "rate", "pause"], reload::run),
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let Some((_, takes, run)) = RUNS.iter().find(|(own, ..)| *own == name) else {
        let names: Vec<&str> = RUNS.iter().map(|(name, ..)| *name).collect();
        eprintln!("no run is called `{name}`; there are {}", names.join(", "));
        return ExitCode::from(2);
    };
    let arguments = match Arguments::read(words, takes) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(&Bench::default(), &arguments) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
