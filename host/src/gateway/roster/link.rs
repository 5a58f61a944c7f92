//! One-time links to the pages of channels that have one.

use std::sync::Arc;

use miniclaw_plugin_api::Kind;
use miniclaw_plugin_api::wire::Named;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Roster;
use crate::plugins::instance::{Instance, Method};

/// The built-in plugin that has a page.
const WEBCHAT: &str = "webchat";

/// A way in that opens once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Holds a token: it is for its reader alone.
    pub(crate) url: String,
    /// For how many seconds.
    pub(crate) valid_s: u64,
}

impl Roster {
    /// Makes a link to the page of `channel`, or of the web chat where there is one.
    ///
    /// # Errors
    /// In words: no such channel, several of them, one that does not run or has no page.
    pub(crate) async fn link(&self, channel: Option<&str>) -> Result<Link, String> {
        let (name, instance) = self.with_page(channel)?;
        let ask = Named {
            name: "link".into(),
            data: Value::Null,
        };
        let answer = instance.call(Method::INVOKE, &ask).await;
        let link = answer.and_then(|payload| payload.decode());
        link.map_err(|error| format!("channel `{name}` gives no link: {}", error.message))
    }

    fn with_page(&self, channel: Option<&str>) -> Result<(Arc<str>, Arc<Instance>), String> {
        let config = self.config.borrow().clone();
        let wanted = |name: &str| match channel {
            Some(wanted) => name == wanted,
            None => super::plugin_of(&config, Kind::Channel, name) == Some(WEBCHAT),
        };
        let slots = self.slots().borrow().clone();
        let mut found = slots
            .iter()
            .filter(|slot| slot.kind == Kind::Channel && wanted(&slot.name));
        let slot = match (found.next(), found.next(), channel) {
            (Some(slot), None, _) => slot,
            (Some(one), Some(other), _) => {
                return Err(format!(
                    "there are several web chats, `{}` and `{}` among them; name one with --channel",
                    one.name, other.name
                ));
            }
            (None, _, Some(channel)) => return Err(format!("no channel is called `{channel}`")),
            (None, _, None) => {
                return Err(
                    "no web chat is configured; write `\"channels\": {\"webchat\": {}}` to the configuration, then \
                     `miniclaw reload`"
                        .into(),
                );
            }
        };
        let current = slot.current.borrow().clone();
        let instance = current.ok_or_else(|| {
            let state = slot.state.borrow();
            let (word, reason) = state.describe();
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("channel `{}` does not run ({word}{reason})", slot.name)
        })?;
        Ok((slot.name.clone(), instance))
    }
}
