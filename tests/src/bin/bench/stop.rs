//! The gateway's end under load, and what is left after a restart.

use std::collections::HashSet;
use std::time::Duration;

use miniclaw_tests::measure::figure::Figure;
use miniclaw_tests::measure::rig::{Bench, Rig};

const PATIENCE: Duration = Duration::from_secs(30);
const RUNS: usize = 3;

/// Chats that were answered, and replies beyond the first.
#[derive(Clone, Copy)]
struct Outcome {
    answered: usize,
    repeated: usize,
}

/// SIGTERM with ten turns under way.
pub(crate) fn sigterm(bench: &Bench) -> Vec<Figure> {
    let mut codes = Vec::new();
    let outcomes: Vec<Outcome> = (0..RUNS)
        .map(|_| {
            let rig = bench.rig();
            rig.model.set_delay(Duration::from_secs(1));
            let gateway = rig.start_polling();
            rig.crowd(10, 1);
            rig.model.wait_for_in_flight(10);
            codes.push(gateway.stop().code());
            after_restart(&rig, 10)
        })
        .collect();
    let what = "SIGTERM with 10 turns in flight: answered, repeated (worst run)";
    vec![
        Figure::new(what, worst(&outcomes), "10, 0"),
        Figure::new("the same, exit statuses", format!("{codes:?}"), "[0, 0, 0]"),
    ]
}

/// SIGKILL with a hundred messages accepted and not answered.
pub(crate) fn kill(bench: &Bench) -> Vec<Figure> {
    let outcomes: Vec<Outcome> = (0..RUNS)
        .map(|_| {
            let rig = bench.rig();
            rig.model.hold();
            let gateway = rig.start_polling();
            rig.crowd(100, 1);
            rig.telegram.wait("the confirmation of all messages", |ledger| {
                ledger
                    .polls
                    .last()
                    .is_some_and(|poll| poll.offset == 5_100)
                    .then_some(())
            });
            gateway.kill();
            rig.model.release();
            after_restart(&rig, 100)
        })
        .collect();
    let what = "kill -9 with 100 outstanding: answered, repeated (worst run)";
    vec![Figure::new(what, worst(&outcomes), "100, 0")]
}

/// Starts the gateway again and waits until every chat has its answer.
fn after_restart(rig: &Rig, chats: usize) -> Outcome {
    let count = |sent: &[miniclaw_tests::fake_telegram::Sent]| {
        sent.iter().map(|sent| sent.chat).collect::<HashSet<_>>().len()
    };
    let gateway = rig.start();
    // What is missing at the end of the patience is the result.
    let _ = rig
        .telegram
        .try_wait(PATIENCE, |ledger| (count(&ledger.sent) >= chats).then_some(()));
    gateway.stop();
    let sent = rig.telegram.ledger().sent;
    let answered = count(&sent);
    Outcome {
        answered,
        repeated: sent.len() - answered,
    }
}

fn worst(outcomes: &[Outcome]) -> String {
    let answered = outcomes.iter().map(|outcome| outcome.answered).min().unwrap_or(0);
    let repeated = outcomes.iter().map(|outcome| outcome.repeated).max().unwrap_or(0);
    format!("{answered}, {repeated}")
}
