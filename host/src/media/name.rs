//! What a file is, and what it is called here. Nothing of its sender's name but a short ending gets into a path.

use miniclaw_plugin_api::AttachmentKind;

/// Longest ending that is taken from a sender's name.
const ENDING: usize = 8;

/// The media type that the bytes themselves tell, for what models are shown and what is often mislabelled.
pub(super) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'%', b'P', b'D', b'F', ..] => Some("application/pdf"),
        [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
        _ => None,
    }
}

/// What a file is that somebody sends from here: by its bytes, else by the ending of its name.
pub(crate) fn kind_of(bytes: &[u8], name: &str) -> (AttachmentKind, Option<&'static str>) {
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let by_ending = match ending.as_deref().unwrap_or_default() {
        "ogg" | "oga" | "opus" => Some("audio/ogg"),
        "mp3" => Some("audio/mpeg"),
        "m4a" => Some("audio/mp4"),
        "wav" => Some("audio/wav"),
        "flac" => Some("audio/flac"),
        "mp4" | "m4v" => Some("video/mp4"),
        "webm" => Some("video/webm"),
        "mov" => Some("video/quicktime"),
        "txt" | "log" => Some("text/plain"),
        _ => None,
    };
    let media_type = media_type(bytes).or(by_ending);
    let kind = match media_type.unwrap_or_default() {
        "audio/ogg" => AttachmentKind::Voice,
        known if known.starts_with("image/") => AttachmentKind::Image,
        known if known.starts_with("audio/") => AttachmentKind::Audio,
        known if known.starts_with("video/") => AttachmentKind::Video,
        _ => AttachmentKind::File,
    };
    (kind, media_type)
}

/// The ending of a file's name here, with its dot; empty where nothing is known.
pub(super) fn extension(media_type: Option<&str>, name: Option<&str>) -> String {
    let known = match media_type.unwrap_or_default() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        "audio/ogg" => "ogg",
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/x-m4a" => "m4a",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "text/plain" => "txt",
        _ => "",
    };
    if !known.is_empty() {
        return format!(".{known}");
    }
    let ending = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let plain = |ending: &String| {
        (1..=ENDING).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    ending
        .filter(plain)
        .map(|ending| format!(".{ending}"))
        .unwrap_or_default()
}

/// The text of a file that is one, within `limit` bytes.
pub(super) fn text(media_type: Option<&str>, bytes: &[u8], limit: usize) -> Option<String> {
    let media_type = media_type.unwrap_or_default();
    let textual = media_type.starts_with("text/")
        || matches!(
            media_type,
            "" | "application/octet-stream"
                | "application/json"
                | "application/xml"
                | "application/yaml"
                | "application/x-yaml"
                | "application/toml"
                | "application/javascript"
                | "application/x-sh"
                | "application/sql"
        );
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|_| textual && bytes.len() <= limit)?;
    let readable = |character: char| !character.is_control() || character.is_whitespace();
    (!text.trim().is_empty() && text.chars().all(readable)).then(|| text.to_owned())
}
