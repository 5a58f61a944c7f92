//! A start with many sessions and many messages that wait.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_telegram::Injection;
use miniclaw_tests::gateway::{make_folder, write_private};
use miniclaw_tests::measure::figure::{median, millis};
use miniclaw_tests::measure::rig::{Bench, Rig, USER};
use serde_json::{Value, json};

use crate::arguments::Arguments;

const PATIENCE: Duration = Duration::from_secs(30);
const TARGET: Duration = Duration::from_millis(250);
/// Messages in each session's file.
const HISTORY: usize = 20;

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> bool {
    let sessions = arguments.get("sessions", 10_000);
    let pending = arguments.count("pending", 1_000);
    let rig = bench.rig();
    write_sessions(&rig, sessions);
    let mut waits = Vec::new();
    for _ in 0..arguments.get("runs", 5) {
        leave_pending(&rig, pending);
        let (first, all, answered) = resume(&rig, pending);
        println!(
            "first resumed reply after {}, all {answered} after {}",
            millis(first),
            millis(all)
        );
        if answered != pending {
            println!("{} of {pending} messages are not answered", pending - answered);
            return false;
        }
        waits.push(first);
    }
    let middle = median(&mut waits);
    println!(
        "{sessions} sessions, {pending} pending: exec to first reply, median {}",
        millis(middle)
    );
    println!("to reach: {}", millis(TARGET));
    middle <= TARGET
}

/// Writes the files of chats 1, 2, … as a gateway without a spool would have left them.
fn write_sessions(rig: &Rig, sessions: u64) {
    make_folder(&rig.home.sessions());
    let messages: Vec<Value> = (0..HISTORY)
        .map(|index| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            json!({ "role": role, "text": format!("message {index} of a history"), "at_ms": 1_700_000_000_000_u64 })
        })
        .collect();
    for chat in 1..=sessions {
        let file = json!({
            "version": 1, "key": format!("telegram_{chat}"), "spool": null, "generation": 0, "journal_seq": 0,
            "activity": 0, "updated_ms": 1_700_000_000_000_u64, "updated": "2023-11-14T22:13:20.000Z",
            "messages": messages,
        });
        let path = rig.home.sessions().join(format!("telegram_{chat}.json"));
        write_private(&path, file.to_string().as_bytes());
    }
}

/// Has a gateway accept one message of each of many chats, and kills it before any is answered.
fn leave_pending(rig: &Rig, pending: usize) {
    rig.model.hold();
    let gateway = rig.start_polling();
    let messages: Vec<Injection> = (1..=pending)
        .map(|chat| Injection::text(i64::try_from(chat).unwrap_or_default(), USER, "m"))
        .collect();
    rig.telegram.inject_all(&messages);
    let end = Instant::now() + PATIENCE;
    while rig.telegram.unconfirmed() > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    gateway.kill();
    rig.model.release();
    rig.telegram.forget_sent();
}

/// Starts the gateway; how long the first reply took and all of them, and how many came.
fn resume(rig: &Rig, pending: usize) -> (Duration, Duration, usize) {
    let started = Instant::now();
    let gateway = rig.start();
    rig.wait_quietly(pending, PATIENCE);
    let sent = rig.telegram.ledger().sent;
    gateway.stop();
    let after = |index: usize| sent.get(index).map_or(PATIENCE, |sent| sent.at - started);
    (after(0), after(pending.saturating_sub(1)), sent.len())
}
