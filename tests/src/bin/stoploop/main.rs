//! Stops the gateway under load, over and over:
//! `cargo run --release -p miniclaw-tests --bin stoploop -- --trials 200 --turns 500 [--seed S] [--slack-ms 0]`.
//!
//! In each trial up to so many turns are in flight when SIGTERM comes: the model answers none of them, or all within
//! the shutdown's time, or some. Some trials have a plugin that hangs in its shutdown, some get a second SIGTERM. The
//! gateway must end in time and with the right status, and after its next start every message must have been answered
//! exactly once. Exits 1 otherwise. `--slack-ms` is for machines that are busy with something else.

mod trial;

use std::time::{Duration, Instant};

use miniclaw_tests::chance::{Chance, seed_of_the_day};
use miniclaw_tests::flags::Flags;

use trial::{Plan, Theatre};

fn main() {
    let flags = Flags::of_process(&["trials", "turns", "seed", "slack-ms"], &[]);
    let (trials, turns) = (flags.number("trials", 10), flags.number("turns", 100));
    let seed = flags.number("seed", seed_of_the_day());
    let slack = Duration::from_millis(flags.number("slack-ms", 0));
    println!("{trials} trials with up to {turns} turns, seed {seed}");
    let started = Instant::now();
    let mut chance = Chance::seeded(seed);
    let mut theatres = [false, true].map(|hangs| Theatre::new(hangs, turns, slack));
    let (mut statuses, mut slowest, mut failed) = ([0_u32; 2], Duration::ZERO, 0);
    let (mut hung, mut signalled_twice) = (0, 0);
    for number in 1..=trials {
        let plan = Plan::draw(&mut chance, turns);
        let hangs = chance.one_in(4);
        hung += u32::from(hangs);
        signalled_twice += u32::from(plan.second.is_some());
        let outcome = theatres[usize::from(hangs)].play(&plan);
        statuses[usize::from(outcome.status != 0)] += 1;
        slowest = slowest.max(outcome.took);
        for complaint in &outcome.complaints {
            failed += 1;
            println!(
                "trial {number}, {plan:?}, status {}: FAILED: {complaint}",
                outcome.status
            );
        }
        if number % 20 == 0 {
            println!(
                "{number} trials, {failed} failures, {} s",
                started.elapsed().as_secs()
            );
        }
    }
    let counts = theatres.each_ref().map(Theatre::counts);
    let sum = |of: fn(&trial::Sums) -> u64| counts.iter().map(of).sum::<u64>();
    println!(
        "{} messages: lost {}, reordered {}, answered twice {}; after a second signal {} sends were repeated",
        sum(|sums| sums.asked),
        sum(|sums| sums.missing),
        sum(|sums| sums.reordered),
        sum(|sums| sums.unexplained),
        sum(|sums| sums.repeated),
    );
    println!(
        "{hung} with a plugin that hangs, {signalled_twice} with a second signal; status 0 {}x, 143 {}x; slowest stop {} ms with a timeout of {} ms; {} s",
        statuses[0],
        statuses[1],
        slowest.as_millis(),
        trial::TIMEOUT.as_millis(),
        started.elapsed().as_secs()
    );
    if failed > 0 {
        std::process::exit(1);
    }
}
