//! The part of an outbox that is in memory.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::sessions::SessionKey;
use crate::spool::OutboxRow;

/// Rows by conversation. Knows neither clock nor disk.
///
/// A row that finds no room is skipped, and with it, until the conversation's next refill, every later one of the
/// same conversation: they must not overtake each other.
///
/// *Bounds*: at most `window` rows, each conversation at most `share`; a conversation without any row here may bring
/// its first one beyond the window, up to twice of it.
pub(crate) struct Queue {
    window: usize,
    share: usize,
    /// A conversation stands here as long as somebody drains it.
    lanes: HashMap<SessionKey, VecDeque<OutboxRow>>,
    loaded: usize,
    /// Conversations of which the spool holds more, with the lowest id that may be there alone.
    behind: HashMap<SessionKey, u64>,
    /// Conversations that are behind with little left to send.
    hungry: VecDeque<SessionKey>,
    /// Conversations that are behind with nothing here, by the lowest id that they wait for.
    starved: BTreeSet<(u64, SessionKey)>,
    /// The spool is being read from its beginning: nothing new goes past what is still to be found there.
    scanning: bool,
    /// Rows up to this id were found by the reading from the beginning, as far as they waited then.
    scanned: u64,
    /// The conversation that is being read, and the first of its rows that was skipped meanwhile.
    reading: Option<(SessionKey, Option<u64>)>,
    /// What ended while the spool is being read, and may be in what was read.
    ended: Vec<Ended>,
}

struct Ended {
    id: u64,
    /// The reply, where the rest of it ended too.
    reply: Option<u64>,
}

impl Ended {
    fn covers(&self, row: &OutboxRow) -> bool {
        row.id == self.id || (self.reply == Some(row.reply) && row.id > self.id)
    }
}

impl Queue {
    pub(crate) fn new(window: usize, share: usize) -> Self {
        Self {
            window,
            share,
            lanes: HashMap::new(),
            loaded: 0,
            behind: HashMap::new(),
            hungry: VecDeque::new(),
            starved: BTreeSet::new(),
            scanning: false,
            scanned: 0,
            reading: None,
            ended: Vec::new(),
        }
    }

    /// Queues a row; returns its conversation where nobody drains that yet. What the reading from the beginning may have
    /// found already is read again rather than taken twice.
    pub(crate) fn push(&mut self, row: OutboxRow) -> Option<SessionKey> {
        if self.scanning
            || row.id <= self.scanned
            || self.behind.contains_key(&row.session)
            || !self.has_room(&row.session)
        {
            self.skip(row.session, row.id);
            return None;
        }
        self.insert(row)
    }

    pub(crate) fn front(&self, session: &SessionKey) -> Option<OutboxRow> {
        self.lanes.get(session)?.front().cloned()
    }

    /// Removes a row that was sent, or, where `dead`, with the rest of its reply, and gives the next one. Without
    /// one the conversation is forgotten, and who drains it must end: the next `push` names it again.
    pub(crate) fn finish(&mut self, session: &SessionKey, row: &OutboxRow, dead: bool) -> Option<OutboxRow> {
        let reply = dead.then_some(row.reply);
        self.remove(session, Ended { id: row.id, reply });
        let lane = self.lanes.get(session)?;
        let (left, next) = (lane.len(), lane.front().cloned());
        if next.is_none() {
            self.lanes.remove(session);
        }
        if !self.is_being_read(session)
            && let Some(from) = self.behind.get(session).copied()
        {
            self.ask_for(session.clone(), from, left);
        }
        next
    }

    /// Removes a row that was dropped; who drains its conversation notices.
    pub(crate) fn withdraw(&mut self, id: u64) {
        let sessions: Vec<SessionKey> = self.lanes.keys().cloned().collect();
        for session in sessions {
            self.remove(&session, Ended { id, reply: None });
        }
    }

    /// Whether nothing of a conversation waits, here or in the spool alone.
    pub(crate) fn is_idle(&self, session: &SessionKey) -> bool {
        !self.scanning && !self.lanes.contains_key(session) && !self.behind.contains_key(session)
    }

