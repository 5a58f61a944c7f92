//! What a crash leaves: the platform's queue, the spool, and what people saw.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use miniclaw_plugin_api::{ChatRef, InboundMessage, OutboundMessage};

use crate::sessions::SessionKey;
use crate::spool::OutboxRow;

/// A message of a person, by its chat and a number that rises over all chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Written {
    pub(super) chat: u8,
    pub(super) number: u32,
}

impl Written {
    pub(super) fn session(self) -> SessionKey {
        SessionKey::new("c", &ChatRef::new(self.chat.to_string()))
    }

    pub(super) fn message(self) -> InboundMessage {
        InboundMessage::new(self.chat.to_string(), self.number.to_string(), "42", "hi")
    }
}

/// An inbound row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) written: Written,
    pub(super) attempts: u32,
}

#[derive(Debug, Default)]
pub(super) struct World {
    /// Not confirmed, in order; handed over again after a crash.
    pub(super) platform: VecDeque<Written>,
    /// The spool's identities of messages.
    pub(super) seen: HashSet<u32>,
    /// The spool's messages that wait, by `seq`.
    pub(super) inbound: BTreeMap<u64, Pending>,
    /// The spool's rows that wait, by id.
    pub(super) outbox: BTreeMap<u64, OutboxRow>,
    last_id: u64,
    written: u32,
    /// Messages that were refused without a word, because their sender had been told.
    silent: HashSet<u32>,
    /// How often a message was answered by T2 or by a note.
    answered: HashMap<u32, usize>,
    /// Numbers of messages in the order of T2, by chat.
    turns: HashMap<u8, Vec<u32>>,
    /// Rows that the platform took, in order.
    sent: Vec<(SessionKey, u64)>,
    /// How often a row may be sent beyond the first time.
    pub(super) repeats: HashMap<u64, usize>,
    /// Rows that were ever stored and are not dead letters.
    living: HashSet<u64>,
}

impl World {
    pub(super) fn write(&mut self, chat: u8) {
        self.written += 1;
        let number = self.written;
        self.platform.push_back(Written { chat, number });
    }

    /// T1 for one message; `None` for a duplicate.
    pub(super) fn accept(&mut self, written: Written) -> Option<u64> {
        let fresh = self.seen.insert(written.number);
        fresh.then(|| {
            let seq = self.id();
            let attempts = 0;
            self.inbound.insert(seq, Pending { written, attempts });
            seq
        })
    }

    /// T1 for a refused message: its note, or `None` for a duplicate.
    pub(super) fn note(&mut self, written: Written) -> Option<OutboxRow> {
        let fresh = self.seen.insert(written.number);
        fresh.then(|| {
            *self.answered.entry(written.number).or_default() += 1;
            let reply = self.id();
            self.store(written, reply)
        })
    }

    /// T1 for a message that is refused without a note.
    pub(super) fn refuse(&mut self, written: Written) {
        if self.seen.insert(written.number) {
            self.silent.insert(written.number);
        }
    }

    /// T2.
    pub(super) fn finish(&mut self, seq: u64, chunks: usize) -> Vec<OutboxRow> {
        let Some(Pending { written, .. }) = self.inbound.remove(&seq) else {
            panic!("message {seq} is answered twice");
        };
        *self.answered.entry(written.number).or_default() += 1;
        self.turns.entry(written.chat).or_default().push(written.number);
        (0..chunks).map(|_| self.store(written, seq)).collect()
    }

    fn store(&mut self, written: Written, reply: u64) -> OutboxRow {
        let chat = ChatRef::new(written.chat.to_string());
        let row = OutboxRow {
            id: self.id(),
            channel: "c".into(),
            session: written.session(),
            reply,
            message: Arc::new(OutboundMessage::new(chat, "x")),
            attempts: 0,
            kills: 0,
            outage: false,
            ambiguous: false,
            not_before_ms: 0,
            created: 0,
            asked_ms: None,
        };
        self.living.insert(row.id);
        self.outbox.insert(row.id, row.clone());
        row
    }

    /// The platform takes a row.
    pub(super) fn receive(&mut self, row: &OutboxRow) {
        self.sent.push((row.session.clone(), row.id));
    }

    /// T4 of a dead letter.
    pub(super) fn bury(&mut self, row: &OutboxRow) {
        let dead = |id: u64, other: &OutboxRow| id >= row.id && other.reply == row.reply;
        let living = &mut self.living;
        self.outbox.retain(|id, other| {
            let dead = dead(*id, other);
            if dead {
                living.remove(id);
            }
            !dead
        });
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.platform.is_empty() && self.inbound.is_empty() && self.outbox.is_empty()
    }

    /// What must hold once everything has come to rest.
    pub(super) fn check(&self) {
        for number in 1..=self.written {
            let times = self.answered.get(&number).copied().unwrap_or(0);
            let expected = usize::from(!self.silent.contains(&number));
            assert_eq!(times, expected, "answers to message {number}");
        }
        assert!(self.turns.values().all(|numbers| numbers.is_sorted()));
        let mut by_chat: HashMap<&SessionKey, Vec<u64>> = HashMap::new();
        let mut times: HashMap<u64, usize> = HashMap::new();
        for (session, id) in &self.sent {
            by_chat.entry(session).or_default().push(*id);
            *times.entry(*id).or_default() += 1;
        }
        assert!(by_chat.values().all(|ids| ids.is_sorted()), "{by_chat:?}");
        for (id, times) in &times {
            let most = 1 + self.repeats.get(id).copied().unwrap_or(0);
            assert!(*times <= most, "row {id} was sent {times} times");
        }
        assert!(
            self.living.iter().all(|id| times.contains_key(id)),
            "a row is lost"
        );
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
