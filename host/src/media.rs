//! Files that people send: fetched from their channel once, and kept in the session's media folder.

mod name;
mod picture;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miniclaw_plugin_api::{Attachment, AttachmentKind, Capability, Cause, Error, InboundMessage, Outcome};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

pub(crate) use self::name::kind_of;
pub(crate) use self::picture::Picture;
use crate::delivery::Outbox;
use crate::plugins::instance::{Instance, Method};
use crate::sessions::{Entry, SessionKey, media_dir};
use crate::spool::InboundRow;
use crate::whole;

/// Between attempts at the same file.
const FETCH_AGAIN: Duration = Duration::from_secs(1);
/// Attempts at one file.
const ATTEMPTS: u32 = 3;
/// How long a channel that is between two lives is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Text of a file that a model is shown; a longer one is named alone.
const TEXT_BYTES: usize = 64 * 1024;

/// A file of a message, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaFile {
    #[serde(default)]
    pub(crate) kind: AttachmentKind,
    /// As its sender named it; never a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    /// The file's name in the session's media folder; `None` for one that was not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
}

/// The files of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) files: Vec<MediaFile>,
    /// What the agent reads of them, one line or more for each.
    pub(crate) lines: Vec<String>,
}

/// Fetches files and keeps them.
#[derive(Clone)]
pub(crate) struct MediaStore {
    /// The sessions folder.
    pub(crate) dir: Arc<Path>,
    /// Larger files are named and not kept.
    pub(crate) max_bytes: u64,
    /// Pictures of a conversation that a model is shown at once.
    pub(crate) max_pictures: usize,
}

/// Why a file is not there.
enum Missing {
    TooLarge,
    Gone,
}

impl MediaStore {
    /// Brings all files of a message into its session's folder. What cannot be had is named as such.
    ///
    /// # Cancel safety
    /// A dropped future leaves whole files alone.
    pub(crate) async fn take_in(
        &self,
        row: &InboundRow,
        message: &InboundMessage,
        outbox: Option<&Arc<Outbox>>,
    ) -> Media {
        let mut media = Media::default();
        if message.attachments.is_empty() {
            return media;
        }
        let folder = media_dir(&self.dir, &row.session);
        for (index, attachment) in message.attachments.iter().enumerate() {
            let got = match self.bytes(attachment, outbox).await {
                Ok(bytes) => self.keep(&folder, row.seq, index, attachment, bytes).await,
                Err(missing) => Err(missing),
            };
            let (file, line) = described(attachment, got);
            media.files.push(file);
            media.lines.push(line);
        }
        media
    }

    /// The newest pictures of a conversation: one list for each message of `history`, and the last one for the message
    /// that has `own`. Empty where there are none.
    pub(crate) async fn pictures(
        &self,
        session: &SessionKey,
        history: &[Entry],
        own: &[MediaFile],
    ) -> Vec<Vec<Picture>> {
        picture::read(&self.dir, session, history, own, self.max_pictures).await
    }

    async fn bytes(&self, attachment: &Attachment, outbox: Option<&Arc<Outbox>>) -> Result<Vec<u8>, Missing> {
        if attachment.size_bytes.is_some_and(|bytes| bytes > self.max_bytes) {
            return Err(Missing::TooLarge);
        }
        let bytes = match &attachment.data {
            Some(data) => BASE64_STANDARD.decode(data).map_err(|_| Missing::Gone)?,
            None => fetch(attachment, outbox).await?,
        };
        match bytes.len() as u64 > self.max_bytes {
            true => Err(Missing::TooLarge),
            false => Ok(bytes),
        }
    }

    async fn keep(
        &self,
        folder: &Path,
        seq: u64,
        index: usize,
        attachment: &Attachment,
        bytes: Vec<u8>,
    ) -> Result<Kept, Missing> {
        let media_type = name::media_type(&bytes)
            .or(attachment.media_type.as_deref())
            .map(str::to_owned);
        let extension = name::extension(media_type.as_deref(), attachment.name.as_deref());
        let file = format!("{seq}-{}{extension}", index + 1);
        let (path, shown) = (
            folder.join(&file),
            name::text(media_type.as_deref(), &bytes, TEXT_BYTES),
        );
        let length = bytes.len();
        let written = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(Kept {
                file,
                media_type,
                length,
                shown,
            }),
            Err(error) => {
                warn!(%error, folder = %folder.display(), "File of a message cannot be kept");
                Err(Missing::Gone)
            }
        }
    }
}

