//! What Telegram, and the way to it, can do to a gateway: one row is one test.

mod polling;
mod sending;
mod updates;

use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::http::{End, Reply};

/// An error envelope of the Bot API.
fn refusal(code: u16, description: &str) -> Answer {
    Answer::error(code, description)
}

/// A body with status 200.
fn body(text: &str) -> Answer {
    Answer::raw(200, text)
}

fn web_page(status: u16) -> Reply {
    Reply::html(status, "<html><body>It works!</body></html>")
}

/// A page that leads elsewhere.
fn redirect() -> Reply {
    web_page(302).with_header("location", "http://127.0.0.1:9/elsewhere")
}

/// What a server that speaks TLS says to somebody who does not.
fn tls_alert() -> Reply {
    Reply::bytes([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46], End::Cut)
}

/// A body that is said to be compressed, and is noise.
fn false_gzip() -> Reply {
    Reply::json(200, [0x1f, 0x8b, 0x08, 0x00, 0xff, 0xfe, 0x00, 0x42]).with_header("content-encoding", "gzip")
}
