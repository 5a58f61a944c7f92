//! What a crash takes: the gateway's memory, wired as the stages wire it.

use std::collections::VecDeque;

use super::Outcome;
use super::world::{World, Written};
use crate::delivery::queue::Queue;
use crate::hub::{Lanes, Load, LoadTable};
use crate::intake::{Decision, Gate, Limits, Refusal};
use crate::sessions::SessionKey;
use crate::spool::OutboxRow;

const LIMITS: Limits = Limits {
    message_bytes: 100,
    pending: 8,
    pending_per_conversation: 3,
};
const TURNS: usize = 3;
const WINDOW: usize = 6;
const PAGE: usize = 3;
const ALONE_FROM: u32 = 2;

/// What the gate says of a message of a batch.
#[derive(Clone, Copy)]
enum Gated {
    Take(Written),
    Note(Written),
    Silent(Written),
}

/// A request to the spool.
enum Ask {
    Accept(Vec<Gated>),
    Finish {
        session: SessionKey,
        seq: u64,
        chunks: usize,
    },
    Record {
        row: OutboxRow,
        outcome: Outcome,
    },
    Page {
        after: u64,
    },
}

/// What became of a message of a batch.
enum Admitted {
    Accepted(Written, u64),
    Noted(OutboxRow),
    Silent(Written),
    /// A note that was stored before.
    Nothing,
    /// Its load was counted, and it is no message to answer.
    Duplicate(Written),
}

/// An answer of the spool. They arrive in the order of its transactions, reads after the writes beside them.
enum Answer {
    Accepted(Vec<Admitted>),
    Finished {
        session: SessionKey,
        rows: Vec<OutboxRow>,
    },
    Recorded {
        row: OutboxRow,
        outcome: Outcome,
    },
    Page(Vec<OutboxRow>),
}

pub(super) struct Gateway {
    gate: Gate,
    load: LoadTable,
    lanes: Lanes<SessionKey, u64>,
    queue: Queue,
    /// Messages at the head of the platform's queue that were handed over and have no verdict.
    handed: usize,
    paused: bool,
    asked: VecDeque<Ask>,
    answers: VecDeque<Answer>,
    turns: Vec<(SessionKey, u64)>,
    /// The row that each drained conversation is about to send.
    sends: Vec<OutboxRow>,
}

impl Gateway {
    /// Takes up what the spool holds, replies first.
    pub(super) fn start(world: &mut World) -> Self {
        let mut gateway = Self {
            gate: Gate::new(&["42".to_owned()], false, LIMITS),
            load: LoadTable::default(),
            lanes: Lanes::new(TURNS),
            queue: Queue::new(WINDOW),
            handed: 0,
            paused: false,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            turns: Vec::new(),
            sends: Vec::new(),
        };
        gateway.queue.skip_from(1);
        gateway.refill();
        for (seq, pending) in &world.inbound {
            let session = pending.written.session();
            gateway.load.take(&session);
            gateway.lanes.push(session, *seq, pending.attempts >= ALONE_FROM);
        }
        gateway
    }

