//! What a gateway takes at a moment, and how that grows.

use miniclaw_tests::measure::rig::Rig;
use miniclaw_tests::{Gateway, procfs};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Messages answered until then.
    pub(crate) answered: u64,
    pub(crate) rss_kb: u64,
    pub(crate) pss_kb: u64,
    pub(crate) files: usize,
    /// Bytes of the spool's file and of its log.
    pub(crate) spool: u64,
    pub(crate) log: u64,
}

impl Sample {
    pub(crate) fn take(rig: &Rig, gateway: &Gateway, answered: u64) -> Self {
        let state = rig.home.miniclaw().join("state");
        let size = |name: &str| std::fs::metadata(state.join(name)).map_or(0, |file| file.len());
        Self {
            answered,
            rss_kb: procfs::rss_kb(gateway.pid()),
            pss_kb: procfs::pss_kb(gateway.pid()),
            files: procfs::open_files(gateway.pid()),
            spool: size("spool.db"),
            log: size("spool.db-wal"),
        }
    }

    pub(crate) fn print_head() {
        println!(
            "{:>10} {:>10} {:>10} {:>6} {:>12} {:>10}",
            "answered", "RSS KiB", "PSS KiB", "files", "spool KiB", "log KiB"
        );
    }

    pub(crate) fn print(&self) {
        let Self {
            answered,
            rss_kb,
            pss_kb,
            files,
            spool,
            log,
        } = self;
        let (spool, log) = (spool / 1024, log / 1024);
        println!("{answered:>10} {rss_kb:>10} {pss_kb:>10} {files:>6} {spool:>12} {log:>10}");
    }
}

/// About `rows` of the samples, the last one among them.
pub(crate) fn some(samples: &[Sample], rows: usize) -> impl Iterator<Item = &Sample> {
    let every = samples.len().div_ceil(rows.max(1)).max(1);
    let last = samples.len().saturating_sub(1);
    samples
        .iter()
        .enumerate()
        .filter(move |(index, _)| (last - index).is_multiple_of(every))
        .map(|(_, sample)| sample)
}

/// The slope of the line with the least squares through `value` over answered messages, a message; 0 for fewer than
/// two samples.
pub(crate) fn slope(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let count = samples.len().max(1) as f64;
    let x = |sample: &Sample| sample.answered as f64;
    let middle_x = samples.iter().map(x).sum::<f64>() / count;
    let middle_y = samples.iter().map(&value).sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for sample in samples {
        let distance = x(sample) - middle_x;
        over += distance * (value(sample) - middle_y);
        under += distance * distance;
    }
    if under == 0.0 { 0.0 } else { over / under }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[u64]) -> Vec<Sample> {
        let sample = |(index, value): (usize, &u64)| Sample {
            answered: index as u64 * 10,
            rss_kb: *value,
            ..Sample::default()
        };
        values.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn the_slope_is_that_of_the_line() {
        let of = |values: &[u64]| slope(&line(values), |sample| sample.rss_kb as f64);
        assert_eq!(of(&[5, 25, 45, 65]), 2.0);
        assert_eq!(of(&[7, 7, 7]), 0.0);
        assert_eq!((of(&[7]), of(&[])), (0.0, 0.0));
    }

    #[test]
    fn the_last_sample_is_among_the_rows() {
        let rows = |count: usize| {
            some(&line(&vec![0; count]), 10)
                .map(|sample| sample.answered)
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(3), [0, 10, 20]);
        assert_eq!((rows(100).len(), rows(100).last().copied()), (10, Some(990)));
        assert!(rows(0).is_empty());
    }
}
