//! The lines.

use std::time::Duration;

use miniclaw_plugin_api::{Account, Cause, ChatRef, Error, InboundMessage, OutboundMessage, Sent, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The version of the protocol, for programs that care.
const PROTOCOL: u32 = 1;

/// A line to the program.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToProgram {
    Start {
        protocol: u32,
        instance: String,
        options: Map<String, Value>,
    },
    Receive {
        cursor: Option<String>,
    },
    Ack {
        id: String,
        chat: ChatRef,
        revision: u64,
        verdict: Verdict,
    },
    Send {
        id: u64,
        text: String,
        #[serde(flatten)]
        message: Box<OutboundMessage>,
    },
    Cancel {
        id: u64,
    },
    Stop,
}

impl ToProgram {
    pub(crate) fn start(instance: &str, options: Map<String, Value>) -> Self {
        Self::Start {
            protocol: PROTOCOL,
            instance: instance.to_owned(),
            options,
        }
    }

    pub(crate) fn receive(cursor: Option<&str>) -> Self {
        Self::Receive {
            cursor: cursor.map(str::to_owned),
        }
    }

    pub(crate) fn ack(message: InboundMessage, verdict: Verdict) -> Self {
        Self::Ack {
            id: message.id,
            chat: message.chat,
            revision: message.revision,
            verdict,
        }
    }

    pub(crate) fn send(id: u64, message: OutboundMessage) -> Self {
        Self::Send {
            id,
            text: message.text(),
            message: Box::new(message),
        }
    }
}

/// A line from the program.
#[derive(Debug)]
pub(crate) enum FromProgram {
    Ready(Ready),
    Message(Box<Handed>),
    Sent(u64, Sent),
    /// Without an id it is about the program itself.
    Failed(Option<u64>, Error),
    Progress,
    Log(LogLine),
    /// Of a type that this side does not know.
    Unknown,
}

/// An inbound message with the cursor to commit with it.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) message: InboundMessage,
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ready {
    account: Option<String>,
    name: Option<String>,
    pub(crate) poll_timeout_ms: Option<u64>,
}

impl Ready {
    /// A program that does not say who it speaks as is called by its instance.
    pub(crate) fn account(self, instance: &str) -> Account {
        let id = self.account.unwrap_or_else(|| instance.to_owned());
        let account = Account::new(id, self.name.unwrap_or_else(|| instance.to_owned()));
        match self.poll_timeout_ms {
            Some(millis) => account.polling(Duration::from_millis(millis)),
            None => account,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LogLine {
    pub(crate) level: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    id: Option<u64>,
    kind: String,
    cause: Option<Cause>,
    text: String,
    retry_after_ms: Option<u64>,
}

impl Failure {
    /// What is said in another way than this side knows may have happened.
    fn error(self) -> Error {
        let error = match self.kind.as_str() {
            "transient" => Error::transient(self.text),
            "permanent" => Error::permanent(self.text),
            _ => Error::unknown(self.text),
        };
        let error = error.because(self.cause.unwrap_or(Cause::Other));
        match self.retry_after_ms {
            Some(millis) if self.kind == "transient" => error.retry_after(Duration::from_millis(millis)),
            _ => error,
        }
    }
}

impl FromProgram {
    /// Reads a line. The error names no content, which may be a person's.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let Ok(Value::Object(mut line)) = serde_json::from_slice::<Value>(line) else {
            return Err("it is no JSON object");
        };
        let Some(Value::String(kind)) = line.remove("type") else {
            return Err("it has no `type`");
        };
        match kind.as_str() {
            "ready" => read(line)
                .map(Self::Ready)
                .ok_or("its `ready` is not as described"),
            "message" => message(line)
                .map(|message| Self::Message(Box::new(message)))
                .ok_or("its `message` has no `id`, `chat` or `sender`, or is not as described"),
            "sent" => read(line)
                .map(|Answer { id, ids }| {
                    let mut sent = Sent::default();
                    sent.ids = ids;
                    Self::Sent(id, sent)
                })
                .ok_or("its `sent` has no `id`, or is not as described"),
            "error" => read(line)
                .map(|failure: Failure| Self::Failed(failure.id, failure.error()))
                .ok_or("its `error` is not as described"),
            "progress" => Ok(Self::Progress),
            "log" => read(line).map(Self::Log).ok_or("its `log` is not as described"),
            _ => Ok(Self::Unknown),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(line: Map<String, Value>) -> Option<T> {
    serde_json::from_value(Value::Object(line)).ok()
}

/// An inbound message as the contract has it, or in short: `text` for `parts`, an id for `chat` and for `sender`, numbers for ids.
fn message(mut line: Map<String, Value>) -> Option<Handed> {
    if let Some(text) = line.remove("text") {
        line.entry("parts")
            .or_insert_with(|| json!([{ "type": "text", "text": text }]));
    }
    for key in ["chat", "sender"] {
        let value = line.get_mut(key)?;
        if !value.is_object() {
            *value = json!({ "id": value.take() });
        }
        stringify(value.get_mut("id")?);
    }
    stringify(line.get_mut("id")?);
    let cursor = line.remove("cursor").and_then(|cursor| match cursor {
        Value::String(cursor) => Some(cursor),
        Value::Null => None,
        cursor => Some(cursor.to_string()),
    });
    let message: InboundMessage = read(line)?;
    (!message.id.is_empty() && !message.chat.id.is_empty()).then_some(Handed { message, cursor })
}

fn stringify(value: &mut Value) {
    if value.is_number() {
        *value = Value::String(value.to_string());
    }
}
