//! Splits a million random texts and holds every chunk against the rules:
//! `cargo bench -p miniclaw --bench split [-- --texts N --seed N --first N]`.
//!
//! Each text is cut twice, for Telegram's limit and for a small one, so that short texts are cut too. The rules are
//! those of the property tests (`host/src/delivery/split/fuzzing.rs`): every chunk is within the limit in UTF-16 units and
//! visible, no grapheme is cut, blocks of code are closed and opened again as they were, and nothing is lost but white
//! space at the cuts. Prints the count, the failures with what repeats them, and the time; exits 1 where there was a
//! failure.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use miniclaw::bench::check_split;
use miniclaw_tests::chance::Chance;
use miniclaw_tests::flags::Flags;
use miniclaw_tests::texts::random_text;

/// Telegram's.
const LIMIT: usize = 4096;
/// Failures that are shown.
const SHOWN: u64 = 5;

fn main() {
    let flags = Flags::of_process(&["texts", "seed", "first"], &["bench"]);
    let (texts, seed) = (flags.number("texts", 1_000_000), flags.number("seed", 1));
    let first = flags.number("first", 0);
    // The message of a failure is as long as its text: it is for one text alone.
    if texts > 1 {
        set_hook(Box::new(|_| {}));
    }
    let (next, failures, characters) = (AtomicU64::new(first), AtomicU64::new(0), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number - first >= texts {
                        break;
                    }
                    let (length, held) = split_one(seed, number);
                    characters.fetch_add(length, Ordering::Relaxed);
                    if !held && failures.fetch_add(1, Ordering::Relaxed) < SHOWN {
                        println!("  FAILED: --seed {seed} --first {number} --texts 1");
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    println!(
        "{texts} random texts ({} million characters) split twice each: {failures} failures ({:.1} s, seed {seed})",
        characters.into_inner() / 1_000_000,
        started.elapsed().as_secs_f64()
    );
    std::process::exit(i32::from(failures > 0));
}

/// Makes a text and splits it; its length, and whether all rules held.
fn split_one(seed: u64, number: u64) -> (u64, bool) {
    let mut chance = Chance::seeded(seed.wrapping_shl(32) ^ number.wrapping_mul(0x9e37_79b9));
    let text = random_text(&mut chance);
    let small = 32 + usize::try_from(chance.below(600)).unwrap_or_default();
    let held = catch_unwind(AssertUnwindSafe(|| {
        check_split(&text, LIMIT);
        check_split(&text, small);
    }));
    (text.chars().count() as u64, held.is_ok())
}
