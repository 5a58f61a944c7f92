//! Many messages at the same moment.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use miniclaw_tests::measure::figure::{Figure, median, millis};
use miniclaw_tests::measure::rig::Bench;

const PATIENCE: Duration = Duration::from_secs(60);

/// Fifty users at once, and a model that takes a second.
pub(crate) fn users(bench: &Bench) -> Vec<Figure> {
    let rig = bench.rig();
    rig.model.set_delay(Duration::from_secs(1));
    let gateway = rig.start_polling();
    let mut slowest: Vec<Duration> = (0..3)
        .map(|_| {
            rig.telegram.clear_ledger();
            let asked = Instant::now();
            rig.crowd(50, 1);
            rig.wait_quietly(50, PATIENCE);
            let sent = rig.telegram.ledger().sent;
            sent.get(49).map_or(PATIENCE, |sent| sent.at - asked)
        })
        .collect();
    gateway.stop();
    vec![Figure::new(
        "50 users at once, model takes 1 s, slowest answer",
        millis(median(&mut slowest)),
        "<= 1,100 ms",
    )]
}

/// A thousand messages at once from a hundred chats.
pub(crate) fn burst(bench: &Bench) -> Vec<Figure> {
    let mut fewest = usize::MAX;
    let mut times = Vec::new();
    for _ in 0..3 {
        let rig = bench.rig();
        let gateway = rig.start_polling();
        let asked = Instant::now();
        rig.crowd(100, 10);
        rig.wait_quietly(1_000, PATIENCE);
        let sent = rig.telegram.ledger().sent;
        times.push(sent.get(999).map_or(PATIENCE, |sent| sent.at - asked));
        gateway.stop();
        let sent = rig.telegram.ledger().sent;
        let distinct: HashSet<_> = sent.iter().map(|sent| (sent.chat, &sent.text)).collect();
        fewest = fewest.min(distinct.len());
    }
    vec![
        Figure::new(
            "burst of 1,000 messages at once, answered (worst run)",
            fewest.to_string(),
            "1,000",
        ),
        Figure::new(
            "the same, time to the last answer",
            millis(median(&mut times)),
            "",
        ),
    ]
}
