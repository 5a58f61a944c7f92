//! Chats that write again as soon as they were answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use miniclaw_tests::fake_telegram::{Injection, Sent};
use miniclaw_tests::{FakeTelegram, procfs};

use miniclaw_tests::measure::figure::{Figure, median, millis, quantile};
use miniclaw_tests::measure::rig::{Bench, Rig, USER};

const LATENCY_MESSAGES: usize = 2_000;
const WARM_UP: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(10);
const RUNS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits between a message and its reply, taken on the fakes' own thread.
type Waits = Arc<Mutex<Vec<Duration>>>;

/// Answers every reply with the chat's next message and notes the waits.
fn write_on(telegram: &FakeTelegram) -> Waits {
    let waits = Waits::default();
    let noted = waits.clone();
    let mut asked: HashMap<i64, Instant> = HashMap::new();
    let hook = move |sent: &Sent| {
        if let Some(asked) = asked.insert(sent.chat, Instant::now()) {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(sent.at - asked);
        }
        Some(Injection::text(sent.chat, USER, format!("m{}", sent.message_id)))
    };
    telegram.set_on_sent(Some(Box::new(hook)));
    waits
}

/// One message at a time, instant model.
pub(crate) fn latency(bench: &Bench) -> Vec<Figure> {
    let (mut middle, mut slow) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let rig = bench.rig();
        let gateway = rig.start_polling();
        let waits = write_on(&rig.telegram);
        rig.crowd(1, 1);
        rig.wait_quietly(LATENCY_MESSAGES, PATIENCE);
        rig.telegram.set_on_sent(None);
        gateway.stop();
        let mut waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
        middle.push(median(&mut waits));
        slow.push(quantile(&mut waits, 0.99));
    }
    vec![
        Figure::new(
            "message to reply, one at a time, instant model, p50",
            millis(median(&mut middle)),
            "<= 2 ms",
        ),
        Figure::new("the same, p99", millis(median(&mut slow)), ""),
    ]
}

/// What one run of [`throughput`] gives.
struct Run {
    per_second: u64,
    cpu: Duration,
    cpu_of_fakes: Duration,
    wait: Duration,
}

/// A hundred chats at once, instant model.
pub(crate) fn throughput(bench: &Bench) -> Vec<Figure> {
    let runs: Vec<Run> = (0..RUNS).map(|_| throughput_run(&bench.rig())).collect();
    let middle = |value: fn(&Run) -> Duration| median(&mut runs.iter().map(value).collect::<Vec<_>>());
    let per_second = median(&mut runs.iter().map(|run| run.per_second).collect::<Vec<_>>());
    vec![
        Figure::new(
            "100 chats in closed loop, replies a second",
            per_second.to_string(),
            ">= 3,000",
        ),
        Figure::new(
            "the same, message to reply, p50",
            millis(middle(|run| run.wait)),
            "",
        ),
        Figure::new(
            "CPU a message in the gateway process",
            millis(middle(|run| run.cpu)),
            "<= 0.3 ms",
        ),
        Figure::new(
            "CPU a message in this process, all its requests together",
            millis(middle(|run| run.cpu_of_fakes)),
            "",
        ),
    ]
}

fn throughput_run(rig: &Rig) -> Run {
    let gateway = rig.start_polling();
    let waits = write_on(&rig.telegram);
    rig.crowd(100, 1);
    std::thread::sleep(WARM_UP);
    waits.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let look = || {
        let cpu = procfs::cpu_time(gateway.pid());
        let own = procfs::cpu_time(std::process::id());
        (Instant::now(), rig.telegram.sent_count(), cpu, own)
    };
    let before = look();
    std::thread::sleep(WINDOW);
    let after = look();
    rig.telegram.set_on_sent(None);
    gateway.stop();
    let replies = u32::try_from(after.1 - before.1).unwrap_or(u32::MAX).max(1);
    let mut waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
    Run {
        per_second: (f64::from(replies) / (after.0 - before.0).as_secs_f64()) as u64,
        cpu: (after.2 - before.2) / replies,
        cpu_of_fakes: (after.3 - before.3) / replies,
        wait: median(&mut waits),
    }
}
