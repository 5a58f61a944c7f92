//! The conversation with the program.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use miniclaw_plugin_api::{Cause, Context, Error, OutboundMessage, Result, Sent};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tracing::{debug, error, info, trace, warn};

use crate::lines::{self, Line};
use crate::program::{Pipes, Program};
use crate::protocol::{FromProgram, Handed, LogLine, Ready, ToProgram};

/// Longest line in bytes, in either direction.
pub(crate) const MAX_LINE_BYTES: usize = 1024 * 1024;
/// Longest line of standard error in bytes; what is longer comes in several.
const MAX_ERROR_LINE_BYTES: usize = 4096;
/// Messages that wait for `receive`; when they are that many, reading waits, and with it everything behind them.
pub(crate) const WINDOW: usize = 256;
/// Lines that wait to be written; when they are that many, whoever has another one waits.
const LINES_WAITING: usize = 64;
/// Lines that cannot be understood and are told of.
const COMPLAINTS: u32 = 10;

/// The conversation with a program.
pub(crate) struct Talk {
    program: Arc<Program>,
    /// `None` once the program was told to stop.
    lines: Lock<Option<mpsc::Sender<Vec<u8>>>>,
    shared: Arc<Shared>,
    next: AtomicU64,
    /// What the program handed over. Closed by the end of its output.
    pub(crate) messages: Mutex<mpsc::Receiver<Handed>>,
    /// The program says that it hears its platform.
    pub(crate) heard: Arc<Notify>,
}

#[derive(Default)]
struct Shared {
    /// `None` once nobody answers any more.
    waiting: Lock<Option<HashMap<u64, oneshot::Sender<Result<Sent>>>>>,
    /// Why the program is of no use any more, where it was not its end.
    failure: Lock<Option<Error>>,
    polls: AtomicBool,
}

fn lock<T>(mutex: &Lock<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Talk {
    /// Starts to read and write; the second value is what the program says first.
    pub(crate) fn open(
        program: Program,
        pipes: Pipes,
        context: &Context,
    ) -> Result<(Self, oneshot::Receiver<Ready>)> {
        let (lines, to_write) = mpsc::channel(LINES_WAITING);
        let (handed, messages) = mpsc::channel(WINDOW);
        let (ready, is_ready) = oneshot::channel();
        let shared = Arc::new(Shared {
            waiting: Lock::new(Some(HashMap::new())),
            ..Shared::default()
        });
        let (program, heard) = (Arc::new(program), Arc::new(Notify::new()));
        info!(program = program.name(), pid = program.pid(), "Program started");
        let reader = Reader {
            shared: shared.clone(),
            heard: heard.clone(),
            handed,
            ready: Some(ready),
            complaints: 0,
        };
        let read_program = program.clone();
        context.spawn(async move { reader.run(pipes.output, &read_program).await });
        context.spawn(write(pipes.input, to_write));
        context.spawn(log_errors(pipes.errors));
        let talk = Self {
            program,
            lines: Lock::new(Some(lines)),
            shared,
            next: AtomicU64::new(1),
            messages: Mutex::new(messages),
            heard,
        };
        Ok((talk, is_ready))
    }

    /// Whether the program says by itself that it hears its platform.
    pub(crate) fn polls(&self) -> bool {
        self.shared.polls.load(Ordering::Relaxed)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Transient: nothing of it was written.
    pub(crate) async fn say(&self, line: ToProgram) -> Result<()> {
        let lines = lock(&self.lines).clone();
        let gone = || Error::transient("the program is gone").because(Cause::Unavailable);
        let lines = lines.ok_or_else(gone)?;
        lines.send(encode(&line)?).await.map_err(|_| gone())
    }

    pub(crate) async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match &mut *lock(&self.shared.waiting) {
            Some(waiting) => drop(waiting.insert(id, sender)),
            None => return Err(Error::transient("the program is gone").because(Cause::Unavailable)),
        }
        let mut guard = Cancel {
            talk: self,
            id,
            said: false,
        };
        self.say(ToProgram::send(id, message)).await?;
        guard.said = true;
        let answer = answer.await;
        guard.said = false;
        answer.unwrap_or_else(|_| {
            Err(Error::unknown("the program ended before it answered").because(Cause::Unavailable))
        })
    }

    /// Waits until the program has ended and says why.
    pub(crate) async fn ended(&self, when: &str) -> Error {
        let failure = lock(&self.shared.failure).take();
        if let Some(failure) = failure {
            return failure;
        }
        let (name, how) = (self.program.name(), self.program.ended().await);
        let space = if when.is_empty() { "" } else { " " };
        Error::transient(format!("`{name}` {how}{space}{when}")).because(Cause::Unavailable)
    }

    /// Asks for its end, and enforces it after the grace.
    pub(crate) async fn stop(&self, grace: Duration) -> Result<()> {
        // The writer ends with the queue, and closes the program's input.
        let lines = lock(&self.lines).take();
        if let (Some(lines), Ok(line)) = (lines, encode(&ToProgram::Stop)) {
            // A program that does not read need not hear it: it is ended all the same.
            let _ = lines.try_send(line);
        }
        if let Ok(how) = tokio::time::timeout(grace, self.program.ended()).await {
            info!(program = self.program.name(), "Program {how}");
            return Ok(());
        }
        self.program.terminate();
        if let Ok(how) = tokio::time::timeout(grace, self.program.ended()).await {
            info!(program = self.program.name(), "Program {how} after SIGTERM");
            return Ok(());
        }
        self.program.kill();
        let name = self.program.name();
        warn!(program = name, "Program did not end in time and was killed");
        self.program.ended().await;
        Ok(())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // The task that reads holds the program too.
        self.program.kill();
    }
}

/// Tells the program that nobody waits for its answer any more.
struct Cancel<'a> {
    talk: &'a Talk,
    id: u64,
    said: bool,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *lock(&self.talk.shared.waiting) {
            waiting.remove(&self.id);
        }
        let line = encode(&ToProgram::Cancel { id: self.id });
        if let (true, Some(lines), Ok(line)) = (self.said, &*lock(&self.talk.lines), line) {
            // A program that does not read does not hear it either.
            let _ = lines.try_send(line);
        }
    }
}

