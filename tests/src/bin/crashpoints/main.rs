//! Ends the gateway, or lets its disk fail, at every single point of a short script, and shows that it recovers:
//! `cargo run -p miniclaw-tests --bin crashpoints [--optional] [--every N]`.
//!
//! The points are system calls, counted and tampered with by `strace`: every sync, rename, write to the log and send
//! on a socket is killed at, every sync and rename also fails with EIO and ENOSPC, every write to the log with ENOSPC.
//! After each the gateway starts again in the same home without tampering; every message must have its answer, in
//! order, at most the send under way twice, and histories must be whole. Exits 1 unless all recover; where strace
//! cannot be used it says so and exits 1 as well, or 0 with `--optional`. With `--every N` only every N-th write to
//! the log is a point, since there are some two hundred.

#![expect(
    clippy::expect_used,
    reason = "a harness that cannot go on fails by panicking"
)]

mod aim;
mod point;
mod script;
mod tracer;

use std::time::Instant;

use miniclaw_tests::flags::Flags;

fn main() {
    let flags = Flags::of_process(&["every"], &["optional"]);
    if let Err(reason) = tracer::check() {
        println!("NOT RUN: {reason}");
        std::process::exit(i32::from(!flags.is_on("optional")));
    }
    let every = flags.number("every", 1);
    let mut failed = 0;
    for aim in aim::ALL {
        for fault in aim.faults {
            let started = Instant::now();
            let tried = point::try_all(aim, fault, if aim.many { every } else { 1 });
            let recovered = tried.iter().filter(|point| point.is_ok()).count();
            println!(
                "{:<42} {:<8} {} crash points, {recovered} recovered ({} s)",
                aim.what,
                fault.name(),
                tried.len(),
                started.elapsed().as_secs()
            );
            for complaint in tried.iter().filter_map(|point| point.as_ref().err()) {
                failed += 1;
                println!("  FAILED: {complaint}");
            }
        }
    }
    std::process::exit(i32::from(failed > 0));
}
