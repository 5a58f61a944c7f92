//! Failures on demand.

use std::time::Duration;

use super::Twist;
use crate::http::Reply;

/// How a request fails.
#[derive(Debug, Clone)]
pub enum Fault {
    /// With this answer.
    Answer(Reply),
    /// Half of the answer comes, then the connection is closed.
    CutStream,
    /// Half of the answer comes, then nothing more.
    StalledStream,
    /// A good answer whose pieces come one by one, with a wait before each.
    Paced(Duration),
    /// Nothing ever comes.
    Hang,
    /// With an answer of its protocol that goes wrong in the middle, or says something odd.
    Twisted(Twist),
    /// A well-formed answer without text.
    Empty,
    /// A well-formed answer that only calls a tool.
    OnlyToolCall,
}

impl Fault {
    /// An error as OpenAI words it.
    pub fn status(status: u16) -> Self {
        Self::Answer(Reply::json(status, error_body(status)))
    }

    /// 503 with the wait that the server asks for.
    pub fn unavailable(retry_after_seconds: u32) -> Self {
        Self::Answer(
            Reply::json(503, error_body(503)).with_header("retry-after", retry_after_seconds.to_string()),
        )
    }

    /// 429 with the wait that the server asks for.
    pub fn too_many(retry_after_seconds: u32) -> Self {
        Self::Answer(
            Reply::json(429, error_body(429)).with_header("retry-after", retry_after_seconds.to_string()),
        )
    }

    /// 200 with something that is no answer.
    pub fn garbage() -> Self {
        Self::Answer(Reply::html(200, "<html>It works!</html>"))
    }
}

fn error_body(status: u16) -> String {
    format!(r#"{{"error":{{"message":"the fake model refuses","type":"fake","code":{status}}}}}"#)
}
