//! A plugin that is replaced over and over while messages come and go.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use miniclaw_tests::courier::Account;
use miniclaw_tests::gateway::make_folder;
use miniclaw_tests::libraries::Library;
use miniclaw_tests::measure::figure::{median, millis, quantile};
use miniclaw_tests::measure::rig::Bench;
use miniclaw_tests::{Command, ConfigFile, Courier, Gateway, Home, procfs};
use serde_json::json;

use crate::arguments::Arguments;

/// Reloads in a row before a rest.
const ROUND: usize = 10;
/// Rounds that fill caches and arenas; memory is watched after them.
const WARM: usize = 2;
/// What the reloads of the others may take in all, in KiB. Each of the threads that files are read on brings an arena of the
/// allocator of 180 KiB when it first runs beside the rest, of which there are four, and a busy machine finds that out late;
/// from some hundred reloads on nothing is added.
const FLAT_KIB: i64 = 1024;
/// The sibling's p99 beside reloads over that without; a shorter one than the floor is noise of the machine.
const WORSE: u32 = 2;
const FLOOR: Duration = Duration::from_millis(5);

/// A gateway with two channels of one plugin, each on a platform of its own.
struct Pair {
    first: Courier,
    sibling: Courier,
    gateway: Gateway,
    home: Home,
    binary: PathBuf,
}

/// What reloads did.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    /// What the sibling's messages waited for their answers, without reloads and beside them.
    quiet: Vec<Duration>,
    busy: Vec<Duration>,
    /// By how many KiB the gateway grew in each rest, and in the reloads after it.
    rests: Vec<i64>,
    rounds: Vec<i64>,
    failed: usize,
}

pub(crate) fn run(bench: &Bench, arguments: &Arguments) -> bool {
    let (rate, pause) = (arguments.get("rate", 100), arguments.get("pause", 500));
    let (rate, pause) = (rate.max(1), Duration::from_millis(pause));
    let isolated = trial(bench, "process", arguments.count("reloads", 100), rate, pause);
    let beside = trial(
        bench,
        "in-process",
        arguments.count("in-process", 20),
        rate,
        pause,
    );
    isolated && beside
}

fn trial(bench: &Bench, isolation: &str, reloads: usize, rate: u64, pause: Duration) -> bool {
    println!("--- {isolation}, {reloads} reloads, {rate} messages a second on each of two channels");
    let pair = Pair::start(bench, isolation);
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| pair.write(rate, &over));
        let seen = pair.in_rounds(reloads, isolation == "process", pause);
        over.store(true, Ordering::Relaxed);
        seen
    });
    let accounts = [&pair.first, &pair.sibling].map(Courier::wait_for_answers);
    let created = [&pair.first, &pair.sibling].map(|courier| courier.calls("create"));
    let code = pair.gateway.stop().code();
    println!(
        "exit status {code}; instances made {created:?}; reloads that failed: {}",
        seen.failed
    );
    let exact = is_exact(&accounts) && seen.failed == 0 && created == [reloads + 1, 1] && code == 0;
    let flat = is_flat(&seen, isolation == "process");
    times(seen.took);
    let even = is_even(seen.quiet, seen.busy);
    exact && even && flat
}

impl Pair {
    fn start(bench: &Bench, isolation: &str) -> Self {
        let home = Home::empty_in(&bench.folder());
        let (first, sibling) = (Courier::start(), Courier::start());
        let channel = |courier: &Courier| {
            let settings = json!({ "platform": courier.address() });
            json!({ "plugin": "loopback", "isolation": isolation, "allow_from": ["42"], "settings": settings })
        };
        let config = ConfigFile::default()
            .channel("first", channel(&first))
            .channel("sibling", channel(&sibling));
        home.write_config(&config.text());
        let plugins = home.plugins(&["loopback"]);
        make_folder(&home.root().join("build"));
        let binary = bench.artifacts().binary.clone();
        let command = Command::of(&binary, &home).args(&["gateway", "--plugins"]);
        let gateway = command.arg(plugins).start();
        first.wait_for_calls("receive", 1);
        sibling.wait_for_calls("receive", 1);
        Self {
            first,
            sibling,
            gateway,
            home,
            binary,
        }
    }

    /// Hands messages over at an even pace.
    fn write(&self, rate: u64, over: &AtomicBool) {
        let started = Instant::now();
        for number in 0_u32.. {
            let due = Duration::from_secs(1) * number / u32::try_from(rate).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            if over.load(Ordering::Relaxed) {
                return;
            }
            self.first.deliver();
            self.sibling.deliver();
        }
    }

