//! One row's way to the platform: attempts with backoff until it is sent or dead.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Cause, Error, OutboundMessage, Outcome, Role, Sent};
use tokio::sync::SemaphorePermit;
use tracing::{debug, error, warn};

use super::{Busy, Outbox, draft, events, lock};
use crate::backoff::{Backoff, chance};
use crate::config::OnUnknown;
use crate::dispatch::is_alert;
use crate::plugins::instance::{Instance, Method};
use crate::sessions::{Entry, SessionKey};
use crate::spool::{OutboxRow, SendEvent, until_stored, wall_ms};

/// Between attempts at the same message.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
};

/// The same while the platform is known not to have heard of it.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(4),
};

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    Sent,
    /// With the rest of its reply: so many rows.
    Dead(usize),
    /// The operator dropped it.
    Dropped,
}

/// Sends that end their plugin before a row is a dead letter.
const MAX_KILLS: u32 = 3;
/// What may have ended its plugin's process is sent by itself, and not before the process is this old: what ends it
/// otherwise, sooner than that, buries no innocent.
const ALONE_AFTER: Duration = Duration::from_secs(2);
/// What a row is buried with that may have been sent.
const MAYBE_SENT: &str = "it may have been sent when the gateway ended";
/// A wait that is not worth another start.
const SOON: Duration = Duration::from_secs(1);
/// Of a message's text, for the session that learns of its fate.
const EXCERPT: usize = 120;

/// What to do after an error.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Again(Duration),
    Dead,
}

impl Outbox {
    /// Sends a row until it is answered; `None` where the outbox was closed before.
    pub(super) async fn deliver(&self, row: &OutboxRow, busy: &mut Busy) -> Option<Delivered> {
        if draft::replaced(&row.message).is_none() && self.must_not_repeat(row) {
            return self.bury(row, MAYBE_SENT).await;
        }
        let (mut attempts, mut kills, mut outage) = (row.attempts, row.kills, row.outage);
        // A start looks at the platform anew.
        let mut not_before = if outage {
            Instant::now()
        } else {
            until(row.not_before_ms)
        };
        loop {
            self.wait(row, not_before, outage, busy).await?;
            let instance = self.running(busy).await?;
            // Held until the end is recorded: a kill repeats what was not, and no more than may be under way.
            let Some(_permit) = self.place(row, kills > 0, &instance, busy).await? else {
                if self.lock().holds(row) {
                    continue;
                }
                return Some(Delivered::Dropped);
            };
            if attempts > 0 && self.left(row).is_zero() {
                let age = self.config().max_age;
                return self.bury(row, &format!("it could not be sent for {age:?}")).await;
            }
            #[cfg(feature = "otel")]
            let began = Instant::now();
            let sent = self.send(row, &instance).await?;
            #[cfg(feature = "otel")]
            crate::observe::otel::sent(self.spool.id(), row, attempts + 1, began.elapsed(), sent.is_err());
            let error = match sent {
                Ok(sent) => {
                    let stub = draft::left_over(&row.message, &sent);
                    let delivered = self.record_sent(row, sent).await;
                    // In another chat the id is that of another message.
                    if let Some(stub) = stub
                        && matches!(self.addressed(&row.message), Cow::Borrowed(_))
                    {
                        draft::remove(&instance, stub).await;
                    }
                    return delivered;
                }
                Err(error) => error,
            };
            attempts += 1;
            kills += u32::from(ended_the_plugin(&error));
            if kills >= MAX_KILLS {
                return self
                    .bury(row, &format!("its send ended the plugin {kills} times"))
                    .await;
            }
            match next(&error, attempts, self.config().on_unknown, chance()) {
                Next::Dead => {
                    events::failed(row, attempts, None, &error);
                    instance.blueprint.hint_at_sandbox(&self.channel, &error);
                    return self.bury(row, &error.message).await;
                }
                Next::Again(wait) => {
                    // A platform that asks for more than that is not going to take it.
                    let wait = wait.min(self.left(row) + Duration::from_secs(1));
                    self.counters.failed.add(1);
                    warn!(id = row.id, attempts, ?wait, %error, "Message not sent, it is sent again");
                    events::failed(row, attempts, Some(wait), &error);
                    instance.blueprint.hint_at_sandbox(&self.channel, &error);
                    not_before = Instant::now() + wait;
                    outage = of_the_platform(&error);
                    self.told_to_wait(&row.session, &error, not_before);
                    self.put_off(row, attempts, wait, &error).await?;
                }
            }
        }
    }

