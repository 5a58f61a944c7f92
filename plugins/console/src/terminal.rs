//! The process's standard input and output: a thread that reads, and one write at a time.

use std::io::{BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use miniclaw_plugin_api::{Cause, Error, InboundMessage, Result};
use tokio::sync::{Mutex, MutexGuard, mpsc};

/// Longest line in bytes; what is longer comes in several, so that an endless line does not fill the memory.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// Lines read ahead; when they wait to be received, reading waits too.
const LINES_AHEAD: usize = 1;
const PROMPT: &str = "> ";

/// Where the terminal of a [`Console`](crate::Console) is.
pub trait Streams: Send + Sync + 'static {
    /// The one terminal, shared by all instances.
    fn terminal() -> &'static Terminal;
}

/// Standard input and output of the process.
pub struct Stdio;

impl Streams for Stdio {
    fn terminal() -> &'static Terminal {
        static TERMINAL: OnceLock<Terminal> = OnceLock::new();
        TERMINAL.get_or_init(|| {
            let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
            Terminal::new(BufReader::new(std::io::stdin()), std::io::stdout(), interactive)
        })
    }
}

/// An input and an output.
pub struct Terminal {
    lines: Mutex<Lines>,
    output: Arc<Mutex<Box<dyn Write + Send>>>,
    /// A person sits here: there is a prompt, and what could steer the terminal is not printed.
    interactive: bool,
    /// The prompt stands there and nothing was entered yet.
    at_prompt: Arc<AtomicBool>,
    birth_nanos: u128,
    count: AtomicU64,
}

/// The lines of the input.
pub(crate) struct Lines {
    /// Until the thread that reads was started.
    input: Option<(Box<dyn BufRead + Send>, mpsc::Sender<Line>)>,
    receiver: mpsc::Receiver<Line>,
    at_prompt: Arc<AtomicBool>,
    /// A message that was handed over without an answer yet.
    pub(crate) held: Option<InboundMessage>,
}

/// A line, or why there are no more.
type Line = std::result::Result<String, String>;

impl Terminal {
    /// Nothing is read before the lines are asked for.
    pub fn new(
        input: impl BufRead + Send + 'static,
        output: impl Write + Send + 'static,
        interactive: bool,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        let at_prompt = Arc::<AtomicBool>::default();
        let birth = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            lines: Mutex::new(Lines {
                input: Some((Box::new(input), sender)),
                receiver,
                at_prompt: at_prompt.clone(),
                held: None,
            }),
            output: Arc::new(Mutex::new(Box::new(output))),
            interactive,
            at_prompt,
            birth_nanos: birth.unwrap_or_default().as_nanos(),
            count: AtomicU64::new(0),
        }
    }

    /// An id that no other message has, of this process or of one before it.
    pub(crate) fn next_id(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{count}", self.birth_nanos)
    }

    pub(crate) async fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().await
    }

    /// Prints a reply. Writing happens on a thread of its own, since a reader of the output who does not read
    /// blocks it.
    pub(crate) async fn print(&self, text: String) -> Result<()> {
        let text = if self.interactive { harmless(&text) } else { text };
        let prompt = if self.interactive { PROMPT } else { "" };
        let begin = if self.at_prompt.load(Ordering::Relaxed) {
            "\n"
        } else {
            ""
        };
        self.write(format!("{begin}{text}\n{prompt}")).await?;
        self.at_prompt.store(self.interactive, Ordering::Relaxed);
        Ok(())
    }

    /// Shows the prompt where a person sits and none stands there; a failure shows with the next reply.
    pub(crate) async fn prompt(&self) {
        if self.interactive
            && !self.at_prompt.load(Ordering::Relaxed)
            && self.write(PROMPT.into()).await.is_ok()
        {
            self.at_prompt.store(true, Ordering::Relaxed);
        }
    }

    async fn write(&self, text: String) -> Result<()> {
        // Taken before the thread is, so that at most one thread hangs on an output that nobody reads.
        let mut output = self.output.clone().lock_owned().await;
        let written = tokio::task::spawn_blocking(move || {
            output.write_all(text.as_bytes())?;
            output.flush()
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == ErrorKind::BrokenPipe => Err(Error::permanent(
                "cannot print to standard output: nobody reads it any more",
            )
            .because(Cause::Unavailable)),
            Ok(Err(error)) => Err(
                Error::unknown(format!("cannot print to standard output: {error}"))
                    .because(Cause::Unavailable),
            ),
            Err(error) => Err(Error::unknown(format!(
                "printing to standard output was ended: {error}"
            ))),
        }
    }
}

impl Lines {
    /// The next line; `None` at the end of the input, and from then on.
    ///
    /// # Cancel safety
    /// Cancel safe: no line is lost.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        if let Some((input, sender)) = self.input.take() {
            // A thread of its own rather than the runtime's: nothing ever waits for it to end.
            let thread = std::thread::Builder::new().name("mc-console-in".into());
            if let Err(error) = thread.spawn(move || read(input, &sender)) {
                return Some(Err(format!("no thread to read standard input: {error}")));
            }
        }
        let line = self.receiver.recv().await;
        self.at_prompt.store(false, Ordering::Relaxed);
        line
    }
}

fn read(mut input: impl BufRead, lines: &mpsc::Sender<Line>) {
    loop {
        let line = match read_line(&mut input) {
            Ok(Some(line)) => Ok(line),
            Ok(None) => return,
            Err(error) => Err(format!("cannot read standard input: {error}")),
        };
        let last = line.is_err();
        if lines.blocking_send(line).is_err() || last {
            return;
        }
    }
}

/// A line without its end; bytes that are no UTF-8 become U+FFFD.
fn read_line(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if input.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

/// Text without the control characters by which a model could rewrite the screen.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\n' | '\t' => char,
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_either_way_and_need_not() {
        let mut input = "one\r\ntwo\n\nthree".as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "two", "", "three"]);
    }

    #[test]
    fn endless_line_comes_in_pieces() {
        let mut input = BufReader::new(std::io::repeat(b'x'));
        let line = read_line(&mut input).unwrap().unwrap();
        assert_eq!(line.len() as u64, MAX_LINE_BYTES);
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\tb\n\u{9b}c"), "a\u{fffd}[2J\tb\n\u{fffd}c");
    }
}