struct Kept {
    file: String,
    media_type: Option<String>,
    length: usize,
    /// Its text, where it is one.
    shown: Option<String>,
}

async fn fetch(attachment: &Attachment, outbox: Option<&Arc<Outbox>>) -> Result<Vec<u8>, Missing> {
    for attempt in 1.. {
        let instance = match outbox {
            Some(outbox) => tokio::time::timeout(PATIENCE, outbox.running_instance())
                .await
                .ok()
                .flatten(),
            None => None,
        };
        let error = match instance {
            Some(instance) => match ask(&instance, attachment).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            },
            None => Error::permanent("the channel is not running"),
        };
        if error.cause == Cause::TooLarge {
            return Err(Missing::TooLarge);
        }
        if error.outcome == Outcome::Permanent || attempt >= ATTEMPTS {
            warn!(%error, "File of a message cannot be fetched");
            break;
        }
        debug!(%error, attempt, "File of a message is fetched again");
        tokio::time::sleep(FETCH_AGAIN).await;
    }
    Err(Missing::Gone)
}

async fn ask(instance: &Instance, attachment: &Attachment) -> Result<Vec<u8>, Error> {
    if !instance.blueprint.can(Capability::Fetch) {
        return Err(Error::unsupported("fetch"));
    }
    let payload = instance.call(Method::FETCH, attachment).await?;
    Ok(payload.bytes.into_vec())
}

/// Writes a file; one that is there is the same.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    whole::replace(path, bytes)
}

fn described(attachment: &Attachment, got: Result<Kept, Missing>) -> (MediaFile, String) {
    let mut line = format!("[{}", kind_word(attachment));
    let label = attachment.name.as_deref().map(one_line);
    if let Some(label) = &label {
        line.push_str(&format!(" {label}"));
    }
    if let Some(seconds) = attachment.duration_ms.map(|millis| millis.div_ceil(1000)) {
        line.push_str(&format!(" of {seconds} s"));
    }
    let mut file = MediaFile {
        kind: attachment.kind,
        name: label,
        media_type: attachment.media_type.clone(),
        file: None,
    };
    match got {
        Ok(kept) => {
            if attachment.kind == AttachmentKind::File {
                line.push_str(&format!(", {} bytes", kept.length));
            }
            line.push(']');
            if let Some(text) = kept.shown {
                line.push_str(&format!("\n{}", fenced(&text)));
            } else if !can_be_shown(attachment.kind) {
                line.insert_str(line.len() - 1, ", which you cannot open");
            }
            (file.file, file.media_type) = (Some(kept.file), kept.media_type);
        }
        Err(Missing::TooLarge) => line.push_str(", which is too large for you to get]"),
        Err(Missing::Gone) => line.push_str(", which could not be fetched]"),
    }
    (file, line)
}

/// Whether some models take such a file as it is.
fn can_be_shown(kind: AttachmentKind) -> bool {
    kind == AttachmentKind::Image
}

fn kind_word(attachment: &Attachment) -> &'static str {
    match attachment.kind {
        AttachmentKind::Image => "image",
        AttachmentKind::Voice => "voice message",
        AttachmentKind::Audio => "audio",
        AttachmentKind::Video => "video",
        AttachmentKind::File => "file",
        _ => "attachment",
    }
}

/// A name that its sender chose, so that it cannot look like a line of ours.
pub(crate) fn one_line(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|character| !character.is_control())
        .take(120)
        .collect();
    plain.replace(['[', ']'], "")
}

/// A fence that no line of the text closes.
fn fenced(text: &str) -> String {
    let longest = text
        .lines()
        .map(|line| line.chars().take_while(|mark| *mark == '`').count())
        .max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.trim_end())
}

#[cfg(test)]
mod tests;
