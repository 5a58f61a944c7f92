//! Answers as JSON, as lines, as events, under deadlines and caps.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::body::Body;
use super::lines::{LineSplitter, MAX_LINE_BYTES, TooLong};
use super::server::Server;
use super::sse::{Event, EventParser};
use crate::error::Result;

/// A successful answer whose body is still to come.
pub struct Response {
    content_type: String,
    body: Body,
}

/// The lines of a body, for example NDJSON.
pub struct Lines {
    body: Body,
    splitter: LineSplitter,
    ended: bool,
}

/// The server-sent events of a body.
pub struct Events {
    body: Body,
    parser: EventParser,
    ended: bool,
}

impl Response {
    pub(super) fn new(headers: &HeaderMap, body: Body) -> Self {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        Self { content_type, body }
    }

    /// The media type of the body, in lowercase and without parameters; empty where the server gives none.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// For errors about the answer.
    pub fn server(&self) -> &Server {
        self.body.server()
    }

    /// Whether the body is a stream of events rather than one JSON object. Servers stream where they were not `asked`
    /// to, and the reverse: the media type says which it is.
    ///
    /// # Errors
    /// [`Cause::Protocol`](crate::Cause::Protocol): a web page is neither.
    pub fn is_stream(&self, asked: bool) -> Result<bool> {
        match self.content_type() {
            "text/event-stream" => Ok(true),
            "application/json" => Ok(false),
            "text/html" => Err(self.server().garbled("a web page; check `base_url`")),
            _ => Ok(asked),
        }
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// As in the [module's table](crate::http#errors).
    pub async fn json<T: DeserializeOwned>(mut self) -> Result<T> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.body.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|error| self.body.server().bad_json(&error))
    }

    /// Reads the body line by line. A line has at most 1 MiB.
    pub fn lines(self) -> Lines {
        Lines {
            body: self.body,
            splitter: LineSplitter::new(MAX_LINE_BYTES),
            ended: false,
        }
    }

    /// Reads the body event by event. An event has at most 1 MiB.
    pub fn events(self) -> Events {
        Events {
            body: self.body,
            parser: EventParser::new(),
            ended: false,
        }
    }
}

impl Lines {
    /// The next line without its end; `None` at the end of the body.
    ///
    /// # Errors
    /// As in the [module's table](crate::http#errors).
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            match self.splitter.next() {
                Some(Ok(line)) => return Ok(Some(line)),
                Some(Err(TooLong)) => {
                    return Err(self.body.server().too_large("a line", MAX_LINE_BYTES as u64));
                }
                None if self.ended => return Ok(None),
                None => {}
            }
            match self.body.next().await? {
                Some(chunk) => self.splitter.push(&chunk),
                None => {
                    self.ended = true;
                    return Ok(self.splitter.finish());
                }
            }
        }
    }
}

impl Events {
    /// The next event; `None` at the end of the body. `[DONE]` is an event, see [`Event::is_done`].
    ///
    /// # Errors
    /// As in the [module's table](crate::http#errors).
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            let parsed = match self.parser.next() {
                None if self.ended => self.parser.finish(),
                parsed => parsed,
            };
            match parsed {
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(TooLong)) => {
                    return Err(self.body.server().too_large("an event", MAX_LINE_BYTES as u64));
                }
                None if self.ended => return Ok(None),
                None => {}
            }
            match self.body.next().await? {
                Some(chunk) => self.parser.push(&chunk),
                None => self.ended = true,
            }
        }
    }
}
