//! The gateway's side: connections, their bounds, and who may speak.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::address::Address;
use super::{Hands, Op, PATIENCE, Request, VERSION, perform, socket};
use crate::tasks::Tasks;

/// Longer requests are refused. A text to be sent may be six times as long as JSON.
const REQUEST_BYTES: u64 = 256 * 1024;
/// Connections with requests at once; more wait.
const CONNECTIONS: usize = 8;
/// Streams at once; more are refused.
const STREAMS: usize = 8;
/// For a request to arrive: it is one line, which its sender has at hand.
const ARRIVES: Duration = Duration::from_secs(5);
/// The same where somebody else waits for a place.
const ARRIVES_IN_A_CROWD: Duration = Duration::from_millis(250);
/// A stream whose reader takes nothing for this long is cut off.
const STUCK: Duration = Duration::from_secs(600);
/// For streams to tell how it ended.
const FAREWELL: Duration = Duration::from_millis(200);

/// How the gateway ended, which ends the streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// Nothing is left for the next start.
    pub(crate) complete: bool,
}

/// The socket of a running gateway; its file goes with it.
pub(crate) struct ControlServer {
    path: PathBuf,
    ending: watch::Sender<Option<Ending>>,
    streams: Tasks,
}

impl ControlServer {
    /// Listens in the state folder, whose lock the caller holds: a socket found there is nobody's.
    ///
    /// # Errors
    /// Where the socket cannot be made, for example because its path is too long and there is no `/proc`.
    pub(crate) fn start(state_dir: &Path, hands: Arc<Hands>, tasks: &Tasks) -> io::Result<Self> {
        let path = socket(state_dir);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(Address::of(&path)?.name())?;
        // The folder keeps others out between these two steps.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let served = Served {
            hands,
            tasks: tasks.clone(),
            streams: Tasks::default(),
            stream_places: Arc::new(Semaphore::new(STREAMS)),
            crowded: watch::channel(false).0,
            ending: watch::channel(None).0,
        };
        let server = Self {
            path,
            ending: served.ending.clone(),
            streams: served.streams.clone(),
        };
        tasks.spawn("control", accept(listener, Arc::new(served)));
        Ok(server)
    }

    /// Tells every stream how the gateway ended.
    pub(crate) async fn close(&self, ending: Ending) {
        self.ending.send_replace(Some(ending));
        // Whoever reads nothing finds out by the end of the connection.
        let _ = timeout(FAREWELL, self.streams.join()).await;
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // The next gateway removes what is left.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What all connections share.
struct Served {
    hands: Arc<Hands>,
    tasks: Tasks,
    streams: Tasks,
    stream_places: Arc<Semaphore>,
    /// Whether a connection waits for a place.
    crowded: watch::Sender<bool>,
    ending: watch::Sender<Option<Ending>>,
}

async fn accept(listener: UnixListener, served: Arc<Served>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "Control connection not taken");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        served.crowded.send_replace(places.available_permits() == 0);
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        served.crowded.send_replace(false);
        let tasks = served.tasks.clone();
        let served = served.clone();
        tasks.spawn("control connection", async move {
            if let Err(error) = serve(stream, place, &served).await {
                debug!(%error, "Control connection broke");
            }
        });
    }
}

async fn serve(stream: UnixStream, place: OwnedSemaphorePermit, served: &Served) -> io::Result<()> {
    let (peer, own) = (stream.peer_cred()?.uid(), rustix::process::geteuid().as_raw());
    let mut talk = Talk::new(stream);
    if !may_speak(peer, own) {
        warn!(user = peer, "Control connection of another user refused");
        return talk
            .refuse(&format!("this gateway answers user {own} and root alone"))
            .await;
    }
    let Some(op) = timeout(PATIENCE, converse(&mut talk, served)).await?? else {
        return Ok(());
    };
    let end = served.ending.subscribe();
    if let Op::Stop = op {
        served.hands.stop.cancel();
        served.streams.spawn("control stop", async move {
            // It is nobody's stream that could keep the operator from stopping the gateway.
            let _place = place;
            talk.run_to_its_end(op, end).await;
        });
        return Ok(());
    }
    drop(place);
    let Ok(place) = served.stream_places.clone().try_acquire_owned() else {
        let text = format!("{STREAMS} streams are open already, which is the most; end one of them");
        return talk.refuse(&text).await;
    };
    served.streams.spawn("control stream", async move {
        let _place = place;
        talk.run_to_its_end(op, end).await;
    });
    Ok(())
}

