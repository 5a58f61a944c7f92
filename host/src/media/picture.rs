//! Pictures as models get them.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tracing::debug;

use super::MediaFile;
use crate::sessions::{Entry, SessionKey, media_dir};

/// What common servers take of one picture (Anthropic: 5 MB in base64,
/// <https://docs.claude.com/en/docs/build-with-claude/vision>, read 2026-11).
const ONE: usize = 3_750_000;
/// All pictures of a request together.
const ALL: usize = 12 * 1024 * 1024;

/// A picture for a model.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    /// In base64.
    pub(crate) data: Arc<str>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Picture({}, {} bytes of base64)",
            self.media_type,
            self.data.len()
        )
    }
}

/// The pictures of a conversation, `limit` at most, the newest first to be chosen.
pub(super) async fn read(
    dir: &Arc<Path>,
    session: &SessionKey,
    history: &[Entry],
    own: &[MediaFile],
    limit: usize,
) -> Vec<Vec<Picture>> {
    let messages = || history.iter().map(|entry| &*entry.media).chain([own]);
    if limit == 0 || !messages().flatten().any(is_picture) {
        return Vec::new();
    }
    let wanted: Vec<Vec<MediaFile>> = messages()
        .map(|files| files.iter().filter(|file| is_picture(file)).cloned().collect())
        .collect();
    let folder = media_dir(dir, session);
    let read = tokio::task::spawn_blocking(move || choose(&folder, wanted, limit)).await;
    // A panic there is a defect here, and no reason to give no answer.
    read.unwrap_or_default()
}

fn choose(folder: &Path, wanted: Vec<Vec<MediaFile>>, limit: usize) -> Vec<Vec<Picture>> {
    let (mut count, mut bytes) = (0, 0);
    let mut chosen: Vec<Vec<Picture>> = Vec::with_capacity(wanted.len());
    for files in wanted.iter().rev() {
        let mut pictures = Vec::new();
        for file in files {
            let room = (count < limit).then(|| ALL.saturating_sub(bytes).min(ONE));
            let Some(content) = room.and_then(|room| load(&folder.join(file.file.as_deref()?), room)) else {
                continue;
            };
            (count, bytes) = (count + 1, bytes + content.len());
            pictures.push(Picture {
                media_type: file.media_type.clone().unwrap_or_default(),
                data: BASE64_STANDARD.encode(content).into(),
            });
        }
        chosen.push(pictures);
    }
    chosen.reverse();
    chosen
}

fn is_picture(file: &MediaFile) -> bool {
    let types = ["image/jpeg", "image/png", "image/gif", "image/webp"];
    file.file.is_some() && file.media_type.as_deref().is_some_and(|own| types.contains(&own))
}

/// `None` for one that is gone or too large.
fn load(path: &Path, room: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let file = std::fs::File::open(path).inspect_err(|error| debug!(%error, "Picture cannot be read"));
    file.ok()?.take(room as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() <= room).then_some(content)
}
