//! What the border between the gateway and a plugin costs: `cargo bench -p miniclaw --bench isolation -- LIBRARY`.
//!
//! `LIBRARY` is that of the fixture `bounce` (`cargo build --release -p miniclaw-fixture-bounce`), by default the one
//! in the release folder. A round trip is a send during which the plugin hands over a message and gets its verdict:
//! four frames, each of which wakes somebody. Between processors a wake-up costs what the machine makes of it (on
//! virtual ones tens of microseconds for one that sleeps), so that everything is measured on one processor as well.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use miniclaw::bench::Border;
use miniclaw_tests::measure::figure::{Figure, median, quantile};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const RUNS: usize = 5;
const LATENCIES: usize = 5_000;
const MESSAGES: usize = 50_000;
/// Sends under way at once.
const WIDTH: usize = 64;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let library = match words.next() {
        // The processes of plugins are this very program.
        Some(command) if command.starts_with("plugin-") => return miniclaw::cli::run(),
        Some(library) => PathBuf::from(library),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/libminiclaw_fixture_bounce.so"),
    };
    match measure(&library) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(library: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    Figure::print_head();
    for pinned in [false, true] {
        if pinned {
            pin().map_err(|error| error.to_string())?;
        }
        for isolated in [true, false] {
            let border = Border::open(library, isolated, folder.path())?;
            report(&border, isolated, pinned)?;
        }
    }
    Ok(())
}

fn report(border: &Border, isolated: bool, pinned: bool) -> Result<(), String> {
    let place = match (isolated, pinned) {
        (true, false) => "process",
        (true, true) => "process, all on one processor",
        (false, false) => "in-process",
        (false, true) => "in-process, all on one processor",
    };
    border.latencies(LATENCIES)?;
    let (mut middle, mut slow, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut latencies = border.latencies(LATENCIES)?;
        middle.push(median(&mut latencies));
        slow.push(quantile(&mut latencies, 0.99));
        let took = border.pipelined(MESSAGES, WIDTH)?;
        rates.push((2.0 * MESSAGES as f64 / took.as_secs_f64()) as u64);
    }
    let of = |what: &str| format!("{what}, {place}");
    let target = |text: &'static str| if isolated { text } else { "" };
    Figure::new(
        of("send with emit and verdict, p50"),
        micros(median(&mut middle)),
        target("<= 100 us"),
    )
    .print();
    Figure::new(of("the same, p99"), micros(median(&mut slow)), "").print();
    Figure::new(
        of("sends and emits a second, 64 at once"),
        median(&mut rates).to_string(),
        target(">= 40,000"),
    )
    .print();
    Ok(())
}

/// From here on this process and its children have one processor.
fn pin() -> rustix::io::Result<()> {
    let all = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if let Some(first) = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)) {
        one.set(first);
    }
    sched_setaffinity(None, &one)
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
