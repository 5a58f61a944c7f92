//! How soon a child that was killed is back.

use std::time::{Duration, Instant};

use miniclaw_tests::measure::figure::{Figure, median, millis, quantile};
use miniclaw_tests::measure::rig::Bench;
use miniclaw_tests::procfs;

use crate::surroundings::Surroundings;

const KILLS: usize = 50;

/// From SIGKILL to the moment when the platform hears that the next instance receives, the backoff left out.
pub(crate) fn after_kill(bench: &Bench) -> Vec<Figure> {
    let surroundings = Surroundings::start(bench, 1, "process");
    let (platform, gateway) = (&surroundings.platforms[0], &surroundings.gateway);
    let (mut whole, mut without) = (Vec::new(), Vec::new());
    for kill in 1..=KILLS {
        let children = procfs::children(gateway.pid());
        assert_eq!(children.len(), 1, "the channel has its process");
        let killed = Instant::now();
        procfs::kill(children[0]);
        platform.wait_for_calls("receive", kill + 1);
        let took = killed.elapsed();
        let lines = gateway.wait_for_lines("Plugin is restarted", kill);
        // Where the log does not tell the wait, the figure shows it.
        let backoff = lines.last().and_then(|line| wait_of(line)).unwrap_or_default();
        whole.push(took);
        without.push(took.saturating_sub(backoff));
    }
    surroundings.gateway.stop();
    let middle = median(&mut without);
    vec![
        Figure::new(
            "kill -9 of a child to the next receive, without backoff, p50",
            millis(middle),
            "<= 10 ms",
        ),
        Figure::new("the same, p99", millis(quantile(&mut without, 0.99)), ""),
        Figure::new(
            "the same with its backoff of 1 ms to 60 ms, p50",
            millis(median(&mut whole)),
            "",
        ),
    ]
}

/// The field `wait=` of a log line, such as `1.25ms`.
fn wait_of(line: &str) -> Option<Duration> {
    let text = line.split("wait=").nth(1)?.split_whitespace().next()?;
    let units = [("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9), ("s", 1.0)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_read_from_its_line() {
        let line = |wait: &str| format!("WARN Plugin is restarted plugin=\"x\" wait={wait} failures=1");
        assert_eq!(wait_of(&line("1.25ms")), Some(Duration::from_micros(1250)));
        assert_eq!(wait_of(&line("2s")), Some(Duration::from_secs(2)));
        assert_eq!(wait_of("Plugin is restarted"), None);
    }
}
