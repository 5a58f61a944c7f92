//! A blocking client for one connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::request;
use crate::watched::DEADLINE;

/// One connection to a server on loopback.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// As the system says.
    pub fn connect(url: &str) -> io::Result<Self> {
        let address = url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap_or_default();
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream,
            input: Vec::new(),
        })
    }

    /// Posts a JSON body; returns status and answer.
    ///
    /// # Errors
    /// Where the answer is cut or never comes.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<(u16, String)> {
        self.send(path, body)?;
        self.receive()
    }

    /// Sends a request without waiting for its answer.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub fn send(&mut self, path: &str, body: &str) -> io::Result<()> {
        let wire = format!(
            "POST {path} HTTP/1.1\r\nhost: loopback\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(wire.as_bytes())
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// As for [`Client::post`].
    pub fn receive(&mut self) -> io::Result<(u16, String)> {
        loop {
            // An answer is framed as a request is; only the first line differs, and its second word is the status.
            if let Some(answer) = request::take(&mut self.input).map_err(io::Error::other)? {
                let status = answer.path().parse().map_err(io::Error::other)?;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                return Ok((status, body));
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }
}
