//! The control socket: one JSON object a line, for the command line of the same user.
//!
//! A request is `{"v": 1, "op": …}`; the answer is `{"v": 1, "ok": …}` or `{"v": 1, "error": "…"}`. Some are answered by a
//! stream: lines `{"v": 1, "event": …}` until such an answer ends it. docs/control.md describes it.

mod address;
mod client;
mod server;
mod streams;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use client::{Ended, ask, watch};
pub(crate) use server::{ControlServer, Ending};

use crate::cli::chain;
use crate::desk::Desk;
use crate::dispatch::Message;
use crate::gateway::{Look, Roster, Sights, Which};
use crate::pairing::{Pairing, Verdict};
use crate::sessions::{SessionKey, SessionManager};
use crate::telemetry::{self, Wanted};

/// Version of the protocol.
const VERSION: u32 = 1;
/// What a request may take.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    v: u32,
    #[serde(flatten)]
    op: Op,
}

/// What the gateway can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op")]
pub(crate) enum Op {
    /// Deletes a session; answers whether there was one.
    #[serde(rename = "sessions.delete")]
    DeleteSession { key: String },
    /// Answers a listing.
    #[serde(rename = "sessions.list")]
    ListSessions,
    /// Answers a session's messages, none for an unknown one.
    #[serde(rename = "sessions.show")]
    ShowSession { key: String },
    /// Answers an [`Outcome`](crate::desk::Outcome).
    #[serde(rename = "queue.retry")]
    Retry { id: u64 },
    /// The same.
    #[serde(rename = "queue.drop")]
    Drop { id: u64 },
    /// Answers [`Counters`](crate::hub::Counters).
    #[serde(rename = "queue.counters")]
    Counters,
    /// Answers a list of [`InstanceState`](crate::gateway::InstanceState).
    #[serde(rename = "plugins.states")]
    PluginStates,
    /// Answers a list of [`Changed`](crate::gateway::Changed).
    #[serde(rename = "plugins.reload")]
    ReloadPlugin { name: String },
    /// The same.
    #[serde(rename = "plugins.enable")]
    EnablePlugin { name: String },
    /// The same.
    #[serde(rename = "plugins.disable")]
    DisablePlugin { name: String },
    /// Answers what [`Look`](crate::gateway::Look) sees.
    #[serde(rename = "status")]
    Status,
    /// Answers a [`Link`](crate::gateway::Link).
    #[serde(rename = "channels.link")]
    Link { channel: Option<String> },
    /// Answers a [`Taken`](crate::gateway::Taken).
    #[serde(rename = "reload")]
    Reload,
    /// Answers a [`Dispatched`](crate::dispatch::Dispatched).
    #[serde(rename = "send")]
    Send(Message),
    /// Answers a [`Listing`](crate::pairing::Listing).
    #[serde(rename = "pairing.list")]
    ListPairing,
    /// Answers a [`Pending`](crate::pairing::Pending), or nothing for a code that nobody has.
    #[serde(rename = "pairing.decide")]
    Pair { verdict: Verdict, code: String },
    /// Answers whether there was anything to take back.
    #[serde(rename = "pairing.revoke")]
    Unpair { channel: String, id: String },
    /// Answers the last lines of the log, oldest first; a level is 1 error … 5 trace.
    #[serde(rename = "logs.recent")]
    RecentLogs {
        #[serde(default = "some_lines")]
        lines: usize,
        #[serde(default)]
        channel: Option<String>,
        #[serde(default)]
        level: Option<u8>,
    },
    /// The same as a stream that goes on.
    #[serde(rename = "logs.follow")]
    FollowLogs {
        #[serde(default = "some_lines")]
        lines: usize,
        #[serde(default)]
        channel: Option<String>,
        #[serde(default)]
        level: Option<u8>,
    },
    /// A stream of what happens.
    #[serde(rename = "tap")]
    Tap {
        #[serde(default)]
        channel: Option<String>,
        #[serde(default)]
        session: Option<String>,
        /// With the text of messages.
        #[serde(default)]
        text: bool,
    },
    /// Stops the gateway as SIGTERM does; a stream that ends with it.
    #[serde(rename = "stop")]
    Stop,
}

/// Of a log, where nobody says how many.
fn some_lines() -> usize {
    100
}

