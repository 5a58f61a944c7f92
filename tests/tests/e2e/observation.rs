//! What is seen of a running gateway from outside.

mod alerts;
mod documents;
mod health;
mod hostile;
mod metrics;
mod ports;
mod systemd;

use std::io::{Read, Write};
use std::net::TcpStream;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::prometheus::Page;
use miniclaw_tests::{DEADLINE, Gateway};

use crate::setup::World;

/// The standard configuration, and a port that the system chooses.
fn observed() -> World {
    World::with(|config| config.with("/http/listen", "127.0.0.1:0".into()))
}

/// Where a gateway tells health and metrics.
fn address(gateway: &Gateway) -> String {
    let line = gateway.wait_for_line("Health and metrics are told over HTTP");
    let (_, address) = line.split_once("address=").expect("the line has the address");
    let end = address.find(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit());
    address[..end.unwrap_or(address.len())].to_owned()
}

/// What the port answers to these bytes: status, head and body. Status 0 where the connection just ends.
fn ask(address: &str, request: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // It may refuse before it has read all of it.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.unwrap_or(0), head.to_owned(), body.to_owned())
}

/// A plain GET.
fn get(address: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let (status, _, body) = ask(address, request.as_bytes());
    (status, body)
}

/// The metrics, which every scraper can read.
fn metrics(address: &str) -> Page {
    let (status, text) = get(address, "/metrics");
    assert_eq!(status, 200, "{text}");
    Page::parse(&text).unwrap_or_else(|rule| panic!("{rule}\n{text}"))
}

/// Makes an outage of Telegram that begins at once.
fn outage(world: &World) {
    world.telegram.on("getUpdates").answer(Answer::bad_gateway());
    world.telegram.inject(8, 666, "ends the poll");
}
