//! What crosses the socket: a length of four bytes, little-endian, and that many bytes of postcard.

use miniclaw_plugin_api::abi::{LogRecord, Payload, Reply};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::Task;

/// A longer frame is no frame: the longest honest one carries a file of a message.
pub(super) const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a frame's length.
pub(super) const HEAD: usize = 4;

/// From the gateway to a child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToChild<'a> {
    /// The first frame, and no other.
    Task(Task),
    Call {
        op: u64,
        method: u32,
        #[serde(borrow)]
        body: Body<'a>,
    },
    Cancel {
        op: u64,
    },
    Answer {
        ticket: u64,
        ok: bool,
        #[serde(borrow)]
        body: Body<'a>,
    },
    LogLevel(u8),
}

/// From a child to the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToHost<'a> {
    /// The library is loaded; `gaps` is what of the sandbox the kernel lacks, empty where nothing is missing.
    Ready { gaps: &'a str },
    /// It is not, for good.
    Refused { reason: &'a str },
    Request {
        ticket: u64,
        op: u64,
        method: u32,
        #[serde(borrow)]
        body: Body<'a>,
    },
    Done {
        op: u64,
        ok: bool,
        #[serde(borrow)]
        body: Body<'a>,
    },
    Log {
        level: u8,
        line: u32,
        target: &'a str,
        file: &'a str,
        fields: &'a str,
        spans: &'a str,
    },
    Notify {
        notice: u32,
        #[serde(borrow)]
        body: Body<'a>,
    },
}

/// A [`Payload`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Body<'a> {
    json: &'a str,
    bytes: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn of(payload: &'a Payload) -> Self {
        Self {
            json: &payload.json,
            bytes: &payload.bytes,
        }
    }

    /// Whether it is a result, and its body.
    pub(super) fn of_reply(reply: &'a Reply) -> (bool, Self) {
        match reply {
            Reply::ROk(payload) => (true, Self::of(payload)),
            Reply::RErr(payload) => (false, Self::of(payload)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.json.len() + self.bytes.len()
    }

    pub(super) fn payload(self) -> Payload {
        Payload {
            json: self.json.into(),
            bytes: self.bytes.to_vec().into(),
        }
    }

    pub(super) fn reply(self, ok: bool) -> Reply {
        match ok {
            true => Reply::ROk(self.payload()),
            false => Reply::RErr(self.payload()),
        }
    }
}

impl<'a> ToHost<'a> {
    pub(super) fn log(record: &'a LogRecord) -> Self {
        Self::Log {
            level: record.level,
            line: record.line,
            target: &record.target,
            file: &record.file,
            fields: &record.fields,
            spans: &record.spans,
        }
    }
}

/// Appends a frame to `buffer`; leaves that as it was where the frame cannot be made.
///
/// # Errors
/// A frame that is too long, or a path that is not UTF-8.
pub(super) fn append<T: Serialize>(buffer: &mut Vec<u8>, frame: &T) -> Result<(), Unfit> {
    let start = buffer.len();
    buffer.extend([0; HEAD]);
    let made = postcard::serialize_with_flavor(frame, Tail(buffer)).is_ok();
    match made {
        true if buffer.len() - start - HEAD <= MAX_BYTES => {
            let length = (buffer.len() - start - HEAD) as u32;
            buffer[start..start + HEAD].copy_from_slice(&length.to_le_bytes());
            Ok(())
        }
        _ => {
            buffer.truncate(start);
            Err(Unfit)
        }
    }
}

/// A frame that cannot be made.
#[derive(Debug)]
pub(super) struct Unfit;

struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The length that a frame's head tells; `None` where it is none.
pub(super) fn length(head: [u8; HEAD]) -> Option<usize> {
    Some(u32::from_le_bytes(head) as usize).filter(|length| *length <= MAX_BYTES)
}

/// Reads the body of a frame; `None` where it is none.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((frame, [])) => Some(frame),
        _ => None,
    }
}
