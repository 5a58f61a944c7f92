//! One connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::{full, push_chunk, stream_head};
use super::{End, Handler, Reply, Request, request};

pub(super) async fn run<H: Handler>(stream: TcpStream, handler: Arc<H>) {
    // Without it, answers in pieces would wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection {
        stream,
        input: Vec::with_capacity(4096),
    };
    // A client that breaks its connection is the client's matter.
    let _ = connection.serve(handler.as_ref()).await;
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Connection {
    async fn serve<H: Handler>(&mut self, handler: &H) -> io::Result<()> {
        while let Some(request) = self.next_request().await? {
            let keep_alive = request.keep_alive();
            let reply = tokio::select! {
                biased;
                reply = handler.handle(request) => reply,
                gone = self.client_gone() => return gone,
            };
            let goes_on = self.answer(reply).await?;
            if !(keep_alive && goes_on) {
                break;
            }
        }
        self.stream.shutdown().await
    }

    async fn next_request(&mut self) -> io::Result<Option<Request>> {
        loop {
            match request::take(&mut self.input) {
                Ok(Some(request)) => return Ok(Some(request)),
                Ok(None) => {}
                Err(reason) => {
                    let wire = full(400, "text/plain", &[], reason.as_bytes());
                    self.stream.write_all(&wire).await?;
                    return Ok(None);
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Returns when the client closed its side; what it sends meanwhile is kept.
    async fn client_gone(&mut self) -> io::Result<()> {
        while self.stream.read_buf(&mut self.input).await? > 0 {}
        Ok(())
    }

    /// Returns whether the connection can take another request.
    async fn answer(&mut self, reply: Reply) -> io::Result<bool> {
        match reply {
            Reply::Full {
                status,
                content_type,
                headers,
                body,
            } => {
                let wire = full(status, content_type, &headers, &body);
                self.stream.write_all(&wire).await?;
                Ok(true)
            }
            Reply::Stream {
                content_type,
                pieces,
                end,
            } => self.stream_pieces(content_type, &pieces, end).await,
            Reply::Wire { parts, end } => self.raw_parts(&parts, end).await,
            Reply::Endless {
                content_type,
                wait,
                piece,
            } => self.endless(content_type, wait, &piece).await,
            Reply::Close => Ok(false),
            Reply::Reset => {
                self.stream.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Reply::Hang => self.client_gone().await.map(|()| false),
        }
    }

    async fn raw_parts(&mut self, parts: &[(Duration, Vec<u8>)], end: End) -> io::Result<bool> {
        for (wait, part) in parts {
            if self.gone_within(*wait).await? {
                return Ok(false);
            }
            self.stream.write_all(part).await?;
        }
        self.end(end).await
    }

    async fn endless(&mut self, content_type: &str, wait: Duration, piece: &[u8]) -> io::Result<bool> {
        self.stream.write_all(&stream_head(content_type)).await?;
        let mut wire = Vec::new();
        push_chunk(&mut wire, piece);
        loop {
            if self.gone_within(wait).await? {
                return Ok(false);
            }
            self.stream.write_all(&wire).await?;
        }
    }

    /// Whether the client closed its side before `wait` was over.
    async fn gone_within(&mut self, wait: Duration) -> io::Result<bool> {
        if wait.is_zero() {
            return Ok(false);
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(false),
            gone = self.client_gone() => gone.map(|()| true),
        }
    }

    async fn end(&mut self, end: End) -> io::Result<bool> {
        match end {
            End::Complete => Ok(true),
            End::Cut => Ok(false),
            End::Hang => self.client_gone().await.map(|()| false),
        }
    }

    async fn stream_pieces(
        &mut self,
        content_type: &str,
        pieces: &[(Duration, Vec<u8>)],
        end: End,
    ) -> io::Result<bool> {
        let mut wire = stream_head(content_type);
        for (wait, piece) in pieces {
            if !wait.is_zero() {
                self.stream.write_all(&wire).await?;
                wire.clear();
                if self.gone_within(*wait).await? {
                    return Ok(false);
                }
            }
            push_chunk(&mut wire, piece);
        }
        if end == End::Complete {
            push_chunk(&mut wire, b"");
        }
        self.stream.write_all(&wire).await?;
        self.end(end).await
    }
}
