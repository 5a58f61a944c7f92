//! From the configuration to what turns depend on.

use std::sync::Arc;

use crate::agent::{AgentLoop, Budget, Providers};
use crate::config::Config;
use crate::hub::Policy;
use crate::media::MediaStore;

/// What the configuration says of turns; what is known of providers, budgets and conversations comes from the policy `before`.
pub(super) fn policy(
    config: &Config,
    providers: Providers,
    budget: &Budget,
    before: Option<&Policy>,
) -> Arc<Policy> {
    Arc::new(Policy {
        agent: AgentLoop::new(config, providers, budget, before.map(|before| &before.agent)),
        media: MediaStore {
            dir: config.sessions_dir().into(),
            max_bytes: config.media.max_file_bytes,
            max_pictures: config.media.max_pictures,
        },
        currency: config.currency.clone(),
        max_turns: config.gateway.max_concurrent_turns,
    })
}
