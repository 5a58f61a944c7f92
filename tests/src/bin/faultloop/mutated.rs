//! Libraries with bytes changed at random.

use std::time::Instant;

use miniclaw_tests::mutants::{self, Ends};

/// Mutants of one gateway.
const AT_ONCE: u64 = 50;

/// Starts gateways with so many; false where one died.
pub(crate) fn play(count: u64, seed: u64) -> bool {
    if count == 0 {
        return true;
    }
    let started = Instant::now();
    let (mut all, mut failed) = (Ends::new(), 0);
    let mut first = 1;
    while first <= count {
        let size = AT_ONCE.min(count + 1 - first);
        match mutants::run(seed, first, size) {
            Ok(ends) => ends
                .into_iter()
                .for_each(|(state, number)| *all.entry(state).or_default() += number),
            Err(reason) => {
                failed += 1;
                println!("mutants {first} to {}: FAILED: {reason}", first + size - 1);
            }
        }
        first += size;
    }
    let ends: Vec<String> = all
        .iter()
        .map(|(state, number)| format!("{state} {number}"))
        .collect();
    println!(
        "{count} mutated libraries, seed {seed}: {}; gateways that failed {failed}; {} s",
        ends.join(", "),
        started.elapsed().as_secs()
    );
    failed == 0
}
