//! Proves by killing that nothing accepted is lost:
//! `cargo run --release -p miniclaw-tests --bin crashloop -- --kills 2000 --messages 100000 [--seed S]
//! [--window-ms 50]`.
//!
//! People in 200 chats write to the real gateway, which is killed (SIGKILL) at random instants, start-ups included,
//! and started again until all kills are done and all messages answered. Fakes of Telegram and of the model outlive
//! it, and their tally decides. Exits 1 unless nothing was lost, nothing overtook what came before it in its chat,
//! and nothing was sent twice but what was in flight at a kill.

mod report;
mod storm;

use std::time::Duration;

use miniclaw_tests::chance::seed_of_the_day;
use miniclaw_tests::flags::Flags;

fn main() {
    let flags = Flags::of_process(&["kills", "messages", "seed", "window-ms"], &[]);
    let kills = flags.number("kills", 30);
    let plan = storm::Plan {
        kills,
        messages: flags.number("messages", kills * 50),
        seed: flags.number("seed", seed_of_the_day()),
        window: Duration::from_millis(flags.number("window-ms", 50)),
    };
    println!(
        "{} kills, {} messages, seed {}",
        plan.kills, plan.messages, plan.seed
    );
    let outcome = storm::run(&plan);
    if !report::print(&outcome, plan.window) {
        std::process::exit(1);
    }
}