    /// Whether a row with this id is in memory.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lanes.values().flatten().any(|row| row.id == id)
    }

    /// Whether a row is still to be sent.
    pub(crate) fn holds(&self, row: &OutboxRow) -> bool {
        let lane = self.lanes.get(&row.session);
        lane.is_some_and(|lane| lane.iter().any(|other| other.id == row.id))
    }

    /// Whether there is anything to send, here or in the spool alone.
    pub(crate) fn has_waiting(&self) -> bool {
        self.loaded > 0 || !self.behind.is_empty() || self.scanning
    }

    /// Everything pushed is skipped until [`Queue::end_scan`].
    pub(crate) fn begin_scan(&mut self) {
        self.scanning = true;
    }

    /// Takes rows in ascending order as the spool has them; returns the conversations to be drained.
    pub(crate) fn scanned(&mut self, rows: Vec<OutboxRow>) -> Vec<SessionKey> {
        let mut started = Vec::new();
        for row in rows {
            self.scanned = row.id;
            if self.ended.iter().any(|ended| ended.covers(&row)) {
                continue;
            }
            if self.behind.contains_key(&row.session) || !self.has_room(&row.session) {
                self.skip(row.session, row.id);
            } else {
                started.extend(self.insert(row));
            }
        }
        started
    }

    pub(crate) fn end_scan(&mut self) {
        self.scanning = false;
        self.ended.clear();
    }

    /// The conversation to read next, and the id after which; answered by [`Queue::refilled`]. One at a time.
    pub(crate) fn refill(&mut self) -> Option<(SessionKey, u64)> {
        if self.scanning || self.reading.is_some() {
            return None;
        }
        loop {
            let session = self.next_hungry().or_else(|| self.next_starved())?;
            if let Some(from) = self.behind.get(&session) {
                let after = from.saturating_sub(1);
                self.reading = Some((session.clone(), None));
                return Some((session, after));
            }
        }
    }

    /// Takes what was read, `None` where that failed; fewer than `page` rows are all there were. Returns the
    /// conversation where nobody drains it.
    pub(crate) fn refilled(&mut self, rows: Option<Vec<OutboxRow>>, page: usize) -> Option<SessionKey> {
        let (session, pushed) = self.reading.take()?;
        let from = self.behind.remove(&session);
        let ended = std::mem::take(&mut self.ended);
        let more = match &rows {
            None => from,
            Some(rows) if rows.len() == page => rows.last().map(|row| row.id + 1),
            Some(_) => None,
        };
        let mut start = None;
        for row in rows.into_iter().flatten() {
            if !ended.iter().any(|ended| ended.covers(&row)) && !self.holds(&row) {
                start = self.insert(row).or(start);
            }
        }
        if let Some(from) = more.into_iter().chain(pushed).min() {
            self.skip(session, from);
        }
        start
    }

    fn next_hungry(&mut self) -> Option<SessionKey> {
        while self.loaded < self.window {
            let session = self.hungry.pop_front()?;
            if self.behind.contains_key(&session) && self.lanes.contains_key(&session) {
                return Some(session);
            }
        }
        None
    }

    fn next_starved(&mut self) -> Option<SessionKey> {
        if self.loaded >= 2 * self.window {
            return None;
        }
        self.starved.pop_first().map(|(_, session)| session)
    }

    fn has_room(&self, session: &SessionKey) -> bool {
        let own = self.own(session);
        (own < self.share && self.loaded < self.window) || (own == 0 && self.loaded < 2 * self.window)
    }

    fn own(&self, session: &SessionKey) -> usize {
        self.lanes.get(session).map_or(0, VecDeque::len)
    }

    fn is_being_read(&self, session: &SessionKey) -> bool {
        self.reading
            .as_ref()
            .is_some_and(|(reading, _)| reading == session)
    }

    /// Says that rows of a conversation from `id` on may be in the spool alone.
    fn skip(&mut self, session: SessionKey, id: u64) {
        if let Some((reading, pushed)) = &mut self.reading
            && *reading == session
        {
            *pushed = Some(pushed.map_or(id, |pushed| pushed.min(id)));
            return;
        }
        let own = self.own(&session);
        match self.behind.get(&session).copied() {
            Some(from) if from <= id => return,
            Some(from) => drop(self.starved.remove(&(from, session.clone()))),
            None => {}
        }
        self.behind.insert(session.clone(), id);
        self.ask_for(session, id, own);
    }

    /// Puts a conversation that is behind in line for a refill, where it has little left.
    fn ask_for(&mut self, session: SessionKey, from: u64, left: usize) {
        if left == 0 {
            self.starved.insert((from, session));
        } else if left <= self.share / 2 && !self.hungry.contains(&session) {
            self.hungry.push_back(session);
        }
    }

    fn insert(&mut self, row: OutboxRow) -> Option<SessionKey> {
        let session = row.session.clone();
        let start = !self.lanes.contains_key(&session);
        let lane = self.lanes.entry(session.clone()).or_default();
        let place = lane.partition_point(|other| other.id < row.id);
        lane.insert(place, row);
        self.loaded += 1;
        start.then_some(session)
    }

    fn remove(&mut self, session: &SessionKey, ended: Ended) {
        if let Some(lane) = self.lanes.get_mut(session) {
            let before = lane.len();
            lane.retain(|row| !ended.covers(row));
            self.loaded -= before - lane.len();
        }
        if self.scanning || self.reading.is_some() {
            self.ended.push(ended);
        }
    }
}

#[cfg(test)]
mod tests;
