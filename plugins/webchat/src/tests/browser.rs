//! A browser, as far as its requests go.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One that may be logged in.
#[derive(Clone)]
pub(super) struct Browser {
    /// `127.0.0.1:PORT`.
    pub(super) host: String,
    pub(super) cookie: Option<String>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Browser {
    pub(super) fn new(base: &str) -> Self {
        Self {
            host: base.strip_prefix("http://").unwrap().to_owned(),
            cookie: None,
        }
    }

    pub(super) async fn log_in(&mut self, token: &str) -> Answer {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = self.post_as("/api/login", form, &format!("token={token}")).await;
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        }
        answer
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.raw(&format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers()))
            .await
    }

    pub(super) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(path, "Content-Type: application/json\r\n", &body.to_string())
            .await
    }

    pub(super) async fn post_as(&self, path: &str, headers: &str, body: &str) -> Answer {
        let (own, host, length) = (self.headers(), &self.host, body.len());
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\n{own}Origin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Host and cookie.
    pub(super) fn headers(&self) -> String {
        let cookie = self.cookie.iter().map(|cookie| format!("Cookie: {cookie}\r\n"));
        format!(
            "Host: {}\r\n{}Connection: close\r\n",
            self.host,
            cookie.collect::<String>()
        )
    }

    /// Sends these bytes and reads what is answered until the end.
    pub(super) async fn raw(&self, request: &str) -> Answer {
        let bytes = self.bytes(request.as_bytes()).await;
        Answer::read(&String::from_utf8_lossy(&bytes)).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// The same with what may be no answer at all.
    pub(super) async fn bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        // The other side may close before it read all.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .expect("the connection ends");
        bytes
    }

    pub(super) async fn events(&self, query: &str, headers: &str) -> Events {
        let stream = TcpStream::connect(&self.host).await.unwrap();
        let mut events = Events(BufReader::new(stream));
        let request = format!(
            "GET /api/events{query} HTTP/1.1\r\n{}{headers}\r\n",
            self.headers()
        );
        events.0.write_all(request.as_bytes()).await.unwrap();
        while !events.line().await.unwrap().is_empty() {}
        events
    }
}

impl Answer {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| head.strip_prefix("HTTP/1.0 "))?;
        Some(Self {
            status: status.get(..3)?.parse().ok()?,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A stream of events.
pub(super) struct Events(pub(super) BufReader<TcpStream>);

#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<i64>,
    pub(super) data: Value,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let mut event = Event {
            name: String::new(),
            id: None,
            data: Value::Null,
        };
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// The next event of that name.
    pub(super) async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self
                .next()
                .await
                .unwrap_or_else(|| panic!("the stream ended before `{name}`"));
            if event.name == name {
                return event;
            }
        }
    }

    /// A line, without the sizes of HTTP's chunks, of which each holds one event.
    async fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line))
                .await
                .expect("something comes");
            if read.unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let is_size = (1..=6).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_size {
                return Some(line.to_owned());
            }
        }
    }
}
