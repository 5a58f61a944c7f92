//! The side of the command line.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::address::Address;
use super::{Op, PATIENCE, Request, VERSION, socket};

/// Longest line of an answer that is a stream.
const EVENT_BYTES: u64 = 1024 * 1024;

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The gateway ended it, and said so.
    Told(Value),
    /// The gateway is gone, without a word.
    Broken,
    /// It still goes on: whoever listened has heard enough.
    Enough,
    OutOfTime,
}

/// Asks the gateway that runs on a state folder; `None` where none does.
///
/// # Errors
/// The gateway's refusal, or what broke the connection.
pub(crate) fn ask(state_dir: &Path, op: Op) -> Result<Option<Value>, String> {
    let path = socket(state_dir);
    let Some(mut stream) = connect(&path)? else {
        return Ok(None);
    };
    let closed = || {
        format!(
            "the gateway at {} closed the connection without an answer: it is ending, or has just been killed; ask again \
             when it runs, and look first whether what was asked of it happened",
            path.display()
        )
    };
    let patience = patience_for(&op);
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
            "the gateway at {} has not answered within {patience:?}: it hangs, or its disk does; what was asked of it may still \
             happen",
            path.display()
        ),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => closed(),
        _ => broke_off(&path, &error),
    };
    stream.set_read_timeout(Some(patience)).map_err(broken)?;
    stream.write_all(line_of(op)?.as_bytes()).map_err(broken)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(broken)?;
    if !line.ends_with('\n') {
        return Err(closed());
    }
    let mut answer: Value = serde_json::from_str(&line).map_err(|error| broken(error.into()))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => Ok(Some(answer["ok"].take())),
    }
}

/// Asks for a stream and hands each event to `heard`, for as long as that wants more; `None` where no gateway runs.
///
/// # Errors
/// The gateway's refusal, or what broke the connection.
pub(crate) fn watch(
    state_dir: &Path,
    op: Op,
    patience: Option<Duration>,
    heard: &mut dyn FnMut(Value) -> ControlFlow<()>,
) -> Result<Option<Ended>, String> {
    let path = socket(state_dir);
    let Some(mut stream) = connect(&path)? else {
        return Ok(None);
    };
    let deadline = patience.map(|patience| Instant::now() + patience);
    let broken = |error: &io::Error| broke_off(&path, error);
    match stream.write_all(line_of(op)?.as_bytes()) {
        Err(error) if is_gone(&error) => return Ok(Some(Ended::Broken)),
        written => written.map_err(|error| broken(&error))?,
    }
    let mut reader = BufReader::new(stream);
    loop {
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Some(Ended::OutOfTime));
            }
            let timed = reader.get_ref().set_read_timeout(Some(left));
            timed.map_err(|error| broken(&error))?;
        }
        let mut line = Vec::new();
        match (&mut reader).take(EVENT_BYTES).read_until(b'\n', &mut line) {
            Ok(_) if !line.ends_with(b"\n") => return Ok(Some(Ended::Broken)),
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Ok(Some(Ended::Broken)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(Some(Ended::OutOfTime));
            }
            Err(error) => return Err(broken(&error)),
        }
        let mut answer: Value = serde_json::from_slice(&line).map_err(|error| broken(&error.into()))?;
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        if answer.get("ok").is_some() {
            return Ok(Some(Ended::Told(answer["ok"].take())));
        }
        if heard(answer["event"].take()).is_break() {
            return Ok(Some(Ended::Enough));
        }
    }
}

/// What is only looked at comes at once, or something is wrong.
fn patience_for(op: &Op) -> Duration {
    const LOOK: Duration = Duration::from_secs(10);
    match op {
        Op::Status
        | Op::Counters
        | Op::PluginStates
        | Op::Link { .. }
        | Op::RecentLogs { .. }
        | Op::ListPairing => LOOK,
        _ => PATIENCE,
    }
}

fn connect(path: &Path) -> Result<Option<UnixStream>, String> {
    let connected = Address::of(path).and_then(|address| UnixStream::connect(address.name()));
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => "; run this as the user whose gateway it is, or as root",
                _ => "",
            };
            Err(format!(
                "cannot reach the gateway at {}: {error}{advice}",
                path.display()
            ))
        }
    }
}

fn line_of(op: Op) -> Result<String, String> {
    let request = serde_json::to_string(&Request { v: VERSION, op }).map_err(|error| error.to_string())?;
    Ok(format!("{request}\n"))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn broke_off(path: &Path, error: &io::Error) -> String {
    format!("the gateway at {} broke off: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_ends_before_it_answers_is_told_in_a_sentence() {
        let state = tempfile::tempdir().unwrap();
        for answer in [&b""[..], b"{\"v\": 1, "] {
            let listener = std::os::unix::net::UnixListener::bind(socket(state.path())).unwrap();
            let gateway = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                stream.write_all(answer).unwrap();
            });
            let error = ask(state.path(), Op::Counters).unwrap_err();
            gateway.join().unwrap();
            assert!(
                error.contains("closed the connection without an answer"),
                "{error}"
            );
            assert!(!error.contains("EOF"), "{error}");
            std::fs::remove_file(socket(state.path())).unwrap();
        }
    }
}
