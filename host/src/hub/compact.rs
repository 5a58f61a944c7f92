//! Summing up after a turn, in the conversation's lane.

use tokio_util::sync::CancellationToken;

use super::{ChatHub, Policy};
use crate::spool::{FinishedTurn, InboundRow};

impl ChatHub {
    /// Sums up what the model will soon be unable to read. Nobody waits for it but the conversation's next message; a stop of
    /// the gateway and `/stop` end it, and a later turn makes up for it.
    pub(super) async fn compact(&self, row: &InboundRow, policy: &Policy, stop: &CancellationToken) {
        let sessions = &self.parts.sessions;
        // What cannot be read now is the next turn's to tell.
        let Ok(snapshot) = sessions.snapshot(&row.session).await else {
            return;
        };
        let compacted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = self.stopping.cancelled() => return,
            compacted = policy.agent.compact(row, &snapshot) => compacted,
        };
        let Some(compacted) = compacted else { return };
        // A note of the outbox may have come in between: then the summary would not stand where it belongs.
        let unchanged = match sessions.snapshot(&row.session).await {
            Ok(now) => now.generation == snapshot.generation && now.entries == snapshot.entries,
            Err(_) => false,
        };
        let turn = FinishedTurn {
            session: row.session.clone(),
            generation: snapshot.generation,
            new_generation: false,
            inbound: Vec::new(),
            entries: compacted.entry.into_iter().filter(|_| unchanged).collect(),
            channel: row.channel.clone(),
            chunks: Vec::new(),
            story: None,
            usage: compacted.usage,
            choice: None,
        };
        drop(snapshot);
        let Some(committed) = self.keep(|| self.parts.spool.finish(&turn)).await else {
            return;
        };
        policy.agent.budget.add(&row.session, &turn.usage);
        sessions.applied(&row.session, turn.generation, committed.journal, turn.entries);
    }
}
