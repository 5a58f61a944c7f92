//! What became of messages since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::observe::Histogram;

/// Counts since the start. Of what is `received` every message is `journaled`, a duplicate, ignored, refused or
/// turned away; what is journaled, or was pending at the start, is done in the end; a reply is delivered or dead.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Counters {
    /// Messages that channels handed over.
    pub(crate) received: Count,
    /// Of those, the ones that T1 made durable.
    pub(crate) journaled: Count,
    pub(crate) duplicates: Count,
    /// Strangers, empty and malformed messages.
    pub(crate) ignored: Count,
    /// Too long, too fast.
    pub(crate) refused: Count,
    /// Handed back because the host was full, stopping or could not store; the channel brings them again.
    pub(crate) turned_away: Count,
    /// Messages whose T2 is durable.
    pub(crate) done: Count,
    /// Messages to a platform that it took.
    pub(crate) delivered: Count,
    /// Messages to a platform that became dead letters.
    pub(crate) dead: Count,
    /// Messages that became dead letters, because they ended the process too often.
    pub(crate) buried: Count,
    /// Attempts to send that failed and are repeated.
    pub(crate) failed: Count,
    /// Of the dead ones, those with which the gateway told of itself.
    #[serde(skip)]
    pub(crate) dead_alerts: Count,
    /// From T1 to T2, of every message.
    #[serde(skip)]
    pub(crate) turn_time: Histogram,
    /// From T1 to the platform's acceptance, of every message of an answer.
    #[serde(skip)]
    pub(crate) delivery_time: Histogram,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Serialize for Count {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}
