//! What is asked on the terminal and not shown while it is typed.

use std::io::{self, BufRead, Write};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Ctrl-C and Ctrl-\, which end the line here, so that the terminal is as it was before they end the process.
const INTERRUPT: u8 = 0x03;
const QUIT: u8 = 0x1c;

/// The terminal as it was; put back when dropped.
struct Before(Termios);

impl Before {
    /// From here on nothing is shown but the end of the line.
    fn hide() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        hidden.local_modes |= LocalModes::ECHONL | LocalModes::ICANON;
        hidden.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        hidden.special_codes[SpecialCodeIndex::VEOL2] = QUIT;
        let before = Self(before);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &hidden)?;
        Ok(before)
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Asks on stderr and reads a line from stdin, a terminal, that does not show it. Ctrl-C ends the process.
///
/// # Errors
/// A terminal that is gone, input that ends, and text that is not UTF-8.
pub(super) fn ask(question: &str) -> io::Result<String> {
    let before = Before::hide()?;
    let mut out = io::stderr();
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let read = read(io::stdin().lock());
    drop(before);
    let line = read?;
    let Some(signal) = line.last().and_then(|last| match *last {
        INTERRUPT => Some(Signal::INT),
        QUIT => Some(Signal::QUIT),
        _ => None,
    }) else {
        return String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into());
    };
    out.write_all(b"\n")?;
    kill_process(getpid(), signal)?;
    Err(io::ErrorKind::Interrupted.into())
}

/// A line without its end, or with what interrupted it.
fn read(mut input: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let byte = match input.fill_buf() {
            Ok(buffer) => buffer.first().copied(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        input.consume(1);
        match byte {
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(b'\n') => return Ok(line),
            Some(byte) => line.push(byte),
        }
        if matches!(byte, Some(INTERRUPT | QUIT)) {
            return Ok(line);
        }
    }
}
