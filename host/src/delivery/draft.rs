//! An answer that is shown while it is written: a message of the channel, changed until the reply takes its place.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use miniclaw_plugin_api::wire::Update;
use miniclaw_plugin_api::{
    Capability, Cause, Change, ChatKind, Error, MessageRef, OutboundMessage, Outcome, Sent,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Outbox, lock, split};
use crate::plugins::instance::{Instance, Method};
use crate::sessions::SessionKey;
use crate::spool::InboundRow;

/// A turn that is shorter shows its reply alone.
const FIRST_AFTER: Duration = Duration::from_millis(250);
/// Telegram takes about one message a second in a chat and 20 a minute in a group
/// (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>, read 2026-11).
const EVERY: Duration = Duration::from_secs(1);
const EVERY_IN_GROUPS: Duration = Duration::from_secs(3);
/// Often enough for eyes.
const EVERY_LIVE: Duration = Duration::from_millis(100);
/// The longest wait that is due to the pace of changes alone.
pub(super) const PACE: Duration = EVERY_IN_GROUPS;
/// Changes that fail one after the other before the draft is left as it is.
const MAX_FAILURES: u32 = 3;
/// What follows the text of an answer that goes on.
const MORE: &str = " …";
/// The datum of an outbound message that names the draft that it replaces.
const DRAFT: &str = "draft";

/// How often a channel takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As platforms count them.
    Counted,
    /// As they come: they cost the channel nothing.
    Live,
}

impl Pace {
    fn first_after(self) -> Duration {
        match self {
            Self::Counted => FIRST_AFTER,
            Self::Live => Duration::ZERO,
        }
    }

    fn every(self, chat: ChatKind) -> Duration {
        match self {
            Self::Live => EVERY_LIVE,
            Self::Counted if chat == ChatKind::Private => EVERY,
            Self::Counted => EVERY_IN_GROUPS,
        }
    }
}

/// What the model has written so far.
#[derive(Default)]
pub(crate) struct Writing {
    text: Mutex<String>,
    changed: Notify,
    shown: AtomicBool,
}

impl Writing {
    pub(crate) fn push(&self, more: &str) {
        lock(&self.text).push_str(more);
        self.changed.notify_one();
    }

    /// What was written is void.
    pub(crate) fn restart(&self) {
        lock(&self.text).clear();
    }

    pub(crate) fn text(&self) -> String {
        lock(&self.text).clone()
    }

    /// Whether some of it stands in the chat.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }
}

/// The message that shows an answer.
pub(crate) struct Draft {
    outbox: Arc<Outbox>,
    session: SessionKey,
    inbound: u64,
    /// Without text.
    blank: OutboundMessage,
    /// The platform's id of the message, once there is one.
    message: Option<String>,
    shown: String,
    /// Before it nothing is shown.
    first: Instant,
    every: Duration,
    not_before: Option<Instant>,
    failures: u32,
    /// Nothing more is shown.
    over: bool,
}

/// Where a draft stands when its turn ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) message: String,
    /// When the platform takes the next change.
    pub(crate) not_before: Option<Instant>,
}

