//! Real libraries with bytes changed at random.

use miniclaw_tests::mutants;

/// `faultloop --mutated 1000` is the long run.
const COUNT: u64 = 60;

#[test]
fn mutated_libraries_end_in_a_state_and_never_the_gateway_or_its_healthy_channel() {
    let ends = mutants::run(1, 1, COUNT).unwrap();
    println!("{ends:?}");
    assert_eq!(ends.values().sum::<usize>() as u64, COUNT, "{ends:?}");
    // Neither all are found out before they run, nor none.
    assert!(ends.contains_key("failed") && ends.len() > 1, "{ends:?}");
}
