//! From a channel's batches to T1, and back with the verdicts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{FuturesOrdered, StreamExt};
use miniclaw_plugin_api::wire::Batch as Received;
use miniclaw_plugin_api::{Cause, Error, InboundMessage, OutboundMessage, SenderKind, Verdict};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::albums::Albums;
use super::newcomers::Asking;
use super::told::Told;
use super::{Decision, Gate, Known, Reason, Refusal};
use crate::aliases::Aliases;
use crate::hub::{ChatHub, Load};
use crate::pairing::Pairing;
use crate::plugins::instance::{Answer, InboundRequest};
use crate::sessions::SessionKey;
use crate::spool::{Admission, Batch, BatchItem, Spool, SpoolError, wall_ms};
use crate::telemetry::printable;

/// Batches of one channel that may be on their way to the disk at once.
const IN_FLIGHT: usize = 64;

/// Longest cursor, which is stored with each batch.
const CURSOR_BYTES: usize = 64 * 1024;

/// The intake of one channel instance.
pub(crate) struct Pump {
    pub(crate) channel: Arc<str>,
    pub(crate) account: String,
    pub(crate) gate: watch::Receiver<Arc<Gate>>,
    pub(crate) hub: Arc<ChatHub>,
    pub(crate) spool: Arc<dyn Spool>,
    /// Nothing more is taken.
    pub(crate) stopping: CancellationToken,
    pub(crate) told_old: Arc<Told>,
    pub(crate) aliases: Arc<Aliases>,
    pub(crate) pairing: Arc<Pairing>,
    pub(crate) albums: Albums,
}

/// A batch after the gate.
pub(super) struct Gated {
    pub(super) batch: Batch,
    /// One for each message.
    pub(super) slots: Vec<Slot>,
    /// Conversations whose load was counted, one for each accepted message.
    taken: Vec<SessionKey>,
    /// Conversations that the batch tells of their old messages.
    told_old: Vec<SessionKey>,
    pub(super) newcomers: Vec<Asking>,
}

impl Gated {
    /// Adds a message that is not answered, for what its sender is told, if anything.
    fn refuse(
        &mut self,
        session: SessionKey,
        message: InboundMessage,
        told: Option<(Refusal, OutboundMessage)>,
    ) {
        let (refusal, note) = told.unzip();
        self.batch.items.push(BatchItem::Refused {
            session,
            message: Box::new(message),
            note: note.map(Box::new),
        });
        self.slots.push(Slot::TurnedAway(refusal));
    }
}

/// Where a message's verdict comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Decided(Verdict),
    /// The next admission, of a message to answer.
    Message,
    /// The next admission, of what is turned away: for this, of which its sender is told, or for what it was told before, or
    /// with a code for a stranger.
    TurnedAway(Option<Refusal>),
}

/// A batch on its way to the disk.
struct Stored {
    answer: Answer,
    slots: Vec<Slot>,
    taken: Vec<SessionKey>,
    told_old: Vec<SessionKey>,
    result: Result<Vec<Admission>, SpoolError>,
}

impl Pump {
    /// Takes batches in order until the instance is given up.
    pub(crate) async fn run(self, mut requests: mpsc::Receiver<InboundRequest>) {
        let mut on_their_way = FuturesOrdered::new();
        let mut open = true;
        while open || !on_their_way.is_empty() {
            tokio::select! {
                biased;
                Some(stored) = on_their_way.next() => self.settle(stored),
                request = requests.recv(), if open && on_their_way.len() < IN_FLIGHT => match request {
                    None => open = false,
                    Some(InboundRequest { payload, answer }) => match payload.decode().and_then(|received| self.gate(received)) {
                        // A code is on the disk before anything of its batch is, and the batches stay in order.
                        Ok(gated) if !gated.newcomers.is_empty() => on_their_way.push_back(self.store(self.introduce(gated).await, answer)),
                        Ok(gated) => on_their_way.push_back(self.store(gated, answer)),
                        Err(error) => answer.refuse(error),
                    },
                },
            }
        }
    }

    async fn store(&self, gated: Gated, answer: Answer) -> Stored {
        let Gated {
            batch,
            slots,
            taken,
            told_old,
            newcomers: _,
        } = gated;
        // Both are asked for at once, so that they come before whatever is asked for afterwards.
        let renamed = self.store_aliases();
        let nothing = batch.items.is_empty() && batch.cursor.is_none();
        let accepted = (!nothing).then(|| self.spool.accept(batch));
        let renamed = renamed.await;
        let result = match accepted {
            Some(accepted) => accepted.await,
            // An empty batch asks whether what the channel told of before is on the disk.
            None => renamed.map(|()| Vec::new()),
        };
        Stored {
            answer,
            slots,
            taken,
            told_old,
            result,
        }
    }

