//! From the page to the host: what a person says is confirmed once the host has it on disk.

use miniclaw_plugin_api::{Cause, Command, Error, InboundMessage, Inbox, Outcome, Result, Stop, Verdict};
use tokio::sync::{mpsc, oneshot};

use crate::app::App;
use crate::store::now_ms;
use crate::{BEAT, OWNER};

/// Messages that wait for the host at once; a further one is refused, and the page says it again.
const WAITING: usize = 32;

/// Something that a person wants the host to have.
pub(crate) struct Posting {
    pub(crate) message: InboundMessage,
    pub(crate) kind: Kind,
    /// Told the verdict, once the transcript agrees with it.
    pub(crate) verdict: oneshot::Sender<Result<Verdict>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Stands in the transcript.
    Said,
    /// Leaves nothing there.
    Command,
    /// Ends a conversation together with its transcript.
    Deletion,
}

/// A message of the page's person.
pub(crate) fn message(chat: &str, id: &str, text: &str) -> InboundMessage {
    let mut message = InboundMessage::new(chat, id, OWNER, text);
    message.command = command(text);
    message.timestamp_ms = now_ms();
    message
}

/// Hands over until the stop, or until the host takes no more.
///
/// # Errors
/// The host is busy or stops.
pub(crate) async fn receive(app: &App, inbox: &Inbox, mut stop: Stop) -> Result<()> {
    let (door, mut postings) = mpsc::channel(WAITING);
    app.open(door);
    let mut beat = tokio::time::interval(BEAT);
    let ended = loop {
        tokio::select! {
            biased;
            () = stop.requested() => break Ok(()),
            _ = beat.tick() => inbox.progress(),
            Some(posting) = postings.recv() => if let Err(error) = hand_over(app, inbox, posting).await {
                break Err(error);
            },
        }
    };
    // Whoever waits still is told that nothing was taken, because nobody answers any more.
    app.close();
    ended
}

/// The transcript has the message before the host does, unseen, so that its place is before its answer's; what a crash
/// leaves unseen is shown by the same message said again, or by its answer.
///
/// # Errors
/// The host takes no more.
async fn hand_over(app: &App, inbox: &Inbox, posting: Posting) -> Result<()> {
    let Posting {
        message,
        kind,
        verdict,
    } = posting;
    let (chat, id) = (message.chat.id.clone(), message.id.clone());
    let told = |result| {
        // Whoever has gone meanwhile says it again, which is then a duplicate.
        let _ = verdict.send(result);
    };
    if kind == Kind::Said
        && let Err(error) = app.store.hear(&chat, &id, &message.text())
    {
        told(Err(error));
        return Ok(());
    }
    match inbox.emit(message).await {
        Ok(given) => told(app.store_verdict(kind, &chat, &id, given).map(|()| given)),
        Err(error) => {
            if kind == Kind::Said && matches!(error.outcome, Outcome::Transient { .. }) {
                // It has no place yet, and is said again.
                let _ = app.store.forget(&chat, &id);
            }
            told(Err(error.clone()));
            return Err(error);
        }
    }
    Ok(())
}

impl App {
    fn store_verdict(&self, kind: Kind, chat: &str, id: &str, verdict: Verdict) -> Result<()> {
        match (kind, verdict) {
            (Kind::Said, Verdict::Ignored) => self.store.forget(chat, id),
            (Kind::Said, _) => self.store.show(chat, id),
            (Kind::Deletion, Verdict::Accepted | Verdict::Duplicate) => self.store.delete(chat),
            _ => Ok(()),
        }
    }

    /// Hands something over and waits for its verdict.
    ///
    /// # Errors
    /// Transient: nobody receives, too much waits, or the host refused it for now.
    pub(crate) async fn post(&self, message: InboundMessage, kind: Kind) -> Result<Verdict> {
        let (verdict, told) = oneshot::channel();
        let posting = Posting {
            message,
            kind,
            verdict,
        };
        let busy = || Error::transient("the gateway takes no messages at the moment").because(Cause::Busy);
        let door = self.door().ok_or_else(busy)?;
        door.try_send(posting).map_err(|_| busy())?;
        told.await.map_err(|_| busy())?
    }
}

/// The command in `/name arguments`; a path such as `/etc/hosts` is none.
fn command(text: &str) -> Option<Command> {
    let rest = text.trim().strip_prefix('/')?;
    let (name, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let valid = |char: char| char.is_ascii_alphanumeric() || char == '_';
    (!name.is_empty() && name.chars().all(valid)).then(|| Command {
        name: name.to_owned(),
        args: args.trim().to_owned(),
    })
}
