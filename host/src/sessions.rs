//! Conversations: history in memory, checkpoints on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names a conversation: `{channel}_{chat_id}`, and `_{thread}` where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey(pub(crate) Arc<str>);

/// One message of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) role: miniclaw_plugin_api::Role,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
}