    /// What cannot be stored stays with the next batch.
    fn store_aliases(&self) -> impl Future<Output = Result<(), SpoolError>> {
        let unsaved = self.aliases.unsaved();
        let storing = (!unsaved.is_empty()).then(|| self.spool.aliases(unsaved.clone()));
        async move {
            if let Some(storing) = storing {
                storing.await?;
                self.aliases.saved(&unsaved);
            }
            Ok(())
        }
    }

    /// Decides for every message; one that finds no room refuses the whole batch.
    fn gate(&self, received: Received) -> Result<Gated, Error> {
        if self.stopping.is_cancelled() {
            return Err(Error::transient("the gateway is stopping").because(Cause::Stopping));
        }
        let gate = self.gate.borrow().clone();
        let Received { mut messages, cursor } = received;
        if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES) {
            let text = format!("a cursor has at most {CURSOR_BYTES} bytes");
            return Err(Error::permanent(text).because(Cause::Protocol));
        }
        let counters = &self.hub.counters;
        let handed_over = messages.len() as u64;
        counters.received.add(handed_over);
        if self
            .hub
            .outbox(&self.channel)
            .is_some_and(|outbox| outbox.is_full())
        {
            counters.turned_away.add(handed_over);
            self.tell_busy("replies", handed_over);
            return Err(Error::transient("too many replies wait to be sent").because(Cause::Busy));
        }
        let batch = Batch {
            channel: self.channel.clone(),
            account: self.account.clone(),
            items: Vec::new(),
            cursor,
        };
        let mut gated = Gated {
            batch,
            slots: Vec::with_capacity(messages.len()),
            taken: Vec::new(),
            told_old: Vec::new(),
            newcomers: Vec::new(),
        };
        // A batch that begins with room is taken whole: one that is larger than the room would never be.
        let pending = self.hub.load.pending();
        let mut told = HashSet::new();
        let mut malformed = false;
        let (now, now_ms) = (Instant::now(), wall_ms());
        self.albums.address(&mut messages, now);
        for message in messages {
            let first = self.aliases.first(&message.chat);
            let session = SessionKey::new(&self.channel, first.as_ref().unwrap_or(&message.chat));
            let load = self.hub.load.of(&session);
            let load = Load {
                pending,
                told: load.told || told.contains(&session),
                told_old: gate.is_old(&message, now_ms) && self.told_old.goes_on(&session, now),
                ..load
            };
            let chat_before = self.aliases.before(&message.chat.id);
            let known = Known {
                chat_before: &chat_before,
                sender_before: &self.sender_before(&message),
                paired: gate.pairs() && self.pairing.is_approved(&self.channel, &message.sender.id),
            };
            let decision = gate.decide(&message, known, load, now_ms);
            self.tell(&session, &message, &decision);
            match decision {
                Decision::Accept => {
                    self.hub.load.take(&session);
                    self.albums.taken(&message, now);
                    gated.taken.push(session.clone());
                    gated.batch.items.push(BatchItem::Message {
                        session,
                        message: Box::new(message),
                    });
                    gated.slots.push(Slot::Message);
                }
                Decision::Refuse(refusal) => {
                    match refusal {
                        Refusal::TooFast => drop(told.insert(session.clone())),
                        Refusal::Stale => {
                            self.told_old.tell(&session, now);
                            gated.told_old.push(session.clone());
                        }
                        Refusal::TooLong => {}
                    }
                    let note = self.refusal(&session, &message, refusal);
                    gated.refuse(session, message, Some((refusal, note)));
                }
                Decision::RefuseSilently => {
                    debug!(channel = %self.channel, conversation = %session.0, "Message refused, its sender was told before");
                    // It is stored all the same: handed over again after a crash it may find room, behind later ones.
                    gated.refuse(session, message, None);
                }
                Decision::Ignore(reason) => {
                    if reason == Reason::Group {
                        self.told_old.asked_in(&printable(&message.chat.id, 64), now);
                    }
                    if reason == Reason::Group && self.told_old.names(&message.chat.id) {
                        let group = printable(&message.chat.id, 64);
                        let how = "Message ignored, its group is not in the list; to be answered there, add the group's id";
                        info!(channel = %self.channel, group, "{how} to `channels.{}.groups.allow`", self.channel);
                    }
                    if reason == Reason::Malformed && !malformed {
                        malformed = true;
                        warn!(
                            channel = %self.channel,
                            "Message ignored: the plugin gave it no id, or one of more than a kilobyte"
                        );
                    }
                    debug!(channel = %self.channel, ?reason, "Message ignored");
                    gated.slots.push(Slot::Decided(Verdict::Ignored));
                }
                Decision::Introduce if self.pairing.may_ask(&self.channel, &message.sender.id, now_ms) => {
                    gated
                        .newcomers
                        .push(Asking::new(&self.channel, &message, &gated.batch.items));
                    // The note has its text when there is a code.
                    gated.refuse(session, message, None);
                }
                Decision::Introduce => {
                    debug!(channel = %self.channel, "Message of a stranger ignored, who gets no code");
                    gated.slots.push(Slot::Decided(Verdict::Ignored));
                }
                Decision::Busy => {
                    self.take_back(&gated.taken, &gated.told_old);
                    counters.turned_away.add(handed_over);
                    self.tell_busy("messages", handed_over);
                    return Err(
                        Error::transient("too many messages wait to be answered").because(Cause::Busy)
                    );
                }
            }
        }
        Ok(gated)
    }

    /// Ids that the sender had before, where that is a chat.
    fn sender_before(&self, message: &InboundMessage) -> Vec<String> {
        match message.sender.kind {
            SenderKind::AnonymousAdmin | SenderKind::Channel => self.aliases.before(&message.sender.id),
            _ => Vec::new(),
        }
    }

    fn refusal(&self, session: &SessionKey, message: &InboundMessage, refusal: Refusal) -> OutboundMessage {
        warn!(channel = %self.channel, conversation = %session.0, ?refusal, "Message refused, its sender is told so");
        let mut note = OutboundMessage::new(message.chat.clone(), self.gate.borrow().sentence(refusal));
        note.reply_to = Some(message.id.clone());
        note
    }

    /// After T1: messages to the hub, verdicts to the channel.
    fn settle(
        &self,
        Stored {
            answer,
            slots,
            taken,
            told_old,
            result,
        }: Stored,
    ) {
        let admissions = match result {
            Ok(admissions) => admissions,
            Err(error) => {
                self.take_back(&taken, &told_old);
                self.hub.counters.turned_away.add(slots.len() as u64);
                answer.refuse(self.storage_error(error));
                return;
            }
        };
        let mut admissions = admissions.into_iter();
        let mut taken = taken.iter();
        let mut untold = false;
        let verdicts: Vec<Verdict> = slots
            .into_iter()
            .map(|slot| match slot {
                Slot::Decided(verdict) => {
                    self.hub.counters.ignored.add(1);
                    verdict
                }
                Slot::Message => self.admit(admissions.next(), taken.next()),
                Slot::TurnedAway(refusal) => {
                    let admission = admissions.next();
                    untold |= refusal.is_some() && !matches!(admission, Some(Admission::Noted(_)));
                    self.turn_away(admission, refusal)
                }
            })
            .collect();
        if untold {
            // What counted as telling was known already: who comes next is told.
            told_old.iter().for_each(|session| self.told_old.forget(session));
        }
        answer.verdicts(&verdicts);
    }

    /// Nothing of a batch was stored.
    fn take_back(&self, taken: &[SessionKey], told_old: &[SessionKey]) {
        taken.iter().for_each(|session| self.hub.load.release(session));
        told_old.iter().for_each(|session| self.told_old.forget(session));
    }

    /// `taken` is the conversation whose load was counted for it.
    fn admit(&self, admission: Option<Admission>, taken: Option<&SessionKey>) -> Verdict {
        match admission {
            Some(Admission::Accepted(row)) => {
                debug!(
                    inbound = row.seq,
                    conversation = %row.session.0,
                    platform_id = row.message.id,
                    "Message accepted"
                );
                self.hub.counters.journaled.add(1);
                self.tell_journaled(&row);
                self.hub.push(row);
                Verdict::Accepted
            }
            known => {
                if let Some(session) = taken {
                    self.tell_duplicate(session);
                    self.hub.load.release(session);
                }
                self.known(known)
            }
        }
    }

    /// What is not answered. Its note goes out, unless the message was known.
    fn turn_away(&self, admission: Option<Admission>, refusal: Option<Refusal>) -> Verdict {
        match admission {
            Some(Admission::Noted(row)) => {
                if refusal == Some(Refusal::TooFast) {
                    self.hub.load.tell(&row.session);
                }
                self.hub.route(vec![row]);
            }
            Some(Admission::Refused) => {}
            known => return self.known(known),
        }
        self.hub.counters.refused.add(1);
        Verdict::Ignored
    }

    /// What was handed over before has the verdict that it had then.
    fn known(&self, admission: Option<Admission>) -> Verdict {
        self.hub.counters.duplicates.add(1);
        match admission {
            Some(Admission::RefusedBefore) => Verdict::Ignored,
            _ => Verdict::Duplicate,
        }
    }

    /// While the disk takes nothing the channel pauses, as when the host is full.
    fn storage_error(&self, error: SpoolError) -> Error {
        let text = error.to_string();
        match error {
            SpoolError::Unavailable { .. } => Error::transient(text).because(Cause::Busy),
            SpoolError::Closed => Error::transient(text).because(Cause::Stopping),
            // The gateway hears of it from the spool itself.
            SpoolError::Fatal { .. } | SpoolError::Refused { .. } => {
                Error::transient(text).because(Cause::Stopping)
            }
        }
    }
}
