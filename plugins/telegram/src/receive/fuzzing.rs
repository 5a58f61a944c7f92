//! What holds for any answer to `getUpdates`.

use miniclaw_plugin_api::InboundMessage;
use serde_json::value::RawValue;

use super::batch::Batch;
use crate::api::answer;
use crate::inbound::Me;
use crate::update;

/// Reads bytes as the body of an answer, and as one update of a good answer.
pub fn telegram_update(data: &[u8]) {
    if let Ok(updates) = answer::read::<Vec<Box<RawValue>>>(200, data) {
        check(&updates);
    }
    if let Ok(update) = serde_json::from_slice::<Box<RawValue>>(data) {
        check(&[update]);
    }
}

/// Panics where an update is neither a message nor skipped, or one has an id and is never confirmed.
fn check(updates: &[Box<RawValue>]) {
    let bot = br#"{"ok":true,"result":{"id":1,"username":"my_bot"}}"#;
    let Ok(me) = answer::read::<Me>(200, bot) else {
        panic!("the bot is not read");
    };
    let batch = Batch::read(updates, &me);
    let read = batch.messages.len() + batch.migrations.len() + batch.skipped.len();
    assert_eq!(read, updates.len());
    for id in updates.iter().filter_map(|update| update::id_of(update)) {
        assert!(batch.next > Some(id) || batch.next == Some(i64::MAX), "{id}");
    }
    batch.messages.iter().for_each(crosses_the_border);
}

/// A message goes to the host as JSON, and has what the host needs to tell it from others.
fn crosses_the_border(message: &InboundMessage) {
    assert!(!message.id.is_empty() && !message.chat.id.is_empty());
    let json = match serde_json::to_string(message) {
        Ok(json) => json,
        Err(error) => panic!("{error}: {message:?}"),
    };
    match serde_json::from_str::<InboundMessage>(&json) {
        Ok(read) => assert_eq!(serde_json::to_string(&read).ok(), Some(json)),
        Err(error) => panic!("{error}: {json}"),
    }
}