impl Draft {
    /// `reply_to`: the message that the answer names. `earlier`: what an earlier process showed of it.
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        row: &InboundRow,
        reply_to: Option<String>,
        earlier: Option<String>,
        pace: Pace,
    ) -> Self {
        let mut blank = OutboundMessage::new(row.message.chat.clone(), "");
        blank.reply_to = reply_to;
        Self {
            outbox,
            session: row.session.clone(),
            inbound: row.seq,
            blank,
            message: earlier,
            shown: String::new(),
            first: Instant::now() + pace.first_after(),
            every: pace.every(row.message.chat_kind),
            not_before: None,
            failures: 0,
            over: false,
        }
    }

    /// Shows what is written, until `done`; what is under way then is waited for.
    pub(crate) async fn show(&mut self, writing: &Writing, done: &CancellationToken) {
        while !self.over {
            tokio::select! {
                biased;
                () = done.cancelled() => return,
                () = writing.changed.notified() => {}
            }
            let earliest = self.first.max(self.not_before.unwrap_or(self.first));
            tokio::select! {
                biased;
                () = done.cancelled() => return,
                () = tokio::time::sleep_until(earliest.into()) => {}
            }
            let text = self.first_chunk(&writing.text());
            if text.is_empty() || text == self.shown {
                continue;
            }
            self.put(text).await;
            writing
                .shown
                .store(self.message.is_some() && !self.over, Ordering::Relaxed);
        }
        done.cancelled().await;
    }

    pub(crate) fn ended(self) -> Option<Shown> {
        let not_before = self.not_before;
        self.message.map(|message| Shown { message, not_before })
    }

    /// The part of the answer that the first message of the reply is going to have.
    fn first_chunk(&self, text: &str) -> String {
        let (limit, unit) = self.outbox.text_limit();
        let mut chunks = split(text, limit, unit).into_iter();
        let first = chunks.next().unwrap_or_default();
        if chunks.next().is_some() || first.is_empty() {
            return first;
        }
        let more = format!("{}{MORE}", first.trim_end());
        // A mark that finds no room is worth no second message.
        if split(&more, limit, unit).len() == 1 {
            more
        } else {
            first
        }
    }

    async fn put(&mut self, text: String) {
        let Some(instance) = self
            .outbox
            .instance()
            .filter(|one| one.blueprint.can(Capability::Edit))
        else {
            return;
        };
        let outbox = self.outbox.clone();
        let Some(_permit) = outbox.draft_place(&self.session) else {
            self.not_before = Some(Instant::now() + self.every);
            return;
        };
        // In another chat the message's id is that of another one; what was shown stays in the chat that is over.
        let Cow::Borrowed(blank) = outbox.addressed(&self.blank) else {
            (self.message, self.over) = (None, true);
            return;
        };
        let mut message = OutboundMessage::new(blank.chat.clone(), text.clone());
        message.reply_to.clone_from(&blank.reply_to);
        let put = match &self.message {
            Some(id) => change(&instance, id, &message).await.map(|()| id.clone()),
            None => self.begin(&instance, &message).await,
        };
        self.not_before = Some(Instant::now() + self.every);
        match put {
            Ok(id) => (self.message, self.shown, self.failures) = (Some(id), text, 0),
            Err(error) => self.failed(&error),
        }
    }

    async fn begin(&self, instance: &Instance, message: &OutboundMessage) -> Result<String, Error> {
        let mut message = message.clone();
        message.idempotency_key = format!("{}-draft-{}", self.outbox.spool.id(), self.inbound);
        let sent: Sent = instance.call(Method::SEND, &message).await?.decode()?;
        let id = sent.ids.into_iter().next();
        let id = id.ok_or_else(|| Error::permanent("the channel names no id of what it sent"))?;
        // A turn that is repeated after a crash goes on with it.
        if let Err(error) = self.outbox.spool.note_draft(self.inbound, id.clone()).await {
            debug!(%error, "Draft was not noted");
        }
        Ok(id)
    }

    fn failed(&mut self, error: &Error) {
        self.failures += 1;
        if let Outcome::Transient {
            retry_after: Some(wait),
        } = error.outcome
        {
            let until = Instant::now() + wait;
            debug!(%error, ?wait, "Answer is shown again later");
            self.not_before = Some(until.max(self.not_before.unwrap_or(until)));
            self.outbox.told_to_wait(&self.session, error, until);
            return;
        }
        // Without its id a message cannot be changed: the reply is going to be one of its own.
        // One that is said to be gone keeps it, so that what may be left of it is taken away after the reply.
        self.over = self.message.is_none() || self.failures >= MAX_FAILURES || is_gone(error);
        if self.over {
            warn!(%error, "Answer is not shown any more while it is written");
        }
    }
}

/// The reply takes the draft's place with its first message.
pub(crate) fn replace(shown: &Shown, message: &mut OutboundMessage) {
    message.meta.insert(DRAFT.into(), shown.message.clone().into());
}

/// The draft that a message replaces.
pub(super) fn replaced(message: &OutboundMessage) -> Option<&str> {
    message.meta.get(DRAFT)?.as_str()
}

/// Whether there is nothing left to change, so that the text has to be sent.
pub(super) fn is_gone(error: &Error) -> bool {
    error.outcome == Outcome::Permanent && matches!(error.cause, Cause::NotFound | Cause::Unsupported)
}

/// The draft that a message did not take the place of, as its text was sent beside it.
pub(super) fn left_over(message: &OutboundMessage, sent: &Sent) -> Option<MessageRef> {
    let id = replaced(message).filter(|id| !sent.ids.iter().any(|sent| sent == id))?;
    Some(MessageRef {
        chat: message.chat.clone(),
        id: id.to_owned(),
    })
}

/// Tries to take away what was shown of an answer that stands in the chat by now.
pub(super) async fn remove(instance: &Instance, target: MessageRef) {
    if !instance.blueprint.can(Capability::Delete) {
        return;
    }
    let update = Update {
        target,
        change: Change::Delete,
    };
    if let Err(error) = instance.call(Method::UPDATE, &update).await {
        debug!(%error, "Draft that could not be changed stays above its reply");
    }
}

/// Gives a message that was sent another content. Doing so twice does no harm.
///
/// # Errors
/// The channel's; what may have happened is Transient.
pub(super) async fn change(instance: &Instance, id: &str, message: &OutboundMessage) -> Result<(), Error> {
    let update = Update {
        target: MessageRef {
            chat: message.chat.clone(),
            id: id.to_owned(),
        },
        change: Change::Edit {
            message: Box::new(message.clone()),
        },
    };
    let changed = instance.call(Method::UPDATE, &update).await;
    changed.map(drop).map_err(|mut error| {
        if error.outcome == Outcome::Unknown {
            error.outcome = Outcome::Transient { retry_after: None };
        }
        error
    })
}
