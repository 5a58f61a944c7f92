use std::collections::BTreeMap;
use std::sync::Arc;

use miniclaw_plugin_api::{ChatRef, OutboundMessage};
use proptest::prelude::*;

use super::*;

const SHARE: usize = 16;

fn key(session: u8) -> SessionKey {
    SessionKey(format!("c_{session}").into())
}

fn row(id: u64, session: u8) -> OutboxRow {
    OutboxRow {
        id,
        channel: "c".into(),
        session: key(session),
        reply: id,
        message: Arc::new(OutboundMessage::new(ChatRef::new("1"), "x")),
        attempts: 0,
        kills: 0,
        outage: false,
        ambiguous: false,
        not_before_ms: 0,
        created: 0,
        asked_ms: None,
    }
}

#[test]
fn a_dead_chunk_takes_the_rest_of_its_reply_and_nothing_else() {
    let mut queue = Queue::new(20, SHARE);
    let rows: Vec<OutboxRow> = [(1, 1), (2, 1), (3, 3)]
        .map(|(id, reply)| OutboxRow { reply, ..row(id, 0) })
        .into();
    rows.iter().for_each(|row| drop(queue.push(row.clone())));
    let next = queue.finish(&rows[0].session, &rows[0], true);
    assert_eq!(next.map(|row| row.id), Some(3));
}

#[test]
fn a_row_that_the_first_reading_found_is_not_sent_again_when_it_is_pushed() {
    let mut queue = Queue::new(100, SHARE);
    queue.begin_scan();
    assert_eq!(queue.scanned(vec![row(1, 0), row(5, 0)]), [key(0)]);
    queue.end_scan();
    for id in [1, 5] {
        let next = queue.front(&key(0)).unwrap();
        assert_eq!(next.id, id);
        queue.finish(&key(0), &next, false);
    }
    // It was committed before it was found, and comes from its turn only now: the spool says that nothing of it is left.
    assert_eq!(queue.push(row(5, 0)), None);
    assert_eq!(queue.refill(), Some((key(0), 4)));
    assert_eq!(queue.refilled(Some(Vec::new()), SHARE), None);
    assert!(!queue.has_waiting());
    assert_eq!(queue.push(row(6, 0)), Some(key(0)));
}

#[test]
fn a_conversation_that_is_stuck_leaves_the_window_to_the_others() {
    let mut queue = Queue::new(100, SHARE);
    for id in 1..=500 {
        queue.push(row(id, 0));
    }
    assert_eq!(queue.loaded, SHARE);
    assert_eq!(queue.push(row(501, 1)), Some(key(1)));
}

#[test]
fn a_full_window_still_takes_the_first_row_of_a_conversation() {
    let mut queue = Queue::new(32, SHARE);
    for id in 1..=40 {
        queue.push(row(id, (id % 4) as u8));
    }
    assert_eq!(queue.loaded, 32);
    assert_eq!(queue.push(row(41, 9)), Some(key(9)));
    assert_eq!(queue.push(row(42, 9)), None);
}

#[test]
fn what_dies_while_its_reply_is_being_read_is_not_sent() {
    let mut queue = Queue::new(100, SHARE);
    let rows: Vec<OutboxRow> = (1..=40)
        .map(|id| OutboxRow {
            reply: 1,
            ..row(id, 0)
        })
        .collect();
    rows.iter().for_each(|row| drop(queue.push(row.clone())));
    for row in &rows[..10] {
        queue.finish(&key(0), row, false);
    }
    let (session, after) = queue.refill().unwrap();
    assert_eq!((session, after), (key(0), 16));
    queue.finish(&key(0), &rows[10], true);
    queue.refilled(Some(rows[16..24].to_vec()), 8);
    assert_eq!(queue.front(&key(0)).map(|row| row.id), None);
}

#[test]
fn a_dropped_row_is_not_held_and_its_lane_goes_on() {
    let mut queue = Queue::new(100, SHARE);
    let rows = [row(1, 0), row(2, 0)];
    rows.iter().for_each(|row| drop(queue.push(row.clone())));
    queue.withdraw(1);
    assert!(!queue.holds(&rows[0]));
    // Who drains the lane still does so, also where nothing is left in it.
    queue.withdraw(2);
    assert_eq!(queue.push(row(3, 0)), None);
    assert_eq!(queue.finish(&key(0), &rows[0], false).map(|row| row.id), Some(3));
}

