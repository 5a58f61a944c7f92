//! What a child writes to its standard output and error, in the log.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::Receiver;
use tracing::{info, warn};

use super::bucket::Bucket;
use crate::telemetry::printable;

/// A longer line is logged in pieces.
const LINE_BYTES: usize = 4 * 1024;

/// Logs both until the child, and whatever has them from it, closed them.
pub(super) fn both(child: &mut Child, plugin: &str) -> impl Future<Output = ()> + use<> {
    let out = child.stdout.take().map(OwnedFd::from);
    let err = child.stderr.take().map(OwnedFd::from);
    let (out_name, err_name) = (plugin.to_owned(), plugin.to_owned());
    async move {
        let out = lines(out, move |line| info!(plugin = out_name, "stdout: {line}"));
        let err = lines(err, move |line| warn!(plugin = err_name, "stderr: {line}"));
        tokio::join!(out, err);
    }
}

async fn lines(pipe: Option<OwnedFd>, log: impl Fn(&str)) {
    let Some(mut pipe) = pipe.and_then(|pipe| Receiver::from_owned_fd(pipe).ok()) else {
        return;
    };
    let mut bucket = Bucket::full(Instant::now());
    let mut waiting: Vec<u8> = Vec::new();
    while read(&mut pipe, &mut waiting).await {
        while let Some(line) = next_line(&mut waiting) {
            if let Some(wait) = bucket.take(Instant::now(), line.len()) {
                tokio::time::sleep(wait).await;
            }
            show(&line, &log);
        }
    }
    show(&waiting, &log);
}

/// `false` at the end.
async fn read(pipe: &mut (impl AsyncRead + Unpin), waiting: &mut Vec<u8>) -> bool {
    let mut bytes = [0; LINE_BYTES];
    match pipe.read(&mut bytes).await {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            waiting.extend_from_slice(&bytes[..count]);
            true
        }
    }
}

fn next_line(waiting: &mut Vec<u8>) -> Option<Vec<u8>> {
    match waiting.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some(waiting.drain(..=end).collect()),
        None if waiting.len() >= LINE_BYTES => Some(std::mem::take(waiting)),
        None => None,
    }
}

fn show(line: &[u8], log: &impl Fn(&str)) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    if !text.is_empty() {
        log(&printable(text, LINE_BYTES));
    }
}
