//! The bytes of an answer, under deadlines and a cap.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::server::Server;
use super::settings::Limits;
use crate::error::{Error, Result};

/// Most bytes that are read of an error's body.
const ERROR_BODY_BYTES: usize = 64 * 1024;
/// How long the body of an error may take: the status alone says most.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Body {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    server: Server,
    deadlines: Deadlines,
    received: u64,
}

/// When an answer is late. The total goes on while the author is busy with what came; the idle one does not.
pub(super) struct Deadlines {
    first_byte: Instant,
    total: Instant,
    limits: Limits,
}

impl Deadlines {
    /// Counts from here.
    pub(super) fn begin(limits: Limits) -> Self {
        let start = Instant::now();
        Self {
            first_byte: start + limits.first_byte,
            total: start + limits.total,
            limits,
        }
    }

    /// The deadline with the error for it.
    pub(super) fn before_first_byte(&self, server: &Server) -> (Instant, Error) {
        let limit = self.limits.first_byte;
        let late = server.timeout("did not begin to answer", limit, "first_byte_seconds");
        self.or_total(self.first_byte, late, server)
    }

    fn between_bytes(&self, server: &Server) -> (Instant, Error) {
        let limit = self.limits.idle;
        let late = server.timeout("sent no more of its answer", limit, "idle_seconds");
        self.or_total(Instant::now() + limit, late, server)
    }

    fn or_total(&self, deadline: Instant, late: Error, server: &Server) -> (Instant, Error) {
        if deadline <= self.total {
            return (deadline, late);
        }
        let limit = self.limits.total;
        let late = server.timeout("did not finish its answer", limit, "total_seconds");
        (self.total, late)
    }
}

impl Body {
    pub(super) fn new(
        chunks: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        server: Server,
        deadlines: Deadlines,
    ) -> Self {
        Self {
            chunks: Box::pin(chunks),
            server,
            deadlines,
            received: 0,
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let (deadline, late) = if self.received == 0 {
            self.deadlines.before_first_byte(&self.server)
        } else {
            self.deadlines.between_bytes(&self.server)
        };
        let limits = self.deadlines.limits;
        let chunk = match timeout_at(deadline, self.chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Err(self.server.transport(error, limits.connect)),
            Ok(None) => return Ok(None),
            Err(_) => return Err(late),
        };
        self.received += chunk.len() as u64;
        if self.received > limits.max_body_bytes {
            return Err(self.server.too_large("an answer", limits.max_body_bytes));
        }
        Ok(Some(chunk))
    }

    /// As much of an error's body as comes soon; what fails on the way is of no interest beside the status.
    pub(super) async fn begin_of_error(mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let deadline = Instant::now() + ERROR_BODY_WAIT;
        while text.len() < ERROR_BODY_BYTES
            && let Ok(Ok(Some(chunk))) = timeout_at(deadline, self.next()).await
        {
            text.extend_from_slice(&chunk);
        }
        text.truncate(ERROR_BODY_BYTES);
        text
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::super::settings::HttpSettings;
    use super::*;
    use crate::error::{Cause, Outcome};

    type Piece = (u64, &'static [u8]);

    /// A body whose pieces come after so many seconds each, and which then stays silent.
    fn body(pieces: &[Piece]) -> Body {
        let url = "http://models.example/".parse().unwrap();
        let settings = HttpSettings {
            max_body_bytes: 10,
            ..HttpSettings::default()
        };
        let chunks = stream::iter(pieces.to_vec()).then(|(seconds, bytes)| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(Bytes::from_static(bytes))
        });
        Body::new(
            chunks.chain(stream::pending()),
            Server::new(&url, &[]),
            Deadlines::begin(Limits::new(&settings).unwrap()),
        )
    }

    async fn failure(pieces: &[Piece]) -> (u64, Error) {
        let mut body = body(pieces);
        let start = Instant::now();
        loop {
            match body.next().await {
                Ok(chunk) => assert!(chunk.is_some(), "the body never ends by itself"),
                Err(error) => return (start.elapsed().as_secs(), error),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_deadline_ends_the_answer_and_names_its_setting() {
        let cases: [(&[Piece], u64, &str); 3] = [
            (&[], 60, "http.first_byte_seconds"),
            (&[(50, b"x")], 80, "http.idle_seconds"),
            (&[(29, b"x" as &[u8]); 11], 300, "http.total_seconds"),
        ];
        for (pieces, seconds, key) in cases {
            let (elapsed, error) = failure(pieces).await;
            assert_eq!(elapsed, seconds, "{error}");
            assert!(error.message.contains(key), "{error}");
            assert_eq!(error.outcome, Outcome::Transient { retry_after: None });
            assert_eq!(error.cause, Cause::Timeout);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_over_the_cap_is_refused() {
        let (_, error) = failure(&[(1, b"12345"), (1, b"67890"), (1, b"1")]).await;
        assert_eq!(
            (error.outcome, error.cause),
            (Outcome::Permanent, Cause::Protocol)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn body_of_an_error_is_given_up_early() {
        let start = Instant::now();
        assert_eq!(
            body(&[(1, b"begin"), (100, b"end")]).begin_of_error().await,
            b"begin"
        );
        assert_eq!(start.elapsed(), ERROR_BODY_WAIT);
    }
}