fn encode(line: &ToProgram) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)
        .map_err(|error| Error::permanent(format!("a line to the program cannot be written: {error}")))?;
    if bytes.len() > MAX_LINE_BYTES {
        let error = Error::permanent("the message is longer than a line to the program may be: 1 MiB");
        return Err(error.because(Cause::TooLarge));
    }
    bytes.push(b'\n');
    Ok(bytes)
}

async fn write(mut input: pipe::Sender, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = input.write_all(&line).await {
            debug!(%error, "The program does not read any more");
            return;
        }
    }
}

async fn log_errors(errors: pipe::Receiver) {
    let mut errors = BufReader::new(errors);
    while let Ok(Line::Whole(line) | Line::Cut(line)) = lines::next(&mut errors, MAX_ERROR_LINE_BYTES).await {
        let line = String::from_utf8_lossy(&line);
        info!(line = line.trim_end(), "Program wrote to standard error");
    }
}

/// Reads what the program says.
struct Reader {
    shared: Arc<Shared>,
    heard: Arc<Notify>,
    handed: mpsc::Sender<Handed>,
    ready: Option<oneshot::Sender<Ready>>,
    complaints: u32,
}

impl Reader {
    /// Until the end of its output, or of its use.
    async fn run(mut self, output: pipe::Receiver, program: &Program) {
        let mut output = BufReader::new(output);
        loop {
            let line = match lines::next(&mut output, MAX_LINE_BYTES).await {
                Ok(Line::Whole(line)) => line,
                Ok(Line::Cut(_)) => {
                    let text = "the program wrote a line of more than 1 MiB";
                    self.fail(Error::transient(text).because(Cause::Protocol));
                    break;
                }
                Ok(Line::End) | Err(_) => break,
            };
            match FromProgram::parse(&line) {
                Ok(line) => {
                    if self.take(line).await.is_break() {
                        break;
                    }
                }
                Err(why) => self.complain(why, line.len()),
            }
        }
        // One that closed its output is of no use any more, whether it still runs or not.
        program.terminate();
        *lock(&self.shared.waiting) = None;
        let ended = tokio::time::timeout(crate::GRACE, program.ended()).await;
        if ended.is_err() {
            program.kill();
        }
    }

    async fn take(&mut self, line: FromProgram) -> std::ops::ControlFlow<()> {
        match line {
            FromProgram::Ready(ready) => {
                let polls = ready.poll_timeout_ms.is_some();
                self.shared.polls.store(polls, Ordering::Relaxed);
                if let Some(waits) = self.ready.take() {
                    // Nobody waits where `start` was given up.
                    let _ = waits.send(ready);
                }
            }
            FromProgram::Message(handed) => {
                if self.handed.send(*handed).await.is_err() {
                    return std::ops::ControlFlow::Break(());
                }
            }
            FromProgram::Sent(id, sent) => self.answer(id, Ok(sent)),
            FromProgram::Failed(Some(id), error) => self.answer(id, Err(error)),
            FromProgram::Failed(None, error) => {
                self.fail(error);
                return std::ops::ControlFlow::Break(());
            }
            FromProgram::Progress => self.heard.notify_one(),
            FromProgram::Log(line) => log(&line),
            FromProgram::Unknown => debug!("Program wrote a line of a type that this version does not know"),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn answer(&self, id: u64, answer: Result<Sent>) {
        let waits = lock(&self.shared.waiting)
            .as_mut()
            .and_then(|waiting| waiting.remove(&id));
        match waits {
            Some(waits) => drop(waits.send(answer)),
            None => debug!(id, "Program answered a send that nobody waits for"),
        }
    }

    fn fail(&self, error: Error) {
        *lock(&self.shared.failure) = Some(error);
    }

    fn complain(&mut self, why: &str, bytes: usize) {
        self.complaints += 1;
        if self.complaints <= COMPLAINTS {
            warn!(bytes, "Program wrote a line that is ignored: {why}");
        } else {
            debug!(bytes, "Program wrote a line that is ignored: {why}");
        }
    }
}

fn log(line: &LogLine) {
    let text = line.text.as_str();
    match line.level.as_str() {
        "error" => error!("{text}"),
        "warn" | "warning" => warn!("{text}"),
        "debug" => debug!("{text}"),
        "trace" => trace!("{text}"),
        _ => info!("{text}"),
    }
}
