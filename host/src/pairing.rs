//! Pairing: strangers who write get a code, and the operator lets them in with it. What is decided outlives the gateway.

mod book;
mod desk;
mod file;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use miniclaw_plugin_api::{OutboundMessage, TextFormat};
use serde::{Deserialize, Serialize};

pub(crate) use book::{Book, Decided, Newcomer, Pending};
pub(crate) use file::{FILE, PairingError, path};

use crate::sessions::SessionKey;
use crate::spool::{FinishedTurn, OutboxRow, Spool, SpoolError, wall_ms};

/// Letters and digits that are not taken for each other.
const LETTERS: &[u8] = b"ABCDEFGHJKMNPQRSTVWXYZ23456789";
const CODE_LETTERS: usize = 8;

/// Who was let in, in memory and in the state folder.
pub(crate) struct Pairing {
    path: PathBuf,
    book: RwLock<Book>,
    /// One change at a time, from the look at the book to the file on the disk.
    changing: Mutex<()>,
}

/// All of it, as `miniclaw pairing list` shows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    #[serde(flatten)]
    pub(crate) book: Book,
    /// Channels that stand in it, and where pairing is off: who was let in there may not write by that.
    #[serde(default)]
    pub(crate) off: Vec<String>,
}

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Approve,
    Deny,
}

impl Pairing {
    /// Reads what a state folder holds.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or of a later version: people who were let in stand in it, and who starts
    /// without it turns them away. It is not touched.
    pub(crate) fn open(state_dir: &Path) -> Result<Arc<Self>, PairingError> {
        let path = file::path(state_dir);
        let book = file::read(&path)?.unwrap_or_default();
        Ok(Arc::new(Self {
            path,
            book: RwLock::new(book),
            changing: Mutex::default(),
        }))
    }

    /// Whether the operator let somebody in.
    pub(crate) fn is_approved(&self, channel: &str, id: &str) -> bool {
        self.with(|book| book.is_approved(channel, id))
    }

    /// Whether [`Pairing::ask`] may have a code for somebody.
    pub(crate) fn may_ask(&self, channel: &str, id: &str, now_ms: i64) -> bool {
        self.with(|book| book.may_ask(channel, id, now_ms))
    }

    /// What counts at present.
    pub(crate) fn list(&self) -> Book {
        let mut book = self.with(Book::clone);
        book.forget_past(wall_ms());
        book
    }

    /// Who has a code, as somebody typed it.
    fn asks(&self, code: &str) -> Option<Pending> {
        let code = typed(code);
        let mut pending = self.list().pending.into_iter();
        pending.find(|pending| pending.code == code)
    }

    /// A code for somebody unknown, which is on the disk when this returns; `None` where they get none. Waits for the disk.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn ask(&self, who: Newcomer) -> Result<Option<String>, PairingError> {
        let noise = file::noise()?;
        self.change(|book| {
            let noise = std::cell::RefCell::new(noise);
            book.ask(who, || code(&mut noise.borrow_mut()), wall_ms())
        })
    }

    /// Decides of whom a code belongs to; `None` for a code that nobody has. Waits for the disk.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn decide(&self, verdict: Verdict, code: &str) -> Result<Option<Pending>, PairingError> {
        let code = typed(code);
        self.change(|book| match verdict {
            Verdict::Approve => book.approve(&code, wall_ms()),
            Verdict::Deny => book.deny(&code, wall_ms()),
        })
    }

    /// Takes back what was decided of somebody; whether anything was. Waits for the disk.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn revoke(&self, channel: &str, id: &str) -> Result<bool, PairingError> {
        self.change(|book| book.revoke(channel, id))
    }

    /// What was not written did not happen.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, PairingError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.with(Book::clone);
        let mut book = before.clone();
        let answer = change(&mut book);
        if book != before {
            file::write(&self.path, &book)?;
            *self.book.write().unwrap_or_else(PoisonError::into_inner) = book;
        }
        Ok(answer)
    }

    fn with<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn typed(code: &str) -> String {
    code.trim().to_ascii_uppercase()
}

/// What somebody unknown is told.
pub(crate) fn note(to: &Newcomer, code: &str) -> OutboundMessage {
    let text = format!(
        "I do not know you yet. Ask the operator to run: miniclaw pairing approve {code}\n\
         Your id is {}. The code is valid for one hour.",
        to.id
    );
    let mut note = OutboundMessage::new(to.chat.clone(), text);
    note.format = TextFormat::Plain;
    note
}

/// Tells somebody that they were let in; returns the rows for the outbox.
///
/// # Errors
/// As all of [`Spool`].
pub(crate) async fn welcome(spool: &dyn Spool, who: &Newcomer) -> Result<Vec<OutboxRow>, SpoolError> {
    let told = FinishedTurn {
        session: SessionKey::new(&who.channel, &who.chat),
        generation: 0,
        new_generation: false,
        inbound: Vec::new(),
        entries: Vec::new(),
        channel: (*who.channel).into(),
        chunks: vec![OutboundMessage::new(who.chat.clone(), "You may write now.")],
        story: None,
        usage: Vec::new(),
        choice: None,
    };
    Ok(spool.finish(&told).await?.outbox)
}

/// A code of what comes out of `noise`, each letter as likely as every other one.
fn code(noise: &mut file::Noise) -> String {
    let letters = noise
        .by_ref()
        .map(|byte| usize::from(byte & 31))
        .filter_map(|index| LETTERS.get(index));
    letters.take(CODE_LETTERS).copied().map(char::from).collect()
}

#[cfg(test)]
mod tests;