    async fn put_off(&self, row: &OutboxRow, attempts: u32, wait: Duration, error: &Error) -> Option<usize> {
        let not_before_ms = wall_ms() + i64::try_from(wait.as_millis()).unwrap_or_default();
        self.record(|| SendEvent::Retry {
            id: row.id,
            attempts,
            not_before_ms,
            error: error.message.clone(),
            killed: ended_the_plugin(error),
            outage: of_the_platform(error),
        })
        .await
    }

    /// The message as it goes out: to where its chat is by now.
    pub(crate) fn addressed<'a>(&self, message: &'a OutboundMessage) -> Cow<'a, OutboundMessage> {
        let Some(chat) = self.aliases.last(&message.chat) else {
            return Cow::Borrowed(message);
        };
        let mut moved = message.clone();
        moved.chat = chat;
        // The new chat numbers its messages anew.
        moved.reply_to = None;
        Cow::Owned(moved)
    }

    /// What is left of the time in which a row is tried again.
    fn left(&self, row: &OutboxRow) -> Duration {
        let age = Duration::from_secs(self.spool.activity_now().saturating_sub(row.created));
        self.config().max_age.saturating_sub(age)
    }

    /// The running instance, as soon as there is one; `None` where there is going to be none.
    pub(crate) async fn running_instance(&self) -> Option<Arc<Instance>> {
        self.instance
            .clone()
            .wait_for(Option::is_some)
            .await
            .ok()?
            .clone()
    }

    /// The running instance, as soon as there is one; `None` where the outbox was closed before.
    async fn running(&self, busy: &mut Busy) -> Option<Arc<Instance>> {
        if let Some(instance) = self.instance() {
            return Some(instance);
        }
        busy.set(false);
        let mut instances = self.instance.clone();
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            instance = instances.wait_for(Option::is_some) => instance.ok()?.clone(),
        }
    }

    /// A place among the sends that may be under way; all places for a `suspect`, since a process that ends does not say
    /// of which send. The inner `None` where something changed while it waited for one: the row was dropped, the platform
    /// asked all to wait, or the instance is another one by now.
    async fn place(
        &self,
        row: &OutboxRow,
        suspect: bool,
        instance: &Arc<Instance>,
        busy: &mut Busy,
    ) -> Option<Option<SemaphorePermit<'_>>> {
        let alone = suspect && instance.blueprint.is_isolated();
        if alone {
            busy.set(false);
            self.until_old(instance).await?;
        }
        busy.set(true);
        let places = match u32::try_from(self.config().max_concurrent_sends) {
            Ok(all) if alone => all,
            _ => 1,
        };
        let permit = tokio::select! {
            biased;
            () = self.closed.cancelled() => return None,
            permit = self.sends.acquire_many(places) => permit.ok()?,
        };
        let same = self
            .instance()
            .is_some_and(|current| Arc::ptr_eq(&current, instance));
        let held_up = lock(&self.hold).all_until(Instant::now()).is_some();
        Some((same && !held_up && self.lock().holds(row)).then_some(permit))
    }

    /// Waits until an instance is old enough for a suspect, or is another one; `None` where the outbox was closed before.
    async fn until_old(&self, instance: &Instance) -> Option<()> {
        let mut instances = self.instance.clone();
        let another = |current: &Option<Arc<Instance>>| {
            current
                .as_deref()
                .is_none_or(|current| !std::ptr::eq(current, instance))
        };
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            () = tokio::time::sleep(ALONE_AFTER.saturating_sub(instance.born.elapsed())) => Some(()),
            _ = instances.wait_for(another) => Some(()),
        }
    }

    /// One attempt; the outer `None` where the spool is over.
    async fn send(&self, row: &OutboxRow, instance: &Instance) -> Option<Result<Sent, Error>> {
        if self.config().on_unknown == OnUnknown::Hold {
            self.record(|| SendEvent::Sending { id: row.id }).await?;
        }
        let message = self.addressed(&row.message);
        if draft::replaced(&message).is_some() {
            let moved = matches!(message, Cow::Owned(_));
            match self.take_place(&message, moved, instance).await {
                Err(error) if draft::is_gone(&error) && self.must_not_repeat(row) => {
                    return Some(Err(Error::unknown(MAYBE_SENT)));
                }
                Err(error) if draft::is_gone(&error) => {
                    debug!(%error, "Draft cannot be changed, the reply is a message of its own");
                }
                ended => return Some(ended),
            }
        }
        let _place = self.parcels.place(&message).await;
        let message = match self.parcels.filled(message).await {
            Ok(message) => message,
            Err(error) => return Some(Err(error)),
        };
        let result = instance.call(Method::SEND, &*message).await;
        Some(result.and_then(|payload| payload.decode()))
    }

    /// Changes the draft that a message replaces into it, unless the chat `moved`.
    async fn take_place(
        &self,
        message: &OutboundMessage,
        moved: bool,
        instance: &Instance,
    ) -> Result<Sent, Error> {
        match draft::replaced(message).filter(|_| !moved) {
            Some(id) => {
                draft::change(instance, id, message).await?;
                Ok(Sent::one(id))
            }
            // In another chat the id is that of another message.
            _ => Err(Error::permanent("its chat has another id by now").because(Cause::NotFound)),
        }
    }

    /// Whether a send may have happened, and the operator wants none twice.
    fn must_not_repeat(&self, row: &OutboxRow) -> bool {
        row.ambiguous && self.config().on_unknown == OnUnknown::Hold
    }

    /// Waits for a row's time. It comes at once when the operator asks for that and, with `outage`, when the platform
    /// is there again.
    async fn wait(
        &self,
        row: &OutboxRow,
        mut not_before: Instant,
        outage: bool,
        busy: &mut Busy,
    ) -> Option<()> {
        let mut nudges = self.nudges.subscribe();
        let mut recoveries = self.recoveries.subscribe();
        loop {
            if !self.lock().holds(row) {
                return Some(());
            }
            let now = Instant::now();
            if lock(&self.hurried).remove(&row.id) {
                not_before = now;
            }
            let hold = lock(&self.hold).all_until(now);
            let until = hold.map_or(not_before, |hold| hold.max(not_before));
            if until <= now {
                return (!self.closed.is_cancelled()).then_some(());
            }
            // A stop waits for what is about to go out.
            let soon = if draft::replaced(&row.message).is_some() {
                draft::PACE
            } else {
                SOON
            };
            busy.set(until - now <= soon);
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return None,
                nudged = nudges.changed() => {
                    nudged.ok()?;
                }
                recovered = recoveries.changed(), if outage => {
                    recovered.ok()?;
                    not_before = now;
                }
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Notes that the platform asks a conversation to wait.
    pub(super) fn told_to_wait(&self, session: &SessionKey, error: &Error, until: Instant) {
        if error.cause == Cause::RateLimited {
            lock(&self.hold).told(session, Instant::now(), until);
        }
    }

    async fn record_sent(&self, row: &OutboxRow, sent: Sent) -> Option<Delivered> {
        debug!(id = row.id, ids = ?sent.ids, "Message sent");
        self.succeeded(Instant::now());
        self.record(|| SendEvent::Sent {
            id: row.id,
            message_ids: sent.ids.clone(),
        })
        .await?;
        self.parcels.sent(&row.message);
        events::sent(row, &sent);
        Some(Delivered::Sent)
    }

    async fn bury(&self, row: &OutboxRow, reason: &str) -> Option<Delivered> {
        error!(
            id = row.id,
            reason, "Message cannot be delivered, it and the rest of its reply are dead letters"
        );
        // What the gateway tells of itself is no part of a conversation.
        let note =
            (!is_alert(&row.message)).then(|| Entry::new(Role::System, undelivered(row, reason), wall_ms()));
        let rows = self
            .record(|| SendEvent::Dead {
                id: row.id,
                error: reason.to_owned(),
                note: note.clone(),
            })
            .await?;
        self.sessions.journaled(&row.session);
        events::buried(row, reason, rows);
        Some(Delivered::Dead(rows))
    }

    /// Stores an event, again and again while the disk takes nothing: to forget that a message was sent would
    /// send it twice. `None` where the spool is over.
    async fn record(&self, event: impl Fn() -> SendEvent) -> Option<usize> {
        until_stored(|| self.spool.record(event())).await.ok()
    }
}

/// What the session learns, so that the agent does not go on as if it had been heard.
fn undelivered(row: &OutboxRow, reason: &str) -> String {
    let text = row.message.text();
    let excerpt = &text[..text.floor_char_boundary(EXCERPT)];
    let reason = &reason[..reason.floor_char_boundary(EXCERPT)];
    format!("This message of yours did not reach the user ({reason}): {excerpt}")
}

/// The moment of a wall clock time, or the present where that has passed. The clock may have jumped since: what
/// was to wait longer than any backoff is tried after the longest one.
fn until(unix: i64) -> Instant {
    let wait = Duration::from_millis(u64::try_from(unix.saturating_sub(wall_ms())).unwrap_or_default());
    Instant::now() + wait.min(BACKOFF.longest)
}

fn ended_the_plugin(error: &Error) -> bool {
    error.cause == Cause::Panicked
}

/// Whether an error speaks of the platform rather than of the message, and the platform named no time.
fn of_the_platform(error: &Error) -> bool {
    let named = matches!(error.outcome, Outcome::Transient { retry_after: Some(_) });
    let cause = matches!(
        error.cause,
        Cause::Network | Cause::Unavailable | Cause::Timeout | Cause::Protocol
    );
    cause && !named
}

/// Decides from what is known of a failed attempt, the `attempts`th.
fn next(error: &Error, attempts: u32, on_unknown: OnUnknown, chance: f64) -> Next {
    match error.outcome {
        Outcome::Transient {
            retry_after: Some(wait),
        } => Next::Again(wait),
        // It was certainly not done, so asking often repeats nothing, and it is sent soon after an outage.
        Outcome::Transient { retry_after: None } if of_the_platform(error) => {
            Next::Again(OUTAGE.wait(attempts, chance))
        }
        Outcome::Transient { retry_after: None } => Next::Again(BACKOFF.wait(attempts, chance)),
        // The channel is at fault, not the message: it can be sent when the operator has mended that.
        Outcome::Permanent if matches!(error.cause, Cause::Auth | Cause::Config) => {
            Next::Again(BACKOFF.wait(attempts, chance))
        }
        Outcome::Permanent => Next::Dead,
        _ if on_unknown == OnUnknown::Hold => Next::Dead,
        _ => Next::Again(BACKOFF.wait(attempts, chance)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_decides_what_comes_next() {
        let second = Duration::from_secs(1);
        let cases = [
            (
                Error::transient("x").because(Cause::Network),
                OnUnknown::Hold,
                Next::Again(second),
            ),
            (
                Error::transient("x").retry_after(7 * second),
                OnUnknown::Resend,
                Next::Again(7 * second),
            ),
            (Error::transient("x"), OnUnknown::Hold, Next::Again(second)),
            (Error::permanent("x"), OnUnknown::Resend, Next::Dead),
            (
                Error::permanent("x").because(Cause::Auth),
                OnUnknown::Resend,
                Next::Again(second),
            ),
            (Error::unknown("x"), OnUnknown::Resend, Next::Again(second)),
            (Error::unknown("x"), OnUnknown::Hold, Next::Dead),
        ];
        for (error, on_unknown, expected) in cases {
            assert_eq!(next(&error, 1, on_unknown, 1.0), expected, "{error:?}");
        }
        let unreachable = Error::transient("x").because(Cause::Network);
        let often = next(&unreachable, 20, OnUnknown::Resend, 1.0);
        assert_eq!(often, Next::Again(OUTAGE.longest));
        let perhaps_done = Error::unknown("x").because(Cause::Unavailable);
        let rarely = next(&perhaps_done, 20, OnUnknown::Resend, 1.0);
        assert_eq!(rarely, Next::Again(BACKOFF.longest));
    }
}
