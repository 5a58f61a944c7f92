//! A browser on the web chat, as far as its requests go.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// For one answer, and between two events.
const PATIENCE: Duration = Duration::from_secs(60);

/// One login, or none yet.
#[derive(Debug)]
pub struct Browser {
    /// `127.0.0.1:PORT`.
    host: String,
    /// Its value; the name is of the port.
    cookie: String,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events(BufReader<TcpStream>);

impl Browser {
    /// Nobody has logged in.
    ///
    /// # Panics
    /// Where this is no address.
    pub fn stranger(base: &str) -> Self {
        Self {
            host: base.strip_prefix("http://").unwrap().to_owned(),
            cookie: String::new(),
        }
    }

    /// Opens the link.
    ///
    /// # Panics
    /// Where it is not let in.
    pub fn log_in(base: &str, token: &str) -> Self {
        let mut browser = Self::stranger(base);
        let media = "application/x-www-form-urlencoded";
        let answer = browser.exchange(&browser.posting("/api/login", media, &format!("token={token}")));
        assert_eq!(status(&answer), 303, "{answer}");
        let cookie = answer
            .split("; HttpOnly")
            .next()
            .unwrap()
            .rsplit('=')
            .next()
            .unwrap();
        browser.cookie = cookie.to_owned();
        browser
    }

    /// The same login at another address.
    pub fn moved_to(self, base: &str) -> Self {
        Self {
            cookie: self.cookie,
            ..Self::stranger(base)
        }
    }

    /// Status and body of what a path names.
    ///
    /// # Panics
    /// Where nothing answers, as do all that follow.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.headers());
        read(&self.exchange(&request))
    }

    /// Posts JSON; status and body.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(&self.exchange(&self.posting(path, "application/json", &body.to_string())))
    }

    /// What stands in a chat.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn texts(&self, chat: &str) -> Vec<String> {
        let (status, all) = self.get(&format!("/api/chats/{chat}/messages"));
        assert_eq!(status, 200);
        let messages = all["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What happens from a revision on.
    ///
    /// # Panics
    /// As [`Self::get`].
    pub fn events(&self, after: i64) -> Events {
        let mut stream = self.connect();
        let request = format!("GET /api/events?after={after} HTTP/1.1\r\n{}\r\n", self.headers());
        stream.write_all(request.as_bytes()).unwrap();
        let mut events = Events(BufReader::new(stream));
        assert_eq!(events.name(), "hello");
        events
    }

    fn posting(&self, path: &str, media: &str, body: &str) -> String {
        let (headers, host, length) = (self.headers(), &self.host, body.len());
        format!(
            "POST {path} HTTP/1.1\r\n{headers}Origin: http://{host}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    fn headers(&self) -> String {
        let (host, cookie) = (&self.host, &self.cookie);
        let port = host.rsplit(':').next().unwrap();
        format!("Host: {host}\r\nCookie: miniclaw_{port}={cookie}\r\nConnection: close\r\n")
    }

    fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Events {
    /// The next message.
    ///
    /// # Panics
    /// Where the stream ends before.
    pub fn message(&mut self) -> Value {
        while self.name() != "message" {}
        let data = self.line("data: ");
        serde_json::from_str(&data).unwrap()
    }

    /// The name of the next event.
    ///
    /// # Panics
    /// Where the stream ends before.
    pub fn name(&mut self) -> String {
        self.line("event: ")
    }

    /// What follows in the next line that begins so.
    fn line(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.0.read_line(&mut line).unwrap();
            assert!(count > 0, "the stream ended before `{begin}`");
            if let Some(rest) = line.strip_prefix(begin) {
                return rest.trim_end().to_owned();
            }
        }
    }
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status
        .unwrap_or_else(|| panic!("no answer: {answer:?}"))
        .parse()
        .unwrap()
}

fn read(answer: &str) -> (u16, Value) {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status(answer), serde_json::from_str(body).unwrap_or_default())
}
