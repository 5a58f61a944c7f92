//! Files that wait to be sent, in the state folder. A file is there, synced, before its row is; it goes when its row is sent.
//! What is left behind, as by a dead letter that was dropped, goes after a month. A backup holds none of them: what waited
//! when it was made is a dead letter after a restore.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miniclaw_plugin_api::{Attachment, AttachmentKind, Cause, Error, OutboundMessage};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::gateway::private_folder;
use crate::media;

/// Largest file: in base64 it fits into one message to an isolated plugin.
const MAX_BYTES: usize = 20 * 1024 * 1024;
/// A dead letter can be tried again for 30 days.
const KEPT: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// What names the file in an attachment's additional data, from the row until it is sent.
const MARK: &str = "miniclaw_parcel";

/// A file that waits to be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parcel {
    /// Its name in the folder.
    pub(crate) stored: String,
    /// As its receiver is to see it.
    pub(crate) name: String,
    pub(crate) kind: AttachmentKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: u64,
}

impl Parcel {
    /// # Errors
    /// A name that is no file's of the folder.
    pub(super) fn check(&self) -> Result<(), String> {
        match is_stored_name(&self.stored) {
            true => Ok(()),
            false => Err("the file is not where `miniclaw send` puts it".into()),
        }
    }

    /// Without the bytes.
    pub(super) fn attachment(&self) -> Attachment {
        let mut attachment = Attachment {
            kind: self.kind,
            name: Some(self.name.clone()),
            media_type: self.media_type.clone(),
            size_bytes: Some(self.bytes),
            ..Attachment::default()
        };
        attachment
            .meta
            .insert(MARK.to_owned(), self.stored.clone().into());
        attachment
    }
}

/// The files of one channel's rows.
pub(crate) struct Parcels {
    dir: PathBuf,
    /// Of one file at a time the bytes are in memory.
    one: Semaphore,
}

impl Parcels {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self {
            dir: folder(state_dir),
            one: Semaphore::new(1),
        }
    }

    /// A place for the bytes of a message's file; `None` where it has none.
    pub(crate) async fn place(&self, message: &OutboundMessage) -> Option<tokio::sync::SemaphorePermit<'_>> {
        stored(message)?;
        self.one.acquire().await.ok()
    }

    /// The message with the bytes of its file.
    ///
    /// # Errors
    /// Permanent where the file is gone, transient where it cannot be read.
    pub(crate) async fn filled<'a>(
        &self,
        message: Cow<'a, OutboundMessage>,
    ) -> Result<Cow<'a, OutboundMessage>, Error> {
        let Some(name) = stored(&message) else {
            return Ok(message);
        };
        let path = self.dir.join(name);
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let data = read
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => Error::permanent("its file is gone").because(Cause::NotFound),
                _ => Error::transient(format!("its file cannot be read: {error}")),
            })?;
        let mut message = message.into_owned();
        for attachment in &mut message.attachments {
            attachment.meta.remove(MARK);
            attachment.data = Some(data.clone());
        }
        Ok(Cow::Owned(message))
    }

    /// Lets go of the file of a message that was sent.
    pub(crate) fn sent(&self, message: &OutboundMessage) {
        if let Some(name) = stored(message) {
            remove(&self.dir.join(name));
        }
    }
}

/// Copies a file to where the gateway finds it when it is sent.
///
/// # Errors
/// In words: what is no file, is empty, too large, or cannot be read or copied.
pub(crate) fn pack(state_dir: &Path, file: &Path) -> Result<Parcel, String> {
    let at = |error: io::Error| format!("cannot read {}: {error}", file.display());
    // A pipe or a device would never come to its end.
    if !std::fs::metadata(file).map_err(at)?.is_file() {
        return Err(format!("{} is no file", file.display()));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(at)?;
    opened
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(at)?;
    if bytes.is_empty() {
        return Err(format!("{} is empty", file.display()));
    }
    if bytes.len() > MAX_BYTES {
        return Err(format!(
            "{} is larger than 20 MiB, the most that can be sent",
            file.display()
        ));
    }
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (kind, media_type) = media::kind_of(&bytes, &name);
    let dir = folder(state_dir);
    private_folder(&dir).map_err(|error| error.to_string())?;
    let stored = new_name();
    write(&dir, &stored, &bytes)
        .map_err(|error| format!("cannot copy it into {}: {error}", dir.display()))?;
    Ok(Parcel {
        stored,
        name,
        kind,
        media_type: media_type.map(str::to_owned),
        bytes: bytes.len() as u64,
    })
}

/// Takes back what the gateway did not take.
pub(crate) fn unpack(state_dir: &Path, stored: &str) {
    remove(&folder(state_dir).join(stored));
}

/// Removes what nothing waits for any more.
pub(crate) fn tidy(state_dir: &Path) {
    // Without the folder there is nothing to tidy.
    let Ok(entries) = folder(state_dir).read_dir() else {
        return;
    };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            remove(&entry.path());
        }
    }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("outgoing")
}

/// Different for each: this process makes one, and two processes of the same id at the same nanosecond there are not.
fn new_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_nanos(), std::process::id())
}

fn is_stored_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The name of the file that a message waits with.
fn stored(message: &OutboundMessage) -> Option<&str> {
    let name = message.attachments.first()?.meta.get(MARK)?.as_str()?;
    is_stored_name(name).then_some(name)
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(BASE64_STANDARD.encode(bytes))
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = dir.join(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        remove(&path);
        return written;
    }
    File::open(dir)?.sync_all()
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => debug!(path = %path.display(), "File that was to be sent removed"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => warn!(path = %path.display(), %error, "File that was to be sent cannot be removed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_waits_until_it_is_sent_and_nobody_names_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chart.png");
        std::fs::write(&file, b"\x89PNG\r\n\x1a\nrest").unwrap();
        let parcel = pack(folder.path(), &file).unwrap();
        assert_eq!(parcel.kind, AttachmentKind::Image);
        assert_eq!(parcel.media_type.as_deref(), Some("image/png"));
        let mut message = OutboundMessage::new(miniclaw_plugin_api::ChatRef::new("7"), "x");
        message.attachments.push(parcel.attachment());
        let parcels = Parcels::new(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let filled = runtime.block_on(parcels.filled(Cow::Borrowed(&message))).unwrap();
        let sent = &filled.attachments[0];
        assert_eq!(
            sent.data.as_deref(),
            Some(&*BASE64_STANDARD.encode(b"\x89PNG\r\n\x1a\nrest"))
        );
        assert!(sent.meta.is_empty());
        parcels.sent(&message);
        let gone = runtime
            .block_on(parcels.filled(Cow::Borrowed(&message)))
            .unwrap_err();
        assert_eq!(gone.message, "its file is gone");
        for name in ["", "../spool.db", "a/b", ".", "x"] {
            let bad = Parcel {
                stored: name.into(),
                ..parcel.clone()
            };
            assert!(bad.check().is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_no_file_is_empty_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let refused = |path: &Path| pack(folder.path(), path).unwrap_err();
        assert!(refused(&file).contains("No such file"));
        assert!(refused(folder.path()).contains("is no file"));
        std::fs::write(&file, "").unwrap();
        assert!(refused(&file).contains("is empty"));
        File::create(&file)
            .unwrap()
            .set_len(MAX_BYTES as u64 + 1)
            .unwrap();
        assert!(refused(&file).contains("larger than 20 MiB"));
    }
}