impl Op {
    /// What changes nothing and is called `name`, with `data` as its fields.
    pub(crate) fn reading(name: &str, data: Value) -> Option<Self> {
        const READING: [&str; 4] = ["status", "sessions.list", "sessions.show", "logs.recent"];
        if !READING.contains(&name) {
            return None;
        }
        let mut op = match data {
            Value::Object(data) => data,
            _ => serde_json::Map::new(),
        };
        op.insert("op".into(), name.into());
        serde_json::from_value(Value::Object(op)).ok()
    }
}

/// What the socket reaches.
pub(crate) struct Hands {
    pub(crate) sessions: Arc<SessionManager>,
    pub(crate) desk: Desk,
    pub(crate) roster: Arc<Roster>,
    pub(crate) pairing: Arc<Pairing>,
    pub(crate) sights: Sights,
    /// The operator wants the gateway to stop.
    pub(crate) stop: CancellationToken,
}

/// Does what was asked.
///
/// # Errors
/// The refusal, in words.
pub(crate) async fn perform(op: Op, hands: &Hands) -> Result<Value, String> {
    let Hands {
        sessions,
        desk,
        roster,
        pairing,
        sights,
        stop: _,
    } = hands;
    let key = |key: String| SessionKey(key.into());
    let answer = match op {
        Op::FollowLogs { .. } | Op::Tap { .. } | Op::Stop => {
            return Err("this is answered by a stream, which the control socket alone gives".into());
        }
        Op::RecentLogs {
            lines,
            channel,
            level,
        } => {
            return Ok(telemetry::recent(lines, &Wanted { channel, level }).into());
        }
        Op::Reload => return Ok(json!(roster.reconfigure().await)),
        Op::Counters => return Ok(json!(desk.counters())),
        Op::Status => {
            let look = Look { roster, desk, sights };
            return Ok(look.all().await);
        }
        Op::Send(message) => return desk.send(sessions, message).await.map(|sent| json!(sent)),
        Op::ListPairing => return Ok(json!(pairing.listing(|channel| sights.channels.pairs(channel)))),
        Op::Link { channel } => return roster.link(channel.as_deref()).await.map(|link| json!(link)),
        Op::Pair { verdict, code } => {
            return desk
                .pair(pairing.clone(), verdict, code, |channel| {
                    sights.channels.pairs(channel)
                })
                .await
                .map(|who| json!(who));
        }
        Op::Unpair { channel, id } => {
            return desk.unpair(pairing.clone(), channel, id).await.map(Value::from);
        }
        Op::PluginStates => return Ok(json!(roster.states())),
        Op::ReloadPlugin { name } => {
            let changed = roster.reload(Which::Named(name)).await;
            return changed.map(|changed| json!(changed));
        }
        Op::EnablePlugin { name } => return roster.enable(&name).await.map(|changed| json!(changed)),
        Op::DisablePlugin { name } => return roster.disable(&name).await.map(|changed| json!(changed)),
        Op::Retry { id } => {
            return desk
                .retry(id)
                .await
                .map(|done| json!(done))
                .map_err(|error| chain(&error));
        }
        Op::Drop { id } => {
            return desk
                .drop(id)
                .await
                .map(|done| json!(done))
                .map_err(|error| chain(&error));
        }
        Op::DeleteSession { key: name } => sessions.delete(&key(name)).await.map(Value::from),
        Op::ListSessions => sessions.list().await.map(|listing| json!(listing)),
        Op::ShowSession { key: name } => {
            let found = sessions.show(&key(name)).await;
            found.map(|found| {
                json!(
                    found
                        .map(|snapshot| snapshot.entries.to_vec())
                        .unwrap_or_default()
                )
            })
        }
    };
    answer.map_err(|error| chain(&error))
}

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_asks_for_changes_nothing() {
        assert!(matches!(Op::reading("status", Value::Null), Some(Op::Status)));
        let shown = Op::reading("sessions.show", json!({ "key": "a_1", "op": "sessions.delete" }));
        assert!(matches!(shown, Some(Op::ShowSession { key }) if key == "a_1"));
        for name in [
            "sessions.delete",
            "queue.drop",
            "plugins.disable",
            "send",
            "pairing.decide",
            "",
        ] {
            let data = json!({ "key": "a_1", "id": 1, "name": "a", "op": "status" });
            assert!(Op::reading(name, data).is_none(), "{name}");
        }
    }
}
