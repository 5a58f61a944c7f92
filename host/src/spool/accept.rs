use std::sync::Arc;

use miniclaw_plugin_api::InboundMessage;
use rusqlite::params;

use super::work::{Need, Tx, Work, from_sql};

/// T1: a batch and its cursor.
pub(super) struct Accept {
    pub(super) channel: Arc<str>,
    pub(super) account: String,
    pub(super) cursor: Option<String>,
    pub(super) items: Vec<Item>,
}

pub(super) struct Item {
    pub(super) key: String,
    pub(super) session: Arc<str>,
    pub(super) body: Body,
}

/// JSON text of what is kept of an item.
pub(super) enum Body {
    Message(String),
    /// It is refused, with this note or without one.
    Refused(Option<String>),
}

/// The `reason` of a row whose message was refused.
pub(super) const REFUSED: &str = "refused";

/// What became of an [`Item`].
pub(super) enum Stored {
    Accepted {
        seq: u64,
        received_ms: i64,
    },
    Noted {
        id: u64,
        reply: u64,
        created: u64,
    },
    Refused,
    /// Known, and refused when it was stored.
    RefusedBefore,
    /// Known, and accepted when it was stored.
    Duplicate,
}

impl Work for Accept {
    type Answer = Vec<Stored>;
    const NEED: Need = Need::Synced;

    fn run(&self, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Vec<Stored>> {
        let stored = self.items.iter().map(|item| self.store(item, tx)).collect();
        if let Some(cursor) = &self.cursor {
            tx.statements
                .cursor
                .execute(params![&*self.channel, self.account, cursor])?;
        }
        stored
    }
}

impl Accept {
    fn store(&self, item: &Item, tx: &mut Tx<'_, '_>) -> rusqlite::Result<Stored> {
        let seq = tx.ids.next;
        let (state, body, done_ms, reason) = match &item.body {
            Body::Message(body) => (0, Some(body), None, None),
            Body::Refused(_) => (1, None, Some(tx.now_ms), Some(REFUSED)),
        };
        let inserted = tx.statements.accept.execute(params![
            seq,
            item.key,
            &*self.channel,
            &*item.session,
            state,
            body,
            tx.now_ms,
            tx.activity,
            done_ms,
            reason
        ])?;
        if inserted == 0 {
            let sql = "SELECT 1 FROM inbound WHERE key = ?1 AND reason = ?2";
            let mut refused = tx.conn.prepare(sql)?;
            return Ok(match refused.exists([&*item.key, REFUSED])? {
                true => Stored::RefusedBefore,
                false => Stored::Duplicate,
            });
        }
        tx.ids.take();
        let note = match &item.body {
            Body::Message(_) => {
                return Ok(Stored::Accepted {
                    seq: from_sql(seq),
                    received_ms: tx.now_ms,
                });
            }
            Body::Refused(None) => return Ok(Stored::Refused),
            Body::Refused(Some(note)) => note,
        };
        let id = tx.insert_outbox(&self.channel, &item.session, seq, note)?;
        Ok(Stored::Noted {
            id: from_sql(id),
            reply: from_sql(seq),
            created: from_sql(tx.activity),
        })
    }
}

impl Tx<'_, '_> {
    pub(super) fn insert_outbox(
        &mut self,
        channel: &str,
        session: &str,
        reply: i64,
        body: &str,
    ) -> rusqlite::Result<i64> {
        let id = self.ids.take();
        self.statements.outbox.execute(params![
            id,
            channel,
            session,
            reply,
            body,
            self.now_ms,
            self.activity
        ])?;
        Ok(id)
    }
}

/// The identity of a message: equal for equal parts only, whatever the parts hold.
pub(super) fn key(channel: &str, account: &str, message: &InboundMessage) -> String {
    let parts = [channel, account, &message.chat.id, &message.id];
    let mut key = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + 4);
    for part in parts {
        for piece in part.split_inclusive(['\u{1b}', '\u{1f}']) {
            let marked = piece
                .chars()
                .next_back()
                .filter(|last| matches!(last, '\u{1b}' | '\u{1f}'));
            let Some(mark) = marked else {
                key.push_str(piece);
                continue;
            };
            key.push_str(&piece[..piece.len() - 1]);
            key.extend(['\u{1b}', mark]);
        }
        key.push('\u{1f}');
    }
    key.push_str(&message.revision.to_string());
    key
}

/// The parts of a [`key`]: channel, account, chat, message, revision; what is missing is empty.
pub(super) fn key_parts(key: &str) -> [String; 5] {
    let mut parts = [const { String::new() }; 5];
    let (mut at, mut letters) = (0, key.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1f}' => at = (at + 1).min(4),
            '\u{1b}' => parts[at].extend(letters.next()),
            letter => parts[at].push(letter),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(chat: &str, id: &str) -> InboundMessage {
        InboundMessage::new(chat, id, "1", "hi")
    }

    proptest! {
        #[test]
        fn different_messages_have_different_keys(
            left in prop::array::uniform4("[ab\u{1b}\u{1f}]{0,4}"),
            right in prop::array::uniform4("[ab\u{1b}\u{1f}]{0,4}"),
        ) {
            let of = |parts: &[String; 4]| key(&parts[0], &parts[1], &message(&parts[2], &parts[3]));
            prop_assert_eq!(left == right, of(&left) == of(&right));
            let [channel, account, chat, id, revision] = key_parts(&of(&left));
            prop_assert_eq!([channel, account, chat, id], left);
            prop_assert_eq!(revision, "0");
        }
    }

    #[test]
    fn an_edit_is_another_message() {
        let mut edit = message("7", "1");
        edit.revision = 1;
        assert_ne!(key("t", "a", &message("7", "1")), key("t", "a", &edit));
        assert_eq!(key("t", "a", &message("7", "1")), "t\u{1f}a\u{1f}7\u{1f}1\u{1f}0");
    }
}
