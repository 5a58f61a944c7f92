//! What one turn answers: a message, with what replaces it, belongs to it, or followed at once.

use std::borrow::Cow;
use std::time::Duration;

use miniclaw_plugin_api::{InboundMessage, Part};

use super::commands::is_command;
use crate::spool::InboundRow;

/// Albums have ten parts at most; of messages in quick succession no more than this are one turn.
const MAX_ROWS: usize = 50;
/// Nor for longer than so many of the pauses that end one: who never pauses is answered all the same.
const MAX_PAUSES: u32 = 10;
/// Text of what was joined stays below this, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// The parts of an album arrive as messages of their own, within this.
pub(super) const ALBUM: Duration = Duration::from_millis(500);

/// Rows that one turn answers, in the order of their arrival; never empty. They end together.
#[derive(Clone, Debug)]
pub(crate) struct Joined(Vec<InboundRow>);

impl Joined {
    pub(crate) fn new(row: InboundRow) -> Self {
        Self(vec![row])
    }

    /// The first row: it names the turn.
    pub(crate) fn lead(&self) -> &InboundRow {
        &self.0[0]
    }

    pub(crate) fn rows(&self) -> &[InboundRow] {
        &self.0
    }

    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.0.iter().map(|row| row.seq).collect()
    }

    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.0.iter().any(|row| row.seq == seq)
    }

    /// Whether nothing came after `seq`.
    pub(super) fn ends_by(&self, seq: u64) -> bool {
        self.0.last().is_some_and(|row| row.seq <= seq)
    }

    /// Takes out a row that is not the only one.
    pub(super) fn take_out(&mut self, seq: u64) -> Option<InboundRow> {
        let at = self.0.iter().position(|row| row.seq == seq)?;
        (self.0.len() > 1).then(|| self.0.remove(at))
    }

    /// Adds a row that [`Joined::replaces`] or [`Joined::continues`] approved.
    pub(super) fn add(&mut self, row: InboundRow) {
        self.0.push(row);
    }

    /// Whether `row` is an edit of a message that waits here.
    pub(super) fn replaces(&self, row: &InboundRow) -> bool {
        let edit = &row.message;
        let same = |old: &InboundRow| {
            old.message.id == edit.id && old.message.chat == edit.chat && old.message.revision < edit.revision
        };
        edit.revision > 0 && !is_command(edit) && !is_command(&self.lead().message) && self.0.iter().any(same)
    }

    /// Whether `row` is a further part of the same album, or follows within `quick`, by the same sender.
    pub(super) fn continues(&self, row: &InboundRow, quick: Duration) -> bool {
        let (Some(last), first) = (self.0.last(), self.lead()) else {
            return false;
        };
        let (one, other) = (&last.message, &row.message);
        let album = one.group_id.is_some() && one.group_id == other.group_id;
        let after = |older: &InboundRow| {
            let apart = row.received_ms.saturating_sub(older.received_ms);
            Duration::from_millis(u64::try_from(apart).unwrap_or(0))
        };
        let followed = !quick.is_zero() && after(last) <= quick && after(first) <= quick * MAX_PAUSES;
        (album || followed)
            && other.revision == 0
            && one.sender.id == other.sender.id
            && one.chat == other.chat
            && !is_command(&first.message)
            && !is_command(other)
            && self.0.len() < MAX_ROWS
            && self.text_bytes() + other.text().len() < MAX_TEXT
    }

    fn text_bytes(&self) -> usize {
        self.0.iter().map(|row| row.message.text().len()).sum()
    }

    /// How long a further message may follow `row` to become part of its turn; zero for one that stands alone.
    pub(super) fn stays_open(row: &InboundRow, quick: Duration) -> Duration {
        let message = &row.message;
        if is_command(message) {
            Duration::ZERO
        } else if message.group_id.is_some() {
            quick.max(ALBUM)
        } else {
            quick
        }
    }

    /// All of it as one message.
    pub(crate) fn message(&self) -> Cow<'_, InboundMessage> {
        let [only] = &self.0[..] else {
            return Cow::Owned(self.join());
        };
        Cow::Borrowed(&only.message)
    }

    fn join(&self) -> InboundMessage {
        let mut messages: Vec<&InboundMessage> = Vec::new();
        for row in &self.0 {
            let message = &*row.message;
            match messages.iter_mut().find(|older| older.id == message.id) {
                Some(older) => *older = message,
                None => messages.push(message),
            }
        }
        let mut messages = messages.into_iter();
        let mut joined = messages.next().unwrap_or(&self.lead().message).clone();
        for message in messages {
            // The answer is to the last of several messages, and to the album as a whole.
            if message.group_id.is_none() {
                joined.id.clone_from(&message.id);
            }
            let parts = message.parts.iter().filter(|part| !is_blank(part));
            joined.parts.extend(parts.cloned());
            joined.attachments.extend(message.attachments.iter().cloned());
            joined.mentions_me |= message.mentions_me;
            joined.reply_to = joined.reply_to.or_else(|| message.reply_to.clone());
            joined.command = joined.command.or_else(|| message.command.clone());
        }
        joined
    }
}