/// The socket's mode keeps others out; this holds where somebody has widened it.
fn may_speak(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// Answers requests until there are no more, which is `None`, or one asks for a stream.
async fn converse(talk: &mut Talk, served: &Served) -> io::Result<Option<Op>> {
    loop {
        let line = tokio::select! {
            biased;
            line = talk.line() => line,
            late = too_late(served.crowded.subscribe()) => Err(NoLine::Refused(late)),
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(NoLine::Io(error)) => return Err(error),
            Err(NoLine::Refused(why)) => {
                talk.refuse(why).await?;
                return Ok(None);
            }
        };
        let op = parse(&line).and_then(|op| op.looks_at_one_of(&served.hands.roster).map(|()| op));
        let answered = match op {
            Ok(op) if op.is_stream() => return Ok(Some(op)),
            Ok(op) => to_its_end(op, served).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(ok) => talk.send("ok", &ok).await?,
            Err(error) => talk.refuse(&error).await?,
        }
    }
}

/// Returns, with the reason, when a request should have arrived by now: who holds a place and says nothing keeps nobody
/// from being answered.
async fn too_late(mut crowded: watch::Receiver<bool>) -> &'static str {
    tokio::time::sleep(ARRIVES_IN_A_CROWD).await;
    match timeout(ARRIVES - ARRIVES_IN_A_CROWD, crowded.wait_for(|crowded| *crowded)).await {
        Ok(_) => "no whole request came, and others wait",
        Err(_) => "no whole request came",
    }
}

/// What was begun is done to its end, whether or not anybody still waits for the answer: half a reload is none.
async fn to_its_end(op: Op, served: &Served) -> Result<Value, String> {
    let hands = served.hands.clone();
    let done = served
        .tasks
        .spawn("control request", async move { perform(op, &hands).await });
    match done.await {
        Ok(Some(answer)) => answer,
        _ => Err("it broke off, the log tells why".into()),
    }
}

fn parse(line: &[u8]) -> Result<Op, String> {
    let request: Request = serde_json::from_slice(line).map_err(|error| format!("not a request: {error}"))?;
    if request.v != VERSION {
        return Err(format!(
            "the request is of version {}, this gateway speaks {VERSION}",
            request.v
        ));
    }
    Ok(request.op)
}

/// One connection.
pub(super) struct Talk {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

enum NoLine {
    Io(io::Error),
    Refused(&'static str),
}

impl Talk {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
        }
    }

    /// The next request; `None` where there is none.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, NoLine> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.reader).take(REQUEST_BYTES);
        bounded.read_until(b'\n', &mut line).await.map_err(NoLine::Io)?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() as u64 >= REQUEST_BYTES => {
                Err(NoLine::Refused("not a request: it is longer than 256 KiB"))
            }
            Some(_) => Err(NoLine::Refused("not a request: it does not end with its line")),
        }
    }

    /// Waits until the client hangs up, or says something that nobody listens to.
    pub(super) async fn hung_up(&mut self) {
        // Either way the stream is over.
        let _ = self.reader.fill_buf().await;
    }

    pub(super) async fn send(&mut self, what: &str, value: &Value) -> io::Result<()> {
        let line = format!("{}\n", json!({ "v": VERSION, what: value }));
        self.write(line).await
    }

    pub(super) async fn write(&mut self, line: String) -> io::Result<()> {
        timeout(STUCK, self.writer.write_all(line.as_bytes())).await?
    }

    async fn refuse(&mut self, why: &str) -> io::Result<()> {
        self.send("error", &why.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_user_and_root_alone_may_speak() {
        assert!(may_speak(1000, 1000) && may_speak(0, 1000) && may_speak(0, 0));
        assert!(!may_speak(1001, 1000) && !may_speak(1000, 0));
    }
}