    /// Notes what the end of the process leaves open: a send whose T4 was not written may be repeated.
    pub(super) fn crash(&self, world: &mut World) {
        for pending in world.inbound.values_mut() {
            pending.attempts += 1;
        }
        for ask in &self.asked {
            if let Ask::Record {
                row,
                outcome: Outcome::Sent,
            } = ask
            {
                *world.repeats.entry(row.id).or_default() += 1;
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.answers.is_empty() && self.turns.is_empty() && self.sends.is_empty()
    }

    pub(super) fn hand_over(&mut self, world: &World, count: usize) {
        self.paused = self.paused && self.load.pending() > self.gate.resume_level();
        let batch: Vec<Written> = world
            .platform
            .iter()
            .skip(self.handed)
            .take(count)
            .copied()
            .collect();
        if self.paused || batch.is_empty() {
            return;
        }
        let handed = batch.len();
        match self.decide(batch) {
            Some(gated) => {
                self.handed += handed;
                self.asked.push_back(Ask::Accept(gated));
            }
            None => self.paused = true,
        }
    }

    /// As the pump does it: a batch that begins with room is taken whole.
    fn decide(&self, batch: Vec<Written>) -> Option<Vec<Gated>> {
        let pending = self.load.pending();
        let mut told: Vec<SessionKey> = Vec::new();
        let mut taken = Vec::new();
        let mut gated = Vec::new();
        for written in batch {
            let session = written.session();
            let load = self.load.of(&session);
            let told_before = load.told || told.contains(&session);
            let load = Load {
                pending,
                told: told_before,
                ..load
            };
            gated.push(match self.gate.decide(&written.message(), load) {
                Decision::Accept => {
                    self.load.take(&session);
                    taken.push(session);
                    Gated::Take(written)
                }
                Decision::Refuse(Refusal::TooFast) => {
                    told.push(session);
                    Gated::Note(written)
                }
                Decision::RefuseSilently => Gated::Silent(written),
                Decision::Busy => {
                    taken.iter().for_each(|session| self.load.release(session));
                    return None;
                }
                other => panic!("{other:?}"),
            });
        }
        Some(gated)
    }

    /// Commits the oldest requests as one: the writes, then the reads.
    pub(super) fn commit(&mut self, world: &mut World, count: usize) {
        let count = count.min(self.asked.len());
        let (reads, writes): (Vec<_>, Vec<_>) = self
            .asked
            .drain(..count)
            .partition(|ask| matches!(ask, Ask::Page { .. }));
        let answers = writes.into_iter().chain(reads).map(|ask| execute(world, ask));
        self.answers.extend(answers);
    }

    pub(super) fn answer(&mut self, world: &mut World) {
        match self.answers.pop_front() {
            Some(Answer::Accepted(admitted)) => {
                world.platform.drain(..admitted.len());
                self.handed -= admitted.len();
                admitted
                    .into_iter()
                    .for_each(|admitted| self.admit(world, admitted));
            }
            Some(Answer::Finished { session, rows }) => {
                self.route(rows);
                self.turns.retain(|(running, _)| *running != session);
                self.lanes.finish(&session);
                self.load.release(&session);
            }
            Some(Answer::Recorded { row, outcome }) => self.recorded(row, outcome),
            Some(Answer::Page(rows)) => {
                let sessions = self.queue.refilled(rows, PAGE);
                sessions.iter().for_each(|session| self.drain(session));
                self.next_page();
            }
            None => {}
        }
    }

    fn admit(&mut self, world: &mut World, admitted: Admitted) {
        match admitted {
            Admitted::Accepted(written, seq) => self.lanes.push(written.session(), seq, false),
            Admitted::Noted(row) => {
                self.load.tell(&row.session);
                self.route(vec![row]);
            }
            Admitted::Duplicate(written) => self.load.release(&written.session()),
            Admitted::Silent(written) => drop(world.silent.insert(written.number)),
            Admitted::Nothing => {}
        }
    }

    pub(super) fn start_turn(&mut self) {
        self.turns.extend(self.lanes.next());
    }

    pub(super) fn end_turn(&mut self, world: &World, turn: usize, chunks: usize) {
        let Some(index) = turn.checked_rem(self.turns.len()) else {
            return;
        };
        let (session, seq) = self.turns[index].clone();
        let asked = |ask: &Ask| matches!(ask, Ask::Finish { seq: other, .. } if *other == seq);
        if world.inbound.contains_key(&seq) && !self.asked.iter().any(asked) {
            self.asked.push_back(Ask::Finish { session, seq, chunks });
        }
    }

    fn route(&mut self, rows: Vec<OutboxRow>) {
        for row in rows {
            if let Some(session) = self.queue.push(row) {
                self.drain(&session);
            }
        }
    }

    fn drain(&mut self, session: &SessionKey) {
        assert!(
            self.sends.iter().all(|row| row.session != *session),
            "drained twice"
        );
        self.sends.extend(self.queue.front(session));
    }

    pub(super) fn send(&mut self, world: &mut World, send: usize, outcome: Outcome) {
        let recording = |row: &OutboxRow| {
            let of_row = |other: &OutboxRow| other.id == row.id;
            self.asked
                .iter()
                .any(|ask| matches!(ask, Ask::Record { row, .. } if of_row(row)))
                || self
                    .answers
                    .iter()
                    .any(|answer| matches!(answer, Answer::Recorded { row, .. } if of_row(row)))
        };
        let idle: Vec<&OutboxRow> = self.sends.iter().filter(|row| !recording(row)).collect();
        let Some(index) = send.checked_rem(idle.len()) else {
            return;
        };
        let row = idle[index].clone();
        if matches!(outcome, Outcome::Sent | Outcome::Unknown) {
            world.receive(&row);
        }
        if outcome == Outcome::Unknown {
            *world.repeats.entry(row.id).or_default() += 1;
        }
        self.asked.push_back(Ask::Record { row, outcome });
    }

    fn recorded(&mut self, row: OutboxRow, outcome: Outcome) {
        if matches!(outcome, Outcome::Failed | Outcome::Unknown) {
            return;
        }
        self.sends.retain(|other| other.id != row.id);
        match self.queue.finish(&row.session, &row, outcome == Outcome::Dead) {
            Some(next) => self.sends.push(next),
            None if self.queue.wants_refill() => self.refill(),
            None => {}
        }
    }

    fn refill(&mut self) {
        if self.queue.begin_refill() {
            self.next_page();
        }
    }

    fn next_page(&mut self) {
        let after = self.queue.refill_after();
        self.asked.extend(after.map(|after| Ask::Page { after }));
    }
}

fn execute(world: &mut World, ask: Ask) -> Answer {
    match ask {
        Ask::Accept(gated) => Answer::Accepted(gated.into_iter().map(|gated| admit(world, gated)).collect()),
        Ask::Finish { session, seq, chunks } => {
            let rows = world.finish(seq, chunks);
            Answer::Finished { session, rows }
        }
        Ask::Record { row, outcome } => {
            match outcome {
                Outcome::Sent => drop(world.outbox.remove(&row.id)),
                Outcome::Dead => world.bury(&row),
                Outcome::Failed | Outcome::Unknown => {}
            }
            Answer::Recorded { row, outcome }
        }
        Ask::Page { after } => {
            let rows = world.outbox.range(after + 1..).take(PAGE);
            Answer::Page(rows.map(|(_, row)| row.clone()).collect())
        }
    }
}

fn admit(world: &mut World, gated: Gated) -> Admitted {
    match gated {
        Gated::Take(written) => match world.accept(written) {
            Some(seq) => Admitted::Accepted(written, seq),
            None => Admitted::Duplicate(written),
        },
        Gated::Note(written) => world.note(written).map_or(Admitted::Nothing, Admitted::Noted),
        Gated::Silent(written) => {
            // A crash before the verdict forgets it, and the platform hands the message over again.
            Admitted::Silent(written)
        }
    }
}
