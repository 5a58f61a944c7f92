//! What the fixture channels share: their way to the platform that the tests run (`miniclaw_tests::Platform`).

use std::io::{BufRead as _, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use miniclaw_plugin_api::{
    Account, Cause, Context, Error, InboundMessage, Inbox, OutboundMessage, Result, Sent, Stop, Verdict,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

/// Settings of every fixture channel.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Where the platform listens: `127.0.0.1:PORT`.
    pub platform: String,
    /// A file that gets one line, the instance's name, for every call of `shutdown`.
    #[serde(default)]
    pub shutdown_log: Option<PathBuf>,
}

/// A connection to the platform.
pub struct Link {
    settings: Settings,
    instance: String,
    reader: Mutex<Lines<BufReader<OwnedReadHalf>>>,
    writer: Mutex<OwnedWriteHalf>,
    sent: AtomicU64,
}

impl Link {
    /// Connects, and reports the call of `create`.
    ///
    /// # Errors
    /// Transient where the platform does not listen.
    pub async fn open(settings: Settings, context: &Context) -> Result<Self> {
        let stream = TcpStream::connect(&settings.platform)
            .await
            .map_err(|error| lost(&error))?;
        stream.set_nodelay(true).map_err(|error| lost(&error))?;
        let (reader, writer) = stream.into_split();
        let link = Self {
            settings,
            instance: context.instance().to_owned(),
            reader: Mutex::new(BufReader::new(reader).lines()),
            writer: Mutex::new(writer),
            sent: AtomicU64::new(0),
        };
        link.report("create").await?;
        Ok(link)
    }

    /// Tells the platform that the host called a method.
    ///
    /// # Errors
    /// Transient where the platform is gone.
    pub async fn report(&self, call: &str) -> Result<()> {
        self.write(&json!({ "call": call, "instance": self.instance }))
            .await
    }

    /// The account that the channel speaks as.
    pub fn account(&self) -> Account {
        Account::new("1", format!("@{}", self.instance))
    }

    /// Hands over messages until the stop; calls `before` with the number of each, from 1 on.
    ///
    /// # Errors
    /// The host's, and transient where the platform is gone.
    pub async fn receive(&self, inbox: &Inbox, mut stop: Stop, before: impl Fn(u64)) -> Result<()> {
        let mut count = 0;
        while let Some(message) = self.next(&mut stop).await? {
            count += 1;
            before(count);
            self.hand_over(inbox, message).await?;
        }
        Ok(())
    }

    /// The platform's next message; `None` at the stop.
    ///
    /// # Errors
    /// Transient where the platform is gone.
    pub async fn next(&self, stop: &mut Stop) -> Result<Option<InboundMessage>> {
        let mut reader = self.reader.lock().await;
        let line = tokio::select! {
            () = stop.requested() => return Ok(None),
            line = reader.next_line() => line.map_err(|error| lost(&error))?,
        };
        let line = line.ok_or_else(|| Error::transient("the platform is gone").because(Cause::Network))?;
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| Error::transient(format!("no message: {error}")).because(Cause::Protocol))
    }

    /// Hands over one message, and tells the platform the verdict.
    ///
    /// # Errors
    /// The host's, and transient where the platform is gone.
    pub async fn hand_over(&self, inbox: &Inbox, message: InboundMessage) -> Result<()> {
        let id = message.id.clone();
        let verdict = inbox.emit(message).await?;
        self.confirm(&id, verdict).await?;
        inbox.progress();
        Ok(())
    }

    /// Tells the platform the verdict on a message.
    ///
    /// # Errors
    /// Transient where the platform is gone.
    pub async fn confirm(&self, id: &str, verdict: Verdict) -> Result<()> {
        self.write(&json!({ "verdict": verdict, "id": id })).await
    }

    /// Asks the platform whether to misbehave, on a connection of its own; a platform that is gone says no.
    pub fn may_fail(&self, fault: &str, at: &str, times: Option<u64>) -> bool {
        let ask = json!({ "ask": fault, "at": at, "instance": self.instance, "times": times, "pid": std::process::id() });
        ask_platform(&self.settings.platform, &ask).is_ok_and(|answer| answer["do"] == true)
    }

    /// Writes a message to the platform.
    ///
    /// # Errors
    /// Transient where the platform is gone.
    pub async fn send(&self, message: &OutboundMessage) -> Result<Sent> {
        self.write(&json!({ "send": message })).await?;
        Ok(Sent::one(self.sent.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Writes the call down, in the file too.
    ///
    /// # Errors
    /// Permanent where the file cannot be written.
    pub async fn shutdown(&self) -> Result<()> {
        if let Some(path) = &self.settings.shutdown_log {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(format!("{}\n", self.instance).as_bytes()))
                .map_err(|error| Error::permanent(format!("cannot write {}: {error}", path.display())))?;
        }
        self.report("shutdown").await
    }

    async fn write(&self, line: &Value) -> Result<()> {
        let line = format!("{line}\n");
        let mut writer = self.writer.lock().await;
        writer
            .write_all(line.as_bytes())
            .await
            .map_err(|error| lost(&error))
    }
}

fn ask_platform(platform: &str, ask: &Value) -> std::io::Result<Value> {
    let mut stream = std::net::TcpStream::connect(platform)?;
    stream.write_all(format!("{ask}\n").as_bytes())?;
    let mut answer = String::new();
    std::io::BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn lost(error: &std::io::Error) -> Error {
    Error::transient(format!("no connection to the platform: {error}")).because(Cause::Network)
}
