//! What a plugin tells of its platform's outages.

use std::time::Instant;

use crate::telemetry::{printable, without_secrets};

/// Of a reason.
const REASON_CHARS: usize = 500;

/// The last outage of an instance's platform.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    /// In the plugin's words.
    pub(crate) reason: String,
    pub(crate) began: Instant,
    /// `None` while it goes on.
    pub(crate) ended: Option<Instant>,
}

impl Outage {
    /// The plugin tells of an outage; one that goes on may have another reason by now.
    pub(super) fn told(last: Option<Self>, reason: &str, now: Instant) -> Self {
        let goes_on = last.filter(|last| last.ended.is_none());
        Self {
            reason: printable(&without_secrets(reason.to_owned()), REASON_CHARS),
            began: goes_on.map_or(now, |last| last.began),
            ended: None,
        }
    }
}