/// A spool in miniature, with a reader that may be slow.
struct Model {
    queue: Queue,
    disk: BTreeMap<u64, OutboxRow>,
    draining: Vec<SessionKey>,
    sent: HashMap<SessionKey, Vec<u64>>,
    /// A page that was read and not handed over yet.
    read: Option<Vec<OutboxRow>>,
}

const PAGE: usize = 5;

impl Model {
    fn push(&mut self, row: OutboxRow) {
        self.disk.insert(row.id, row.clone());
        let start = self.queue.push(row);
        self.start(start);
    }

    fn start(&mut self, sessions: impl IntoIterator<Item = SessionKey>) {
        for session in sessions {
            assert!(!self.draining.contains(&session), "two drain one conversation");
            self.draining.push(session);
        }
    }

    fn send(&mut self, which: usize) {
        if self.draining.is_empty() {
            return;
        }
        let at = which % self.draining.len();
        let session = self.draining[at].clone();
        let row = self
            .queue
            .front(&session)
            .expect("a lane that is drained has a row");
        self.disk.remove(&row.id);
        self.sent.entry(session.clone()).or_default().push(row.id);
        if self.queue.finish(&session, &row, false).is_none() {
            self.draining.remove(at);
        }
    }

    fn read(&mut self) {
        if self.read.is_some() {
            return;
        }
        if let Some((session, after)) = self.queue.refill() {
            let rows = self.disk.range(after + 1..).map(|(_, row)| row);
            self.read = Some(
                rows.filter(|row| row.session == session)
                    .take(PAGE)
                    .cloned()
                    .collect(),
            );
        }
    }

    fn hand_over(&mut self, fails: bool) {
        if let Some(rows) = self.read.take() {
            let start = self.queue.refilled((!fails).then_some(rows), PAGE);
            self.start(start);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Send(usize),
    Read,
    HandOver(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..5u8).prop_map(|session| Step::Push(session * session / 6)),
        4 => any::<usize>().prop_map(Step::Send),
        1 => Just(Step::Read),
        1 => prop::bool::weighted(0.2).prop_map(Step::HandOver),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn every_row_is_sent_once_and_in_order_however_little_fits(
        before in prop::collection::vec(0..4u8, 0..60),
        steps in steps(),
        window in 4..40usize,
    ) {
        let mut model = Model {
            queue: Queue::new(window, SHARE),
            disk: before.iter().zip(1..).map(|(session, id)| (id, row(id, *session))).collect(),
            draining: Vec::new(),
            sent: HashMap::new(),
            read: None,
        };
        let mut next = before.len() as u64 + 1;
        let mut pushed: HashMap<SessionKey, Vec<u64>> = HashMap::new();
        for row in model.disk.values() {
            pushed.entry(row.session.clone()).or_default().push(row.id);
        }
        // The spool is read from its beginning while other things happen already.
        model.queue.begin_scan();
        let mut after = 0;
        let mut scanning = true;
        for step in steps {
            if scanning {
                let page: Vec<_> = model.disk.range(after + 1..).take(7).map(|(_, row)| row.clone()).collect();
                scanning = page.len() == 7;
                after = page.last().map_or(after, |row| row.id);
                let started = model.queue.scanned(page);
                model.start(started);
                if !scanning {
                    model.queue.end_scan();
                }
            }
            match step {
                Step::Push(session) => {
                    pushed.entry(key(session)).or_default().push(next);
                    model.push(row(next, session));
                    next += 1;
                }
                Step::Send(which) => model.send(which),
                Step::Read => model.read(),
                Step::HandOver(fails) => model.hand_over(fails),
            }
            prop_assert!(model.queue.loaded <= 2 * window + PAGE);
        }
        if scanning {
            let rest: Vec<_> = model.disk.range(after + 1..).map(|(_, row)| row.clone()).collect();
            let started = model.queue.scanned(rest);
            model.start(started);
            model.queue.end_scan();
        }
        for _ in 0..2 * next {
            model.hand_over(false);
            model.send(0);
            model.read();
        }
        model.hand_over(false);
        prop_assert!(!model.queue.has_waiting(), "{} rows are left", model.disk.len());
        prop_assert_eq!(model.sent, pushed);
    }
}