fn is_blank(part: &Part) -> bool {
    matches!(part, Part::Text { text } if text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use miniclaw_plugin_api::{Attachment, Command};

    use super::*;
    use crate::sessions::SessionKey;

    const QUICK: Duration = Duration::from_secs(2);

    fn row(seq: u64, id: &str, text: &str) -> InboundRow {
        InboundRow {
            seq,
            channel: "t".into(),
            session: SessionKey("t_7".into()),
            message: Arc::new(InboundMessage::new("7", id, "42", text)),
            attempts: 0,
            suspect: false,
            received_ms: 1_000 * i64::try_from(seq).unwrap(),
            draft: None,
        }
    }

    fn changed(mut row: InboundRow, change: impl FnOnce(&mut InboundMessage)) -> InboundRow {
        change(Arc::make_mut(&mut row.message));
        row
    }

    fn edit(seq: u64, id: &str, text: &str, revision: u64) -> InboundRow {
        changed(row(seq, id, text), |message| message.revision = revision)
    }

    fn part(seq: u64, id: &str, text: &str) -> InboundRow {
        changed(row(seq, id, text), |message| {
            message.group_id = Some("g".into());
            message.attachments.push(Attachment {
                id: format!("file {id}"),
                ..Attachment::default()
            });
        })
    }

    #[test]
    fn an_edit_takes_the_place_of_its_message_and_no_other() {
        let mut joined = Joined::new(row(1, "a", "frist"));
        assert!(joined.replaces(&edit(2, "a", "first", 5)));
        assert!(!joined.replaces(&edit(2, "b", "first", 5)));
        assert!(!joined.replaces(&row(2, "a", "first")));
        joined.add(edit(2, "a", "first", 5));
        assert!(!joined.replaces(&edit(3, "a", "older", 0)));
        assert!(joined.replaces(&edit(3, "a", "first!", 6)));
        joined.add(edit(3, "a", "first!", 6));
        assert_eq!(joined.message().text(), "first!");
        assert_eq!(joined.seqs(), [1, 2, 3]);
    }

    #[test]
    fn the_parts_of_an_album_are_one_message_that_answers_its_first() {
        let mut joined = Joined::new(part(1, "a", "look"));
        for (seq, id) in [(2, "b"), (3, "c")] {
            assert!(joined.continues(&part(seq, id, ""), Duration::ZERO));
            joined.add(part(seq, id, ""));
        }
        joined.add(edit(4, "a", "look!", 9));
        let message = joined.message();
        assert_eq!((&*message.id, message.text()), ("a", "look!".to_owned()));
        assert!(!joined.continues(&row(5, "d", "alone"), Duration::ZERO));
    }

    #[test]
    fn messages_in_quick_succession_are_one_in_their_order() {
        let mut joined = Joined::new(row(1, "a", "one"));
        assert!(!joined.continues(&row(2, "b", "two"), Duration::ZERO));
        assert!(joined.continues(&row(2, "b", "two"), QUICK));
        joined.add(row(2, "b", "two"));
        assert!(joined.continues(&row(4, "c", "three"), QUICK));
        assert!(!joined.continues(&row(5, "c", "three"), QUICK));
        let message = joined.message();
        assert_eq!((&*message.id, message.text()), ("b", "one\ntwo".to_owned()));
    }

    #[test]
    fn who_never_pauses_is_answered_all_the_same() {
        let mut joined = Joined::new(row(1, "1", "1"));
        let mut seq = 2;
        while joined.continues(&row(seq, &seq.to_string(), "x"), QUICK) {
            joined.add(row(seq, &seq.to_string(), "x"));
            seq += 1;
        }
        let longest = 1 + 10 * QUICK.as_secs();
        assert_eq!(joined.rows().len() as u64, longest);
    }

    #[test]
    fn neither_commands_nor_other_people_are_joined() {
        let joined = Joined::new(row(1, "a", "one"));
        let new = changed(row(2, "b", "/new"), |message| {
            message.command = Some(Command {
                name: "new".into(),
                args: String::new(),
            });
        });
        assert!(
            !joined.continues(&new, QUICK) && !Joined::new(new.clone()).continues(&row(3, "c", "x"), QUICK)
        );
        assert_eq!(Joined::stays_open(&new, QUICK), Duration::ZERO);
        let other = changed(row(2, "b", "two"), |message| message.sender.id = "43".into());
        assert!(!joined.continues(&other, QUICK));
    }

    #[test]
    fn a_row_is_taken_out_while_others_are_left() {
        let mut joined = Joined::new(row(1, "a", "one"));
        assert!(joined.take_out(1).is_none());
        joined.add(row(2, "b", "two"));
        assert_eq!(joined.take_out(1).map(|row| row.seq), Some(1));
        assert_eq!(joined.message().text(), "two");
    }

    #[test]
    fn a_turn_is_complete_when_nothing_followed_that_was_not_dropped() {
        let mut joined = Joined::new(row(1, "a", "one"));
        joined.add(row(2, "b", "two"));
        assert!(!joined.ends_by(1) && joined.ends_by(2));
        assert_eq!(joined.take_out(2).map(|row| row.seq), Some(2));
        assert!(joined.ends_by(1) && joined.ends_by(2));
    }
}
