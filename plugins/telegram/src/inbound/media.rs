//! Files beside a message.

use miniclaw_plugin_api::{Attachment, AttachmentKind};

use crate::media::FILE_CAP;
use crate::update::content::{File, Media, Sticker};

/// Names the files of a message; their bytes are fetched when they are needed.
pub(super) fn attachments(media: Media) -> Vec<Attachment> {
    let document = media.document.filter(|_| media.animation.is_none());
    let files = [
        (AttachmentKind::Image, best(media.photo), "image/jpeg"),
        (AttachmentKind::Voice, media.voice, "audio/ogg"),
        (AttachmentKind::Audio, media.audio, ""),
        (AttachmentKind::Video, media.video, ""),
        (AttachmentKind::Video, media.video_note, "video/mp4"),
        (AttachmentKind::Video, media.animation, ""),
        (AttachmentKind::File, document, ""),
    ];
    files
        .into_iter()
        .filter_map(|(kind, file, usual)| Some(attachment(kind, file?, usual)))
        .chain(media.sticker.and_then(sticker))
        .collect()
}

/// The largest size that the Bot API gives out, or the smallest where all are too large.
fn best(sizes: Vec<File>) -> Option<File> {
    let area = |file: &File| file.width.saturating_mul(file.height);
    let (fit, large): (Vec<_>, Vec<_>) = sizes
        .into_iter()
        .partition(|file| file.file_size.is_none_or(|bytes| bytes <= FILE_CAP as u64));
    let fitting = fit.into_iter().max_by_key(area);
    fitting.or_else(|| large.into_iter().min_by_key(area))
}

/// `usual` is the type of what Telegram names no type for.
fn attachment(kind: AttachmentKind, file: File, usual: &str) -> Attachment {
    let usual = Some(usual).filter(|usual| !usual.is_empty());
    Attachment {
        id: file.file_id,
        kind,
        name: file.file_name,
        media_type: file.mime_type.or_else(|| usual.map(str::to_owned)),
        size_bytes: file.file_size,
        duration_ms: file.duration.map(|seconds| seconds.saturating_mul(1000)),
        ..Attachment::default()
    }
}

/// A sticker has no name of its own: the emoji says what it is for.
fn sticker(sticker: Sticker) -> Option<Attachment> {
    let (kind, media_type) = match (sticker.is_animated, sticker.is_video) {
        (true, _) => (AttachmentKind::Video, "application/x-tgsticker"),
        (_, true) => (AttachmentKind::Video, "video/webm"),
        _ => (AttachmentKind::Image, "image/webp"),
    };
    let mut attachment = Attachment {
        id: sticker.file_id.filter(|id| !id.is_empty())?,
        kind,
        name: Some("sticker".to_owned()),
        media_type: Some(media_type.to_owned()),
        size_bytes: sticker.file_size,
        ..Attachment::default()
    };
    if let Some(emoji) = sticker.emoji.filter(|emoji| !emoji.is_empty()) {
        attachment.name = Some(format!("sticker {emoji}"));
        attachment.meta.insert("emoji".to_owned(), emoji.into());
    }
    Some(attachment)
}
