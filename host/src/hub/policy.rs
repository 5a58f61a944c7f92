//! What the configuration says of turns. A reload puts another one in place; a turn keeps the one that it began with.

use crate::agent::AgentLoop;
use crate::media::MediaStore;

/// Everything of the configuration that a turn depends on.
pub(crate) struct Policy {
    pub(crate) agent: AgentLoop,
    pub(crate) media: MediaStore,
    /// Of the prices.
    pub(crate) currency: String,
    /// Turns under way at once.
    pub(crate) max_turns: usize,
}
