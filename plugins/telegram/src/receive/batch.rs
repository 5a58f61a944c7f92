//! What one poll brought.

use miniclaw_plugin_api::InboundMessage;
use serde_json::value::RawValue;

use crate::inbound::{self, Me};
use crate::update::{self, Update};

/// What one poll brought.
#[derive(Default)]
pub(crate) struct Batch {
    /// For the host, in Telegram's order.
    pub(crate) messages: Vec<InboundMessage>,
    /// Groups that became supergroups: from, to.
    pub(crate) migrations: Vec<(i64, i64)>,
    /// Presses of buttons, whose buttons wait for a sign.
    pub(crate) pressed: Vec<String>,
    /// Ids of the updates that say nothing or cannot be read.
    pub(crate) skipped: Vec<i64>,
    /// One more than the highest id, which confirms all of it; `None` where no update has an id.
    pub(crate) next: Option<i64>,
}

impl Batch {
    /// Reads updates one by one: what cannot be read does not hold up the rest.
    pub(crate) fn read(updates: &[Box<RawValue>], me: &Me) -> Self {
        let mut batch = Self::default();
        for raw in updates {
            let id = update::id_of(raw);
            if let Some(id) = id {
                batch.next = batch.next.max(Some(id.saturating_add(1)));
            }
            if !batch.take(update::read(raw), me) {
                batch.skipped.push(id.unwrap_or_default());
            }
        }
        batch
    }

    /// Whether the update says something.
    fn take(&mut self, update: Update, me: &Me) -> bool {
        let message = match update {
            Update::Message(message) => message,
            Update::Callback(callback) => {
                self.pressed.push(callback.id.clone());
                return self.add(inbound::pressed(*callback, me));
            }
            Update::Other => return false,
        };
        if let Some(to) = message.migrate_to_chat_id {
            self.migrations.push((message.chat.id, to));
            return true;
        }
        if let Some(from) = message.migrate_from_chat_id {
            self.migrations.push((from, message.chat.id));
            return true;
        }
        self.add(inbound::convert(*message, me))
    }

    fn add(&mut self, inbound: Option<InboundMessage>) -> bool {
        let says_something = inbound.is_some();
        self.messages.extend(inbound);
        says_something
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(updates: &[&str]) -> Batch {
        let updates: Vec<_> = updates
            .iter()
            .map(|json| RawValue::from_string((*json).to_owned()).unwrap())
            .collect();
        Batch::read(&updates, &Me::default())
    }

    fn text(update_id: i64, message_id: i64) -> String {
        format!(
            r#"{{"update_id":{update_id},"message":{{"message_id":{message_id},"chat":{{"id":7}},"text":"hi"}}}}"#
        )
    }

    #[test]
    fn garbage_between_good_updates_is_skipped_and_confirmed() {
        let batch = read(&[
            &text(4, 1),
            r#"{"update_id":5,"message":1}"#,
            "[]",
            &text(6, 2),
            r#"{"update_id":7}"#,
        ]);
        let ids: Vec<_> = batch.messages.iter().map(|message| message.id.as_str()).collect();
        assert_eq!(
            (ids, batch.skipped, batch.next),
            (vec!["1", "2"], vec![5, 0, 7], Some(8))
        );
    }

    #[test]
    fn highest_id_is_what_counts_in_any_order() {
        assert_eq!(read(&[&text(9, 3), &text(2, 1), &text(5, 2)]).next, Some(10));
        assert_eq!(read(&[&text(i64::MAX, 1)]).next, Some(i64::MAX));
        assert_eq!(read(&["{}", "null"]).next, None);
    }

    #[test]
    fn migration_is_no_message() {
        let batch = read(&[
            r#"{"update_id":1,"message":{"message_id":1,"chat":{"id":-7},"migrate_to_chat_id":-1007}}"#,
        ]);
        assert_eq!((batch.migrations, batch.messages.len()), (vec![(-7, -1007)], 0));
        let batch = read(&[
            r#"{"update_id":1,"message":{"message_id":1,"chat":{"id":-1007},"migrate_from_chat_id":-7}}"#,
        ]);
        assert_eq!((batch.migrations, batch.messages.len()), (vec![(-7, -1007)], 0));
    }
}
