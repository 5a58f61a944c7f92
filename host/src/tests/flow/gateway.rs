//! What a crash takes: the gateway's memory, wired as the stages wire it.

use std::collections::VecDeque;

use super::Outcome;
use super::world::{World, Written};
use crate::delivery::queue::Queue;
use crate::hub::{Lanes, Load, LoadTable};
use crate::intake::{Decision, Gate, Known, Limits, People, Refusal};
use crate::sessions::SessionKey;
use crate::spool::OutboxRow;

const LIMITS: Limits = Limits {
    message_bytes: 100,
    pending: 8,
    pending_per_conversation: 3,
    message_age: None,
};
const TURNS: usize = 3;
const WINDOW: usize = 6;
const SHARE: usize = 4;
const PAGE: usize = SHARE / 2;
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
    /// Everything from the beginning, as a start reads it.
    Scan {
        after: u64,
    },
    /// What a conversation has beyond memory.
    Page {
        session: SessionKey,
        after: u64,
    },
}

/// What became of a message of a batch.
enum Admitted {
    Accepted(Written, u64),
    Noted(OutboxRow),
    /// A refusal without a note, or that was stored before.
    Nothing,
    /// Its load was counted, and it is no message to answer.
    Duplicate(Written),
}

/// An answer of the spool. They arrive in the order of its transactions, reads after the writes beside them; a page of
/// rows is parsed first and may be late.
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
    Scanned(Vec<OutboxRow>),
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
            gate: Gate::new(People::listed(&["42"]), LIMITS),
            load: LoadTable::default(),
            lanes: Lanes::new(TURNS),
            queue: Queue::new(WINDOW, SHARE),
            handed: 0,
            paused: false,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            turns: Vec::new(),
            sends: Vec::new(),
        };
        gateway.queue.begin_scan();
        gateway.asked.push_back(Ask::Scan { after: 0 });
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
            gated.push(
                match self.gate.decide(&written.message(), Known::default(), load, 0) {
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
                },
            );
        }
        Some(gated)
    }

    /// Commits the oldest requests as one: the writes, then the reads.
    pub(super) fn commit(&mut self, world: &mut World, count: usize) {
        let count = count.min(self.asked.len());
        let (reads, writes): (Vec<_>, Vec<_>) = self
            .asked
            .drain(..count)
            .partition(|ask| matches!(ask, Ask::Page { .. } | Ask::Scan { .. }));
        let answers = writes.into_iter().chain(reads).map(|ask| execute(world, ask));
        self.answers.extend(answers);
    }

    pub(super) fn answer(&mut self, world: &mut World, late_page: bool) {
        let is_page = |answer: &Answer| matches!(answer, Answer::Page(_) | Answer::Scanned(_));
        let passed = self
            .answers
            .iter()
            .take_while(|answer| late_page && is_page(answer))
            .count();
        match self.answers.remove(passed) {
            Some(Answer::Accepted(admitted)) => {
                world.platform.drain(..admitted.len());
                self.handed -= admitted.len();
                admitted.into_iter().for_each(|admitted| self.admit(admitted));
            }
            Some(Answer::Finished { session, rows }) => {
                self.route(rows);
                self.turns.retain(|(running, _)| *running != session);
                self.lanes.finish(&session);
                self.load.release(&session);
            }
            Some(Answer::Recorded { row, outcome }) => self.recorded(row, outcome),
            Some(Answer::Scanned(rows)) => self.scanned(rows),
            Some(Answer::Page(rows)) => {
                let session = self.queue.refilled(Some(rows), PAGE);
                session.iter().for_each(|session| self.drain(session));
                self.refill();
            }
            None => {}
        }
    }

    fn admit(&mut self, admitted: Admitted) {
        match admitted {
            Admitted::Accepted(written, seq) => self.lanes.push(written.session(), seq, false),
            Admitted::Noted(row) => {
                self.load.tell(&row.session);
                self.route(vec![row]);
            }
            Admitted::Duplicate(written) => self.load.release(&written.session()),
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
        self.refill();
    }

    fn scanned(&mut self, rows: Vec<OutboxRow>) {
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.id);
        let sessions = self.queue.scanned(rows);
        sessions.iter().for_each(|session| self.drain(session));
        match last {
            Some(after) => self.asked.push_back(Ask::Scan { after }),
            None => {
                self.queue.end_scan();
                self.refill();
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
        let next = self.queue.finish(&row.session, &row, outcome == Outcome::Dead);
        self.sends.extend(next);
        self.refill();
    }

    fn refill(&mut self) {
        let page = self.queue.refill();
        self.asked
            .extend(page.map(|(session, after)| Ask::Page { session, after }));
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
        Ask::Scan { after } => {
            let rows = world.outbox.range(after + 1..).map(|(_, row)| row);
            Answer::Scanned(rows.take(PAGE).cloned().collect())
        }
        Ask::Page { session, after } => {
            let rows = world.outbox.range(after + 1..).map(|(_, row)| row);
            let rows = rows.filter(|row| row.session == session);
            Answer::Page(rows.take(PAGE).cloned().collect())
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
            world.refuse(written);
            Admitted::Nothing
        }
    }
}
