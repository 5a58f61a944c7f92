//! A model server that says what the test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An HTTP server on the loopback interface that gives one scripted answer to each connection, in order, and
/// nothing to those that come after. It ends when it is dropped.
pub struct ScriptedServer {
    address: SocketAddr,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    task: JoinHandle<()>,
}

/// A request that the server got.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Request line and headers.
    pub head: String,
    /// The body; null where it is no JSON.
    pub body: Value,
}

/// What the server says to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    head: String,
    pieces: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Whole,
    Cut,
    Stall,
}

impl Answer {
    /// A body of this media type, sent piece by piece.
    pub fn new(status: u16, content_type: &str, pieces: &[&str]) -> Self {
        Self {
            head: format!(
                "HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\nconnection: close\r\n\
                 transfer-encoding: chunked\r\n"
            ),
            pieces: pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .map(|piece| piece.as_bytes().to_vec())
                .collect(),
            end: End::Whole,
        }
    }

    /// A body of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", &[&body.to_string()])
    }

    /// Server-sent events with these data, one piece each.
    pub fn events(data: &[&str]) -> Self {
        let pieces: Vec<String> = data.iter().map(|data| format!("data: {data}\n\n")).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        Self::new(200, "text/event-stream", &pieces)
    }

    /// Lines, one piece each.
    pub fn lines(lines: &[&str]) -> Self {
        let pieces: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        Self::new(200, "application/x-ndjson", &pieces)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Closes the connection after the last piece, without the end of the body.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }

    /// Falls silent after the last piece and keeps the connection.
    #[must_use]
    pub fn stalled(mut self) -> Self {
        self.end = End::Stall;
        self
    }
}

impl ScriptedServer {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap_or_else(|error| panic!("cannot listen on the loopback interface: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"));
        let recorded = Arc::<Mutex<Vec<Recorded>>>::default();
        let task = tokio::spawn(play(listener, script, recorded.clone()));
        Self {
            address,
            recorded,
            task,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(listener: TcpListener, script: Vec<Answer>, recorded: Arc<Mutex<Vec<Recorded>>>) {
    // Stalled connections stay open as long as the server lives.
    let mut stalled = Vec::new();
    for answer in script {
        let Ok((mut stream, _)) = listener.accept().await else {
            return;
        };
        // A client that goes away early is what some tests are about.
        if let Ok(request) = read_request(&mut stream).await {
            recorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request);
        }
        drop(write_answer(&mut stream, &answer).await);
        if answer.end == End::Stall {
            stalled.push(stream);
        }
    }
    std::future::pending::<()>().await;
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<Recorded> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let body = &bytes[end + 4..];
            if body.len() >= content_length(&head) {
                let body = serde_json::from_slice(body).unwrap_or_default();
                return Ok(Recorded { head, body });
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default()
}

async fn write_answer(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream
        .write_all(format!("{}\r\n", answer.head).as_bytes())
        .await?;
    for piece in &answer.pieces {
        stream
            .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
            .await?;
        stream.write_all(piece).await?;
        stream.write_all(b"\r\n").await?;
    }
    if answer.end == End::Whole {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}
