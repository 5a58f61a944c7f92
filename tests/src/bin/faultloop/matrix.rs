//! Every fault at every place.

use std::time::Instant;

use miniclaw_tests::ward::{Count, FAULTS, Fault, Plan};

/// Floods are smaller where there are many, since the harness keeps every line.
const MANY_ROUNDS: u64 = 20;
const SMALL_FLOOD: u64 = 200;

/// What one fault came to.
struct Row {
    deaths: u64,
    count: Count,
    complaints: Vec<String>,
}

/// Plays so many rounds; false where anything went wrong.
pub(crate) fn play(rounds: u64) -> bool {
    let started = Instant::now();
    println!(
        "{:<16} {:>7} {:>9} {:>7} {:>6} {:>9}",
        "fault", "faults", "messages", "deaths", "lost", "repeated"
    );
    let (mut deaths, mut lost, mut good) = (0, 0, true);
    for fault in FAULTS {
        let row = suffer(fault, rounds);
        let Count {
            messages,
            lost: own,
            repeated,
        } = row.count;
        let faults = rounds * fault.everywhere().len() as u64;
        println!(
            "{:<16} {faults:>7} {messages:>9} {:>7} {own:>6} {repeated:>9}",
            fault.name, row.deaths
        );
        for complaint in &row.complaints {
            println!("  FAILED: {}", complaint.chars().take(2_000).collect::<String>());
        }
        deaths += row.deaths;
        lost += own;
        good &= row.deaths + own == 0 && row.complaints.is_empty();
    }
    println!(
        "deaths {deaths}, lost {lost}; {rounds} rounds, {} s",
        started.elapsed().as_secs()
    );
    good
}

fn suffer(mut fault: Fault, rounds: u64) -> Row {
    if fault.name.starts_with("flood") && rounds > MANY_ROUNDS {
        fault.amount = SMALL_FLOOD;
    }
    let mut ward = Plan::of(&fault.everywhere()).open();
    let mut complaints = ward.run(rounds);
    let count = ward.count(rounds);
    let died = !ward.gateway().is_running();
    let finished = ward.take_gateway().stop();
    if finished.code() != 0 {
        complaints.push(format!("the gateway ended with {}", finished.status));
    }
    Row {
        deaths: u64::from(died || !finished.exited()),
        count,
        complaints,
    }
}
