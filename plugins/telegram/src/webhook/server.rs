//! The listener: connections of the reverse proxy, each answered when its update is on disk.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use miniclaw_plugin_api::Stop;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::request::{self, Delivery, Head, Rules};

/// More than the 100 that Telegram opens at most; beyond that the kernel keeps them waiting.
pub(super) const CONNECTIONS: usize = 128;
/// How long a connection may be silent between requests: longer than proxies keep one.
const IDLE: Duration = Duration::from_secs(75);
/// How long a request may take to come, once it has begun, and an answer to go.
const READ_DEADLINE: Duration = Duration::from_secs(20);
/// For the last answers after a stop; the host gives `receive` 2.5 s to end, of which a verdict may take one.
pub(super) const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How long, and for how many bytes, a refused request is read off: to close before that would reset the connection,
/// and the answer be lost with it.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 2 * request::BODY_CAP;
/// A listener that fails, for want of descriptors for example, is asked again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An update that waits for the host.
pub(super) struct Waiting {
    pub(super) update: Box<RawValue>,
    /// Told when the update is on disk; dropped where it is not to be.
    pub(super) taken: oneshot::Sender<()>,
}

/// Why a connection is no more.
enum End {
    Closed,
    Refused(u16),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Serves until the stop, and then for as long as the last answers take.
pub(super) async fn serve(
    listener: TcpListener,
    rules: Arc<Rules>,
    updates: mpsc::Sender<Waiting>,
    mut stop: Stop,
) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = free.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = stop.requested() => break,
            () = updates.closed() => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (rules, updates, stop) = (rules.clone(), updates.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    run(stream, &rules, &updates, stop).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "No connection can be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // What was taken in before the stop may still get its verdict.
    updates.closed().await;
    // Whoever is not done by then is told nothing, and Telegram delivers again.
    let _ = timeout(LAST_ANSWERS, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

async fn run(stream: TcpStream, rules: &Rules, updates: &mpsc::Sender<Waiting>, stop: Stop) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection {
        stream,
        input: Vec::new(),
        stop,
    };
    if let Err(End::Refused(status)) = connection.serve(rules, updates).await {
        tracing::debug!(status, "Request refused");
        // The other side may be gone, which is the same to it.
        if connection.answer(status, false).await.is_ok() {
            let _ = timeout(LINGER, connection.read_off()).await;
        }
    }
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    stop: Stop,
}

impl Connection {
    async fn serve(&mut self, rules: &Rules, updates: &mpsc::Sender<Waiting>) -> Result<(), End> {
        loop {
            if self.input.is_empty() && !self.hears_more().await? {
                return Ok(());
            }
            let read = timeout(READ_DEADLINE, self.request(rules));
            let (body, keep_alive) = read.await.map_err(|_| End::Refused(408))??;
            let taken = hand_over(&body, updates).await;
            let goes_on = keep_alive && taken;
            self.answer(if taken { 200 } else { 503 }, goes_on).await?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Waits for the first bytes of a request; there are none once the host stops.
    async fn hears_more(&mut self) -> io::Result<bool> {
        let heard = timeout(IDLE, self.stream.read_buf(&mut self.input));
        tokio::select! {
            biased;
            heard = heard => Ok(heard.unwrap_or(Ok(0))? > 0),
            () = self.stop.requested() => Ok(false),
        }
    }

    /// The body of the next request, and whether another one may follow.
    async fn request(&mut self, rules: &Rules) -> Result<(Vec<u8>, bool), End> {
        let delivery = loop {
            match request::read(&self.input, rules) {
                Head::Delivery(delivery) => break delivery,
                Head::Refused(status) => return Err(End::Refused(status)),
                Head::Incomplete => self.more().await?,
            }
        };
        let Delivery { start, length, .. } = delivery;
        if delivery.expects_continue && self.input.len() < start + length {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while self.input.len() < start + length {
            self.more().await?;
        }
        let rest = self.input.split_off(start + length);
        let mut body = std::mem::replace(&mut self.input, rest);
        body.drain(..start);
        Ok((body, delivery.keep_alive))
    }

    async fn more(&mut self) -> Result<(), End> {
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(End::Closed),
            _ => Ok(()),
        }
    }

    async fn read_off(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut left = LINGER_BYTES;
        let mut rest = vec![0; 16 * 1024];
        while left > 0 {
            match self.stream.read(&mut rest).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok(())
    }

    async fn answer(&mut self, status: u16, keep_alive: bool) -> io::Result<()> {
        let close = if keep_alive { "" } else { "connection: close\r\n" };
        let wire = format!(
            "HTTP/1.1 {status} {}\r\ncontent-length: 0\r\n{close}\r\n",
            phrase(status)
        );
        timeout(READ_DEADLINE, self.stream.write_all(wire.as_bytes()))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether the host has the update on disk.
async fn hand_over(body: &[u8], updates: &mpsc::Sender<Waiting>) -> bool {
    // What is no JSON at all comes again and again until it is confirmed, like every other update that cannot be read.
    let update = serde_json::from_slice(body).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let (taken, verdict) = oneshot::channel();
    updates.send(Waiting { update, taken }).await.is_ok() && verdict.await.is_ok()
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}
