//! What a turn has used so far, for one that is cut off.

use super::tokens::estimate;
use super::{AgentLoop, Progress};
use crate::spool::Usage;

/// Hears what is asked, and what that cost.
#[derive(Debug, Default)]
pub(crate) struct Tab {
    usage: Vec<Usage>,
    asked: Option<Asked>,
}

/// A question that was not answered yet.
#[derive(Debug)]
struct Asked {
    provider: String,
    model: Option<String>,
    tokens: u64,
}

impl Tab {
    pub(crate) fn hear(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Asked {
                provider,
                model,
                tokens,
            } => {
                self.asked = Some(Asked {
                    provider: provider.to_owned(),
                    model: model.map(str::to_owned),
                    tokens,
                });
            }
            Progress::Tried(tried) => {
                self.asked = None;
                self.usage.extend(tried.usage.clone());
            }
            Progress::Text(_) | Progress::Restart => {}
        }
    }

    /// All of it; of what is being asked the server has read the question, and has `written` so much of the answer.
    pub(crate) fn so_far(self, agent: &AgentLoop, written: &str) -> Vec<Usage> {
        let mut usage = self.usage;
        if let Some(asked) = self.asked {
            let cost = (asked.tokens, estimate(written), true);
            usage.push(agent.billed(&asked.provider, asked.model.as_deref(), None, cost));
        }
        usage
    }
}
