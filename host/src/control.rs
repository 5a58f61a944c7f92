//! The control socket: one JSON object a line, for the command line of the same user.
//!
//! A request is `{"v": 1, "op": …}`; the answer is `{"v": 1, "ok": …}` or `{"v": 1, "error": "…"}`.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::cli::chain;
use crate::desk::Desk;
use crate::dispatch::Message;
use crate::gateway::{Look, Roster, Sights, Which};
use crate::pairing::{Pairing, Verdict};
use crate::sessions::{SessionKey, SessionManager};
use crate::tasks::Tasks;

/// Version of the protocol.
const VERSION: u32 = 1;
/// Longer requests are cut off. A text to be sent may be six times as long as JSON.
const REQUEST_BYTES: u64 = 256 * 1024;
/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 8;
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
}

impl Op {
    /// What changes nothing and is called `name`, with `data` as its fields.
    pub(crate) fn reading(name: &str, data: Value) -> Option<Self> {
        const READING: [&str; 3] = ["status", "sessions.list", "sessions.show"];
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
}

/// The socket of a running gateway; its file goes with it.
pub(crate) struct ControlServer(PathBuf);

impl ControlServer {
    /// Listens in the state folder, whose lock the caller holds: a socket found there is nobody's.
    ///
    /// # Errors
    /// Where the socket cannot be made, for example because its path is longer than 107 bytes.
    pub(crate) fn start(state_dir: &Path, hands: Arc<Hands>, tasks: &Tasks) -> io::Result<Self> {
        let path = socket(state_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // The folder keeps others out between these two steps.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        tasks.spawn("control", accept(listener, hands, tasks.clone()));
        Ok(Self(path))
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // The next gateway removes what is left.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn accept(listener: UnixListener, hands: Arc<Hands>, tasks: Tasks) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let hands = hands.clone();
                tasks.spawn("control connection", async move {
                    let _slot = slot;
                    match tokio::time::timeout(PATIENCE, converse(stream, &hands)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => debug!(%error, "Control connection broke"),
                        Err(_) => debug!("Control connection was silent"),
                    }
                });
            }
            Err(error) => {
                warn!(%error, "Control connection not taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, hands: &Hands) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(reader.take(REQUEST_BYTES)).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match answer(&line, hands).await {
            Ok(ok) => json!({ "v": VERSION, "ok": ok }),
            Err(error) => json!({ "v": VERSION, "error": error }),
        };
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

async fn answer(line: &str, hands: &Hands) -> Result<Value, String> {
    let request: Request = serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))?;
    if request.v != VERSION {
        return Err(format!(
            "the request is of version {}, this gateway speaks {VERSION}",
            request.v
        ));
    }
    perform(request.op, hands).await
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
    } = hands;
    let key = |key: String| SessionKey(key.into());
    let answer = match op {
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

/// Asks the gateway that runs on a state folder; `None` where none does.
///
/// # Errors
/// The gateway's refusal, or what broke the connection.
pub(crate) fn ask(state_dir: &Path, op: Op) -> Result<Option<Value>, String> {
    let path = socket(state_dir);
    let mut stream = match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot reach the gateway at {}: {error}", path.display())),
    };
    let closed = || {
        format!(
            "the gateway at {} closed the connection without an answer: it is ending, or has just been killed; ask again \
             when it runs, and look first whether what was asked of it happened",
            path.display()
        )
    };
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
            "the gateway at {} has not answered within {PATIENCE:?}; what was asked of it may still happen",
            path.display()
        ),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => closed(),
        _ => format!("the gateway at {} broke off: {error}", path.display()),
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    let request = serde_json::to_string(&Request { v: VERSION, op }).map_err(|error| error.to_string())?;
    stream
        .write_all(format!("{request}\n").as_bytes())
        .map_err(broken)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(broken)?;
    if !line.ends_with('\n') {
        return Err(closed());
    }
    let mut answer: Value = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Ok(Some(answer["ok"].take())),
    }
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

    #[test]
    fn a_gateway_that_ends_before_it_answers_is_told_in_a_sentence() {
        let state = tempfile::tempdir().unwrap();
        for answer in [&b""[..], b"{\"v\": 1, "] {
            let listener = std::os::unix::net::UnixListener::bind(socket(state.path())).unwrap();
            let gateway = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                stream.write_all(answer).unwrap();
            });
            let error = ask(state.path(), Op::Counters).unwrap_err();
            gateway.join().unwrap();
            assert!(
                error.contains("closed the connection without an answer"),
                "{error}"
            );
            assert!(!error.contains("EOF"), "{error}");
            std::fs::remove_file(socket(state.path())).unwrap();
        }
    }
}
