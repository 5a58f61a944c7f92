//! The verdict.

use std::time::Duration;

use miniclaw_tests::tally::Kill;

use crate::storm::Outcome;

/// Prints what happened; returns whether all of it is as promised.
pub(crate) fn print(outcome: &Outcome, window: Duration) -> bool {
    let (counts, kills) = (&outcome.counts, &outcome.kills);
    let repeated: usize = kills.iter().map(|kill| kill.repeated.len()).sum();
    let in_flight: u64 = kills.iter().map(|kill| u64::from(kill.in_flight)).sum();
    let duplicates = repeated as u64 + counts.unexplained;
    println!(
        "{} kills ({} in start-ups), {} messages in {} parts, {} s",
        kills.len(),
        outcome.kills_in_start_up,
        counts.asked,
        counts.due,
        outcome.elapsed.as_secs()
    );
    println!(
        "lost {}, reordered {}, duplicates {duplicates} (sends in flight at kills: {in_flight})",
        outcome.missing, counts.reordered
    );
    println!(
        "a send is in flight at a kill if it is its chat's last and was accepted less than {} ms before; a kill: {}",
        window.as_millis(),
        distribution(kills, |kill| kill.in_flight)
    );
    println!(
        "duplicates a kill: {}; their ages at the kill: {}",
        distribution(kills, |kill| u32::try_from(kill.repeated.len())
            .unwrap_or(u32::MAX)),
        ages(kills)
    );
    println!(
        "model asked {} times about {} messages, {} times without need; dead letters {}; last exit status {}",
        counts.calls, counts.asked, counts.needless_calls, outcome.buried, outcome.last_status
    );
    let complaints = complaints(outcome, window);
    for line in complaints
        .iter()
        .chain(&outcome.missing_places)
        .chain(&outcome.errors)
    {
        println!("  {line}");
    }
    complaints.is_empty()
}

fn complaints(outcome: &Outcome, window: Duration) -> Vec<String> {
    let (counts, kills) = (&outcome.counts, &outcome.kills);
    let oldest = kills
        .iter()
        .flat_map(|kill| &kill.repeated)
        .max()
        .copied()
        .unwrap_or_default();
    let checks = [
        (
            oldest <= window,
            format!("a send was repeated that was {oldest:?} old at the kill"),
        ),
        (
            outcome.missing == 0,
            format!("{} parts were lost", outcome.missing),
        ),
        (
            counts.reordered == 0,
            format!("{} parts were overtaken", counts.reordered),
        ),
        (
            counts.unexplained == 0,
            format!("{} repetitions that no kill explains", counts.unexplained),
        ),
        (
            kills
                .iter()
                .all(|kill| kill.repeated.len() <= kill.in_flight as usize),
            "more sends were repeated after a kill than were in flight at it".to_owned(),
        ),
        (
            counts.needless_calls == 0,
            format!("the model was asked {} times without need", counts.needless_calls),
        ),
        (
            counts.foreign == 0,
            format!(
                "{} texts answer nothing, such as {:?}",
                counts.foreign, counts.foreign_text
            ),
        ),
        (
            outcome.sent_after_the_end == 0,
            format!("{} sends after everything was sent", outcome.sent_after_the_end),
        ),
        (
            outcome.last_status == 0,
            format!("the last life ended with {}", outcome.last_status),
        ),
    ];
    let failed = checks.into_iter().filter(|(holds, _)| !holds);
    failed
        .map(|(_, complaint)| format!("FAILED: {complaint}"))
        .collect()
}

/// How many kills had none, one, …
fn distribution(kills: &[Kill], count: impl Fn(&Kill) -> u32) -> String {
    let borders = [0, 1, 2, 4, 8, 16, 32, u32::MAX];
    let mut from = 0;
    let mut texts = Vec::new();
    for to in borders {
        let n = kills
            .iter()
            .filter(|kill| (from..=to).contains(&count(kill)))
            .count();
        if n > 0 {
            texts.push(match to {
                _ if from == to => format!("{to}: {n}x"),
                u32::MAX => format!(">{}: {n}x", from - 1),
                _ => format!("{from}-{to}: {n}x"),
            });
        }
        from = to.saturating_add(1);
    }
    texts.join(", ")
}

fn ages(kills: &[Kill]) -> String {
    let mut ages: Vec<Duration> = kills
        .iter()
        .flat_map(|kill| kill.repeated.iter().copied())
        .collect();
    ages.sort_unstable();
    let (Some(middle), Some(oldest)) = (ages.get(ages.len() / 2), ages.last()) else {
        return "none".to_owned();
    };
    format!(
        "median {:.1} ms, oldest {:.1} ms",
        middle.as_secs_f64() * 1e3,
        oldest.as_secs_f64() * 1e3
    )
}
