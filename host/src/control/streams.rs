//! Requests that are answered by a stream: the log as it grows, what happens, and the end of the gateway.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::debug;

use super::server::{Ending, Talk};
use super::{Op, VERSION};
use crate::feed::{self, Heard, Listening, Weigh};
use crate::gateway::Roster;
use crate::telemetry::{self, Logged, Wanted};

type End = watch::Receiver<Option<Ending>>;

impl Op {
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::FollowLogs { .. } | Self::Tap { .. } | Self::Stop)
    }

    /// Refuses to look at an instance that there is not, and of which no line of the log speaks.
    ///
    /// # Errors
    /// The refusal, in words.
    pub(super) fn looks_at_one_of(&self, roster: &Roster) -> Result<(), String> {
        let (Self::RecentLogs { channel, .. } | Self::FollowLogs { channel, .. } | Self::Tap { channel, .. }) =
            self
        else {
            return Ok(());
        };
        let Some(channel) = channel else {
            return Ok(());
        };
        let lines = Wanted {
            channel: Some(channel.clone()),
            level: None,
        };
        let mut names: Vec<_> = roster.states().into_iter().map(|one| one.instance).collect();
        // A gateway that starts may not have made them yet.
        let is_known = names.is_empty() || names.contains(channel);
        if is_known || !telemetry::recent(1, &lines).is_empty() {
            return Ok(());
        }
        names.sort_unstable();
        let channel = telemetry::printable(channel, 64);
        Err(format!(
            "no channel or provider is called `{channel}`; there are: {}",
            names.join(", ")
        ))
    }
}

impl Talk {
    /// Streams until the client hangs up or the gateway ends.
    pub(super) async fn run_to_its_end(mut self, op: Op, end: End) {
        if let Err(error) = self.stream(op, end).await {
            debug!(%error, "Control stream broke");
        }
    }

    async fn stream(&mut self, op: Op, end: End) -> io::Result<()> {
        match op {
            Op::FollowLogs {
                lines,
                channel,
                level,
            } => {
                let (last, listening) = telemetry::follow(lines, Wanted { channel, level });
                self.begin().await?;
                for record in last {
                    self.write(event(&logged(&record))).await?;
                }
                self.show(&listening, end, logged).await
            }
            Op::Tap {
                channel,
                session,
                text,
            } => {
                let listening = feed::looks_on(channel, session);
                self.begin().await?;
                self.show(&listening, end, |event| event.to_json(text)).await
            }
            _ => {
                let stopping = json!({ "kind": "stopping", "pid": std::process::id() });
                self.send("event", &stopping).await?;
                self.end(end).await
            }
        }
    }

    /// What comes from here on is in the stream.
    async fn begin(&mut self) -> io::Result<()> {
        let begun =
            json!({ "kind": "begun", "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION") });
        self.send("event", &begun).await
    }

    async fn show<T: Weigh>(
        &mut self,
        listening: &Listening<T>,
        mut end: End,
        describe: impl Fn(&Arc<T>) -> Value,
    ) -> io::Result<()> {
        let line = |heard| match heard {
            // Whatever a plugin put into it.
            Heard::Item(item) => telemetry::without_secrets(event(&describe(&item))),
            Heard::Dropped(count) => event(&json!({ "kind": "dropped", "count": count })),
        };
        loop {
            let heard = tokio::select! {
                biased;
                () = self.hung_up() => return Ok(()),
                heard = listening.next() => heard,
                _ = end.wait_for(Option::is_some) => break,
            };
            self.write(line(heard)).await?;
        }
        while let Some(heard) = listening.waiting() {
            self.write(line(heard)).await?;
        }
        self.end(end).await
    }

    async fn end(&mut self, mut end: End) -> io::Result<()> {
        let ending = tokio::select! {
            biased;
            ending = end.wait_for(Option::is_some) => ending.ok().and_then(|ending| *ending),
            () = self.hung_up() => return Ok(()),
        };
        let complete = ending.is_some_and(|ending| ending.complete);
        self.send("ok", &json!({ "reason": "stopped", "complete": complete }))
            .await
    }
}

fn event(value: &Value) -> String {
    format!("{}\n", json!({ "v": VERSION, "event": value }))
}

fn logged(record: &Arc<Logged>) -> Value {
    let mut value = json!(**record);
    value["kind"] = "log".into();
    value
}
