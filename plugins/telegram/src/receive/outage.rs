//! Failures of calls that are made again until they succeed, and what is told of them.

use std::time::{Duration, Instant};

use miniclaw_plugin_api::Result;
use serde_json::json;

use super::trouble::{self, Kind, Next, Trouble};
use crate::Telegram;
use crate::api::Failure;

/// The state of the way to Telegram.
pub(crate) struct Outage<'a> {
    channel: &'a Telegram,
    trouble: Trouble,
}

/// What to do before the next try.
pub(crate) enum Before {
    Wait(Duration),
    RemoveWebhook,
}

impl<'a> Outage<'a> {
    pub(crate) fn new(channel: &'a Telegram) -> Self {
        Self {
            channel,
            trouble: Trouble::default(),
        }
    }

    /// Telegram answered.
    pub(crate) fn over(&mut self) {
        if let Some(outage) = self.trouble.over(Instant::now()) {
            tracing::info!(outage_s = outage.as_secs(), "Telegram answers again");
            self.channel.context.event("recovered", json!({}));
        }
    }

    /// What to do after a call of `method` that failed.
    ///
    /// # Errors
    /// The token is not taken; no wait helps.
    pub(crate) fn after(&mut self, method: &str, failure: &Failure) -> Result<Before> {
        let (wait, kind) = match self.trouble.after(failure, Instant::now(), trouble::jitter()) {
            Next::GiveUp => return Err(crate::api::unauthorized(failure)),
            Next::RemoveWebhook => return Ok(Before::RemoveWebhook),
            Next::Reconnect(wait) => {
                tracing::debug!("Calls stall, connections are made anew");
                self.channel.api.reconnect();
                (wait, Kind::Outage)
            }
            Next::Wait(wait, kind) => (wait, kind),
        };
        if self.trouble.announce(kind) {
            let wait_s = wait.as_secs_f32();
            match kind {
                Kind::Outage => tracing::warn!(error = %failure, "Telegram does not answer, trying on"),
                Kind::Refused => tracing::warn!(error = %failure, method, "Telegram refuses, trying on"),
                Kind::Conflict => {
                    tracing::warn!(error = %failure, wait_s, "Another program polls with this bot's token, waiting for it to end");
                }
                Kind::Throttled => tracing::warn!(wait_s, "Telegram asks to wait"),
                Kind::Webhook => tracing::warn!(error = %failure, "A webhook keeps polls out"),
            }
            self.tell(&reason(kind, method, failure, wait));
        }
        Ok(Before::Wait(wait))
    }

    /// Tells of an outage that no failed call shows, once until it is over.
    pub(crate) fn undelivered(&mut self, reason: &str) {
        if self.trouble.undelivered(Instant::now()) {
            tracing::warn!(reason, "Telegram cannot deliver");
            self.tell(&format!("telegram cannot deliver to the webhook: {reason}"));
        }
    }

    /// Tells, once until it is over, why a webhook goes on to keep polls out.
    pub(super) fn blocked(&mut self, reason: &str) {
        if self.trouble.announce(Kind::Webhook) {
            tracing::warn!(reason, "A webhook keeps polls out");
            self.tell(reason);
        }
    }

    fn tell(&self, reason: &str) {
        let data = json!({ "reason": reason });
        self.channel.context.event("outage", data);
    }
}

/// A sentence for whoever looks at the gateway.
fn reason(kind: Kind, method: &str, failure: &Failure, wait: Duration) -> String {
    match kind {
        Kind::Outage | Kind::Webhook => failure.to_string(),
        Kind::Refused => {
            let hint = match method {
                "setWebhook" => "; see whether `webhook.url` is right",
                _ => "",
            };
            format!("telegram refuses {method}: {failure}{hint}")
        }
        Kind::Conflict => format!("another program polls with this bot's token: {failure}"),
        Kind::Throttled => format!("telegram asks to wait {} s: {failure}", wait.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Refusal;

    fn refused(code: u16, description: &str) -> Failure {
        Failure::Refused(Refusal {
            code,
            description: description.to_owned(),
            ..Refusal::default()
        })
    }

    #[test]
    fn reasons_say_what_telegram_said() {
        let wait = Duration::from_secs(17);
        for (kind, failure, expected) in [
            (
                Kind::Conflict,
                refused(409, "Conflict: terminated by other getUpdates request"),
                "another program polls with this bot's token: Conflict: terminated by other getUpdates request (409)",
            ),
            (
                Kind::Throttled,
                refused(429, "Too Many Requests: retry after 17"),
                "telegram asks to wait 17 s: Too Many Requests: retry after 17 (429)",
            ),
            (
                Kind::Outage,
                Failure::Broken(502),
                "telegram is at fault (HTTP status 502)",
            ),
            (
                Kind::Outage,
                Failure::Unreachable("Connection refused (os error 111)".to_owned()),
                "telegram cannot be reached: Connection refused (os error 111)",
            ),
        ] {
            assert_eq!(reason(kind, "getUpdates", &failure, wait), expected);
        }
    }
}
