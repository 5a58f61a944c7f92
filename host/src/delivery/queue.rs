//! The part of an outbox that is in memory.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::sessions::SessionKey;
use crate::spool::OutboxRow;

/// Rows by conversation. Knows neither clock nor disk.
///
/// A row that finds no room is skipped, and with it, until the next refill, every later one: rows of one
/// conversation must not overtake each other.
pub(crate) struct Queue {
    /// Rows in memory at most; what comes on top stays in the spool until there is room.
    window: usize,
    lanes: HashMap<SessionKey, VecDeque<OutboxRow>>,
    loaded: HashSet<u64>,
    /// The lowest id that may be in the spool alone.
    skipped_from: Option<u64>,
    refilling: bool,
    /// What was finished while a page was being read, and may be in it.
    finished: Option<HashSet<u64>>,
}

impl Queue {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            lanes: HashMap::new(),
            loaded: HashSet::new(),
            skipped_from: None,
            refilling: false,
            finished: None,
        }
    }

    /// Queues a row; returns its conversation where that had none, to be drained.
    pub(crate) fn push(&mut self, row: OutboxRow) -> Option<SessionKey> {
        if self.skipped_from.is_some() || self.loaded.len() >= self.window {
            self.skip_from(row.id);
            return None;
        }
        self.insert(row)
    }

    /// Says that rows from `id` on may be in the spool alone.
    pub(crate) fn skip_from(&mut self, id: u64) {
        self.skipped_from = Some(self.skipped_from.map_or(id, |from| from.min(id)));
    }

    pub(crate) fn front(&self, session: &SessionKey) -> Option<OutboxRow> {
        self.lanes.get(session)?.front().cloned()
    }

    /// Removes a row that was sent, or, where `dead`, with the rest of its reply, and gives the next one. Without
    /// one the conversation is forgotten, and who drains it must end: the next `push` names it again.
    pub(crate) fn finish(&mut self, session: &SessionKey, row: &OutboxRow, dead: bool) -> Option<OutboxRow> {
        let lane = self.lanes.get_mut(session)?;
        let loaded = &mut self.loaded;
        lane.retain(|other| {
            let gone = other.id == row.id || (dead && other.reply == row.reply && other.id > row.id);
            if gone {
                loaded.remove(&other.id);
                if let Some(finished) = &mut self.finished {
                    finished.insert(other.id);
                }
            }
            !gone
        });
        let next = lane.front().cloned();
        if next.is_none() {
            self.lanes.remove(session);
        }
        next
    }

    /// Whether there is anything to send, here or in the spool alone.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.loaded.is_empty() || self.skipped_from.is_some()
    }

    pub(crate) fn wants_refill(&self) -> bool {
        self.skipped_from.is_some() && self.loaded.len() < self.window / 2
    }

    /// Whether the caller is the one to refill.
    pub(crate) fn begin_refill(&mut self) -> bool {
        !std::mem::replace(&mut self.refilling, true)
    }

    /// The id after which to read next; `None` ends the refill.
    pub(crate) fn refill_after(&mut self) -> Option<u64> {
        let after = self
            .skipped_from
            .filter(|_| self.loaded.len() < self.window)
            .map(|from| from - 1);
        // What is pushed while the page is read is skipped again and found by the next page.
        if after.is_some() {
            self.skipped_from = Some(u64::MAX);
            self.finished = Some(HashSet::new());
        } else {
            self.refilling = false;
        }
        after
    }

    /// Takes a page of at most `page` rows; returns the conversations to be drained.
    pub(crate) fn refilled(&mut self, rows: Vec<OutboxRow>, page: usize) -> Vec<SessionKey> {
        let more = (rows.len() == page)
            .then(|| rows.last().map(|row| row.id + 1))
            .flatten();
        let skipped = self.skipped_from.take().filter(|from| *from != u64::MAX);
        self.skipped_from = match (more, skipped) {
            (Some(more), Some(skipped)) => Some(more.min(skipped)),
            (more, skipped) => more.or(skipped),
        };
        let finished = self.finished.take().unwrap_or_default();
        rows.into_iter()
            .filter(|row| !finished.contains(&row.id))
            .filter_map(|row| self.insert(row))
            .collect()
    }

    fn insert(&mut self, row: OutboxRow) -> Option<SessionKey> {
        if !self.loaded.insert(row.id) {
            return None;
        }
        let session = row.session.clone();
        let lane = self.lanes.entry(session.clone()).or_default();
        let first = lane.is_empty();
        let place = lane.partition_point(|other| other.id < row.id);
        lane.insert(place, row);
        first.then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use miniclaw_plugin_api::{ChatRef, OutboundMessage};
    use proptest::prelude::*;

    use super::*;

    fn row(id: u64, session: u8) -> OutboxRow {
        OutboxRow {
            id,
            channel: "c".into(),
            session: SessionKey(format!("c_{session}").into()),
            reply: id,
            message: Arc::new(OutboundMessage::new(ChatRef::new("1"), "x")),
            attempts: 0,
            ambiguous: false,
            not_before_ms: 0,
            created: 0,
        }
    }

    #[test]
    fn a_dead_chunk_takes_the_rest_of_its_reply_and_nothing_else() {
        let mut queue = Queue::new(20);
        let rows: Vec<OutboxRow> = [(1, 1), (2, 1), (3, 3)]
            .map(|(id, reply)| OutboxRow { reply, ..row(id, 0) })
            .into();
        rows.iter().for_each(|row| drop(queue.push(row.clone())));
        queue.finish(&rows[0].session, &rows[0], true);
        assert_eq!(queue.front(&rows[0].session).map(|row| row.id), Some(3));
    }

    proptest! {
        /// A spool in miniature: everything pushed is delivered once and in order, however small the pages are.
        #[test]
        fn rows_that_find_no_room_are_delivered_in_order_later(
            sessions in prop::collection::vec(0..4u8, 1..120),
            drains in prop::collection::vec(0..3usize, 1..50),
        ) {
            let mut queue = Queue::new(30);
            let filler = (0..20).map(|id| row(id + 1, 9)).collect::<Vec<_>>();
            let mut disk: std::collections::BTreeMap<u64, OutboxRow> = Default::default();
            let mut sent: HashMap<SessionKey, Vec<u64>> = HashMap::new();
            filler.iter().for_each(|row| { disk.insert(row.id, row.clone()); drop(queue.push(row.clone())); });
            let send = |queue: &mut Queue, disk: &mut std::collections::BTreeMap<u64, OutboxRow>, sent: &mut HashMap<SessionKey, Vec<u64>>, session: u8| {
                let key = SessionKey(format!("c_{session}").into());
                let Some(row) = queue.front(&key) else { return false };
                queue.finish(&key, &row, false);
                disk.remove(&row.id);
                sent.entry(key).or_default().push(row.id);
                true
            };
            let refill = |queue: &mut Queue, disk: &std::collections::BTreeMap<u64, OutboxRow>| {
                if !queue.begin_refill() { return }
                while let Some(after) = queue.refill_after() {
                    let page: Vec<_> = disk.range(after + 1..).take(7).map(|(_, row)| row.clone()).collect();
                    queue.refilled(page, 7);
                }
            };
            let mut drains = drains.into_iter().cycle();
            for (index, session) in sessions.iter().enumerate() {
                let row = row(10_000 + index as u64, *session);
                disk.insert(row.id, row.clone());
                queue.push(row);
                for _ in 0..drains.next().unwrap_or(0) {
                    send(&mut queue, &mut disk, &mut sent, 9);
                }
                if queue.wants_refill() { refill(&mut queue, &disk) }
            }
            for _ in 0..100 {
                for session in [0, 1, 2, 3, 9] { while send(&mut queue, &mut disk, &mut sent, session) {} }
                if queue.wants_refill() { refill(&mut queue, &disk) }
            }
            prop_assert!(disk.is_empty());
            prop_assert_eq!(sent.values().map(Vec::len).sum::<usize>(), sessions.len() + filler.len());
            prop_assert!(sent.values().all(|ids| ids.is_sorted()));
        }
    }
}
