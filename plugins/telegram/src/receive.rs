//! The poll: takes updates in, hands them to the host, and confirms them only then.
//!
//! There is no cursor on disk. After a week without updates Telegram draws the next update id at random, and
//! `offset=N` deletes every update below N at once: an offset from before could delete what nobody has seen.
//! A poll without an offset gets everything that is not confirmed, and what the host had already it tells by
//! the message's own identity.

mod batch;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod handover;
mod offset;
mod outage;
mod removal;
mod trouble;

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{Inbox, Result, Stop};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use teloxide::types::AllowedUpdate;

use crate::Telegram;
use crate::api::{Api, Failure};
use crate::inbound::Me;
pub(crate) use batch::Batch;
pub(crate) use handover::Handover;
pub(crate) use offset::Offset;
pub(crate) use outage::{Before, Outage};
use removal::Removals;

/// `getMe` runs inside the host's deadline for `start`, which is 30 s.
const IDENTIFY_DEADLINE: Duration = Duration::from_secs(10);
/// How much longer than the poll itself its answer may take.
const POLL_MARGIN: Duration = Duration::from_secs(15);
/// For the last, confirming poll; the host gives `receive` 2 s to end.
const CONFIRM_DEADLINE: Duration = Duration::from_millis(1500);
/// A poll that brings nothing sooner than this did not wait, whatever it was told.
const INSTANT: Duration = Duration::from_millis(20);
/// Polls that may bring nothing at once before the loop takes a breath.
const INSTANT_POLLS: u32 = 20;
/// A breath keeps a server that does not wait from using up a core.
const BREATH: Duration = Duration::from_millis(20);

/// Named in every poll, because Telegram remembers what an earlier client of this bot asked for.
pub(crate) const ALLOWED: [AllowedUpdate; 5] = [
    AllowedUpdate::Message,
    AllowedUpdate::EditedMessage,
    AllowedUpdate::ChannelPost,
    AllowedUpdate::EditedChannelPost,
    AllowedUpdate::CallbackQuery,
];

/// The parameters of `getUpdates`; teloxide's have no room for an offset beyond 31 bits.
#[derive(Serialize)]
struct Poll {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    timeout: u64,
    limit: u8,
    allowed_updates: [AllowedUpdate; 5],
}

/// Asks who the token belongs to.
pub(crate) async fn identify(api: &Api) -> Result<Me> {
    api.call("getMe", &json!({}), IDENTIFY_DEADLINE)
        .await
        .map_err(|failure| {
            let refused = matches!(&failure, Failure::Refused(refusal) if matches!(refusal.code, 400 | 403));
            let mut error = failure.into_read_error("getMe");
            if refused {
                error.message = format!(
                    "telegram does not say who this bot is: {}; see whether `api_url` and `proxy` of this channel \
                     lead to the Bot API, and whether `token` is the bot's",
                    error.message
                );
            }
            error
        })
}

/// One `receive` under way.
pub(crate) struct Receiver<'a> {
    channel: &'a Telegram,
    me: &'a Me,
    handover: Handover<'a>,
    stop: Stop,
    offset: Offset,
    outage: Outage<'a>,
    removals: Removals,
    instant_polls: u32,
}

/// Whether to go on.
enum Step {
    Continue,
    Stop,
}

impl<'a> Receiver<'a> {
    pub(crate) fn new(channel: &'a Telegram, me: &'a Me, inbox: Inbox, stop: Stop, offset: Offset) -> Self {
        Self {
            channel,
            me,
            handover: Handover::new(channel, inbox, stop.clone()),
            stop,
            offset,
            outage: Outage::new(channel),
            removals: Removals::default(),
            instant_polls: 0,
        }
    }

    pub(crate) async fn run(mut self) -> Result<()> {
        let mut stop = self.stop.clone();
        loop {
            let polled = tokio::select! {
                biased;
                () = stop.requested() => break,
                polled = self.poll() => polled,
            };
            let step = match polled {
                Ok(batch) => self.accept(batch).await?,
                Err(failure) => self.wait_out(&failure).await?,
            };
            if matches!(step, Step::Stop) {
                break;
            }
        }
        self.confirm().await;
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch, Failure> {
        let started = Instant::now();
        let timeout = self.channel.poll_timeout;
        let offset = self.offset.current();
        let updates = self
            .get_updates(offset, timeout, 100, timeout + POLL_MARGIN)
            .await?;
        let batch = Batch::read(&updates, self.me);
        if batch.next.is_none() && !updates.is_empty() {
            // Nothing in it has an id, so that nothing can be confirmed: it will come again.
            return Err(Failure::Garbled(200));
        }
        let idle = batch.next.is_none() || batch.next == offset;
        if idle && started.elapsed() < INSTANT {
            self.instant_polls = self.instant_polls.saturating_add(1);
        } else {
            self.instant_polls = 0;
        }
        self.offset.sent(offset);
        Ok(batch)
    }

    async fn get_updates(
        &self,
        offset: Option<i64>,
        timeout: Duration,
        limit: u8,
        deadline: Duration,
    ) -> Result<Vec<Box<RawValue>>, Failure> {
        let poll = Poll {
            offset,
            timeout: timeout.as_secs(),
            limit,
            allowed_updates: ALLOWED,
        };
        self.channel.api.call("getUpdates", &poll, deadline).await
    }

    /// Hands a batch over. Its updates are confirmed by the next poll's offset, which moves only when the host
    /// has all of them on disk.
    async fn accept(&mut self, batch: Batch) -> Result<Step> {
        self.outage.over();
        self.removals.over();
        let next = batch.next;
        if !self.handover.take(batch).await? {
            return Ok(Step::Stop);
        }
        if let Some(next) = next {
            self.offset.advance(next);
            self.keep_offset();
        }
        if self.instant_polls > INSTANT_POLLS {
            return Ok(self.pause(BREATH).await);
        }
        Ok(Step::Continue)
    }

    async fn wait_out(&mut self, failure: &Failure) -> Result<Step> {
        match self.outage.after("getUpdates", failure)? {
            Before::Wait(wait) => Ok(self.pause(wait).await),
            Before::RemoveWebhook => Ok(self.remove_webhook().await),
        }
    }

    async fn pause(&mut self, wait: Duration) -> Step {
        tokio::select! {
            biased;
            () = self.stop.requested() => Step::Stop,
            () = tokio::time::sleep(wait) => Step::Continue,
        }
    }

    /// Spares the next start some duplicates; skipping it loses nothing.
    async fn confirm(&mut self) {
        let Some(offset) = self.offset.unconfirmed() else {
            return;
        };
        match self
            .get_updates(Some(offset), Duration::ZERO, 1, CONFIRM_DEADLINE)
            .await
        {
            Ok(_) => {
                self.offset.sent(Some(offset));
                self.keep_offset();
            }
            Err(failure) => tracing::debug!(error = %failure, "Last updates were not confirmed"),
        }
    }

    fn keep_offset(&self) {
        let mut kept = self.channel.offset.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone_from(&self.offset);
    }
}