    /// Reloads for a while and then does not for as long, by turns, so that the machine's moods and what the messages cost
    /// hit both.
    fn in_rounds(&self, reloads: usize, in_turn: bool, pause: Duration) -> Seen {
        let mut seen = Seen::default();
        for first in (0..reloads).step_by(ROUND) {
            let round = first..reloads.min(first + ROUND);
            self.sibling.take_waits();
            let before = self.rss_kb();
            round.clone().for_each(|_| std::thread::sleep(pause));
            let rested = self.rss_kb();
            seen.quiet.append(&mut self.sibling.take_waits());
            for number in round {
                self.reload(if in_turn { number % 2 } else { number }, &mut seen);
                std::thread::sleep(pause);
            }
            seen.busy.append(&mut self.sibling.take_waits());
            seen.rests.push(rested - before);
            seen.rounds.push(self.rss_kb() - rested);
        }
        seen
    }

    fn rss_kb(&self) -> i64 {
        i64::try_from(procfs::rss_kb(self.gateway.pid())).unwrap_or(i64::MAX)
    }

    fn reload(&self, version: usize, seen: &mut Seen) {
        let replaced = self.replace_library(&format!("rustc 9.9.{version} (of another day)"));
        let started = Instant::now();
        let reload = Command::of(&self.binary, &self.home).args(&["plugin", "reload", "first"]);
        let finished = reload.run();
        seen.took.push(started.elapsed());
        if replaced.is_err() || finished.code() != 0 {
            println!("version {version}: {}{}", finished.stdout, finished.stderr);
            seen.failed += 1;
        }
    }

    fn replace_library(&self, mark: &str) -> std::io::Result<()> {
        let fresh = Library::of("loopback")
            .built_by(mark)
            .put(&self.home.root().join("build"));
        let place = self.home.root().join("plugins/libminiclaw_fixture_loopback.so");
        std::fs::rename(&fresh, place)
    }
}

fn is_exact(accounts: &[Account; 2]) -> bool {
    for (name, account) in ["first", "sibling"].iter().zip(accounts) {
        let Account {
            delivered,
            confirmed,
            again,
            refused,
            answered,
            doubled,
        } = account;
        println!(
            "{name}: {delivered} delivered, {confirmed} taken ({again} handed over again), {refused} refused, {answered} answered; \
             lost {}, doubled {doubled}",
            delivered - answered
        );
    }
    accounts.iter().all(Account::is_exact)
}

/// Whether the sibling's answers came as soon as without reloads.
fn is_even(mut quiet: Vec<Duration>, mut busy: Vec<Duration>) -> bool {
    let row = |what: &str, waits: &mut [Duration]| {
        let [middle, slow, slowest] = [0.5, 0.99, 1.0].map(|share| quantile(waits, share));
        let count = waits.len();
        println!(
            "sibling {what}: {count} waits, p50 {}, p99 {}, most {}",
            millis(middle),
            millis(slow),
            millis(slowest)
        );
        slow
    };
    let (without, with) = (
        row("without reloads", &mut quiet),
        row("beside reloads", &mut busy),
    );
    let even = with <= (without * WORSE).max(FLOOR);
    println!("{}", if even { "even" } else { "NOT even" });
    even
}

/// Whether the gateway grew by no more than it did without reloads, once it was warm. In its own process every content
/// stays: there each reload has one of its own, and the growth is told and not judged.
fn is_flat(seen: &Seen, in_turn: bool) -> bool {
    let warm = WARM.min(seen.rounds.len() / 2);
    let [rests, rounds] = [&seen.rests, &seen.rounds].map(|grown| grown[warm..].iter().sum::<i64>());
    let reloads = seen.took.len().saturating_sub(warm * ROUND);
    println!(
        "RSS in KiB, over the last {reloads} reloads {rounds:+}, over rests as long between them {rests:+}: {:+.1} a reload",
        (rounds - rests) as f64 / reloads.max(1) as f64
    );
    if !in_turn {
        return true;
    }
    let flat = rounds - rests <= FLAT_KIB;
    println!("{}", if flat { "flat" } else { "NOT flat" });
    flat
}

fn times(mut took: Vec<Duration>) {
    println!(
        "`plugin reload`: p50 {}, most {}",
        millis(median(&mut took)),
        millis(quantile(&mut took, 1.0))
    );
}
