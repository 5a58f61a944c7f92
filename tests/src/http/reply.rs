//! Answers.

use std::io::Write;
use std::time::Duration;

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer in one piece.
    Full {
        status: u16,
        content_type: &'static str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// An answer in pieces, each after its own wait.
    Stream {
        content_type: &'static str,
        pieces: Vec<(Duration, Vec<u8>)>,
        end: End,
    },
    /// Bytes as they stand, head and framing included, each part after its own wait. They need be no HTTP.
    Wire {
        parts: Vec<(Duration, Vec<u8>)>,
        end: End,
    },
    /// An answer that begins well and never ends: the same piece again and again, with a wait before each.
    Endless {
        content_type: &'static str,
        wait: Duration,
        piece: Vec<u8>,
    },
    /// Closes the connection without an answer.
    Close,
    /// Resets the connection without an answer.
    Reset,
    /// Never answers; the connection stays open.
    Hang,
}

/// How an answer in pieces ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Complete,
    /// The connection is closed in the middle.
    Cut,
    /// Nothing more comes.
    Hang,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Bytes of a file.
    pub fn octets(body: impl Into<Vec<u8>>) -> Self {
        Self::Full {
            status: 200,
            content_type: "application/octet-stream",
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// An HTML answer, as proxies give.
    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Full {
            status,
            content_type: "text/html",
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// An answer whose head announces more bytes than come before the connection is closed.
    pub fn shortened(content_type: &'static str, body: &[u8], announced: usize) -> Self {
        let mut wire = head(200, content_type, &[], announced);
        wire.extend_from_slice(body);
        Self::bytes(wire, End::Cut)
    }

    /// An answer whose head comes line by line and never ends.
    pub fn slow_head() -> Self {
        let line = (Duration::from_millis(50), b"x-patience: 1\r\n".to_vec());
        let mut parts = vec![(Duration::ZERO, b"HTTP/1.1 200 OK\r\n".to_vec())];
        parts.extend(std::iter::repeat_n(line, 1_000));
        Self::Wire {
            parts,
            end: End::Hang,
        }
    }

    /// The same answer with a wait before each of its pieces.
    #[must_use]
    pub fn paced(mut self, wait: Duration) -> Self {
        if let Self::Stream { pieces, .. } = &mut self {
            pieces.iter_mut().for_each(|(before, _)| *before = wait);
        }
        self
    }

    /// Bytes as they stand.
    pub fn bytes(wire: impl Into<Vec<u8>>, end: End) -> Self {
        Self::Wire {
            parts: vec![(Duration::ZERO, wire.into())],
            end,
        }
    }

    /// The same answer with one more header; only answers in one piece have headers.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// The status, where there is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Full { status, .. } => Some(*status),
            Self::Stream { .. } | Self::Endless { .. } => Some(200),
            Self::Wire { .. } | Self::Close | Self::Reset | Self::Hang => None,
        }
    }
}

/// An answer in one piece as it goes over the wire.
pub(super) fn full(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> Vec<u8> {
    let mut wire = head(status, content_type, headers, body.len());
    wire.extend_from_slice(body);
    wire
}

fn head(status: u16, content_type: &str, headers: &[(&'static str, String)], length: usize) -> Vec<u8> {
    let mut wire = Vec::with_capacity(length + 128);
    let reason = reason(status);
    // Writing into memory does not fail.
    let _ = write!(
        wire,
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n"
    );
    for (name, value) in headers {
        let _ = write!(wire, "{name}: {value}\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// The head of an answer in pieces.
pub(super) fn stream_head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n")
        .into_bytes()
}

/// Appends one piece in chunked coding.
pub(super) fn push_chunk(wire: &mut Vec<u8>, piece: &[u8]) {
    // Writing into memory does not fail.
    let _ = write!(wire, "{:x}\r\n", piece.len());
    wire.extend_from_slice(piece);
    wire.extend_from_slice(b"\r\n");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
