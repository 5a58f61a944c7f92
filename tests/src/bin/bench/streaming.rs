//! What showing an answer while it is written costs its first byte.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::measure::figure::{Figure, median, millis};
use miniclaw_tests::measure::rig::{Bench, Rig, USER};
use serde_json::json;

/// The model's wait before each of its pieces, the end included.
const PACE: Duration = Duration::from_millis(400);
const PIECES: u32 = 4;
/// Chats, one after the other so that they do not meet.
const CHATS: i64 = 40;
const APART: Duration = Duration::from_millis(60);
const INSTANT: i64 = 400;

/// The same messages with streaming and without, to an instant model and to one that writes slowly.
pub(crate) fn first_byte(bench: &Bench) -> Vec<Figure> {
    let rig = |streaming: &str| {
        bench.rig_with(|config| config.with("/channels/telegram/streaming", json!(streaming)))
    };
    let (off, edit) = (rig("off"), rig("edit"));
    let instant = [&off, &edit].map(instant);
    let slow = [(&off, PACE * PIECES), (&edit, PACE)].map(|(rig, model)| slow(rig, model));
    let both = |[off, edit]: [Duration; 2]| format!("{} / {}", millis(off), millis(edit));
    let added =
        |[off, edit]: [Duration; 2]| format!("{:+.2} ms", (edit.as_secs_f64() - off.as_secs_f64()) * 1e3);
    vec![
        Figure::new(
            "message to first text, instant model, streaming off / edit, p50",
            both(instant),
            "",
        ),
        Figure::new("what streaming adds to it", added(instant), "<= 1 ms"),
        Figure::new(
            "model's last / first piece to first text, off / edit, p50",
            both(slow),
            "",
        ),
        Figure::new("what streaming adds to it", added(slow), "<= 1 ms"),
    ]
}

fn instant(rig: &Rig) -> Duration {
    let gateway = rig.start_polling();
    let mut waits: Vec<Duration> = (1..=INSTANT).map(|chat| ask(rig, chat)).collect();
    gateway.stop();
    median(&mut waits)
}

fn ask(rig: &Rig, chat: i64) -> Duration {
    let asked = Instant::now();
    rig.telegram.inject(chat, USER, "hello");
    rig.telegram.wait_for_replies_to(chat, 1)[0].at - asked
}

/// The time beside what the model takes itself.
fn slow(rig: &Rig, model: Duration) -> Duration {
    rig.model.fail_about("slow", Fault::Paced(PACE));
    let gateway = rig.start_polling();
    let chats = 1_000..1_000 + CHATS;
    let asked: Vec<(i64, Instant)> = chats
        .map(|chat| {
            std::thread::sleep(APART);
            let asked = Instant::now();
            rig.telegram.inject(chat, USER, "slow");
            (chat, asked)
        })
        .collect();
    let mut waits: Vec<Duration> = asked
        .into_iter()
        .map(|(chat, asked)| rig.telegram.wait_for_replies_to(chat, 1)[0].at - asked)
        .map(|wait| wait.saturating_sub(model))
        .collect();
    gateway.stop();
    median(&mut waits)
}
