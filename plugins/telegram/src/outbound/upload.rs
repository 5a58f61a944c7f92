//! A file as Telegram takes it: by which method, under which name.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miniclaw_plugin_api::{Attachment, AttachmentKind, Cause, Error, Result};
use reqwest::multipart::Part;

/// The Bot API takes files of up to 50 MB, and photos of up to 10 MB
/// (<https://core.telegram.org/bots/api#sending-files>, read 2026-11).
const FILE_CAP: usize = 50 * 1024 * 1024;
const PHOTO_CAP: usize = 10 * 1024 * 1024;
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Longest name, in characters.
const NAME_CAP: usize = 100;

/// How a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Photo,
    Voice,
    Audio,
    Video,
    Document,
}

impl Way {
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Photo => "sendPhoto",
            Self::Voice => "sendVoice",
            Self::Audio => "sendAudio",
            Self::Video => "sendVideo",
            Self::Document => "sendDocument",
        }
    }

    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Document => "document",
        }
    }

    /// Whether the method takes a `duration`.
    pub(super) fn plays(self) -> bool {
        matches!(self, Self::Voice | Self::Audio | Self::Video)
    }
}

/// A file to be sent.
pub(super) struct Upload<'a> {
    data: &'a str,
    pub(super) name: String,
    media_type: String,
    pub(super) way: Way,
}

impl<'a> Upload<'a> {
    /// # Errors
    /// Permanent, where the attachment has no bytes or too many.
    pub(super) fn new(attachment: &'a Attachment) -> Result<Self> {
        let media_type = media_type(attachment);
        let name = safe_name(attachment, &media_type);
        let data = attachment.data.as_deref().unwrap_or_default();
        if data.is_empty() {
            return Err(Error::permanent(format!("the file `{name}` is empty")).because(Cause::Rejected));
        }
        let size = data.len() / 4 * 3;
        if size > FILE_CAP + 2 {
            let megabytes = size.div_ceil(1024 * 1024);
            return Err(Error::permanent(format!(
                "the file `{name}` has {megabytes} MB, and telegram takes at most 50 MB from a bot"
            ))
            .because(Cause::TooLarge));
        }
        let way = way(attachment.kind, &media_type, size);
        Ok(Self {
            data,
            name,
            media_type,
            way,
        })
    }

    /// The file as a part of a request. It is decoded for each, so that it is not held twice.
    pub(super) fn part(&self) -> Result<Part> {
        let bytes = BASE64_STANDARD.decode(self.data).map_err(|error| {
            Error::permanent(format!("the file `{}` is not in base64: {error}", self.name))
                .because(Cause::Rejected)
        })?;
        // A type that is none is left for Telegram to find out.
        let is_type = Part::text("").mime_str(&self.media_type).is_ok();
        let media_type = if is_type { &self.media_type } else { UNKNOWN_TYPE };
        let part = Part::bytes(bytes).file_name(self.name.clone());
        part.mime_str(media_type)
            .map_err(|error| Error::permanent(format!("the file `{}` cannot be sent: {error}", self.name)))
    }
}

fn way(kind: AttachmentKind, media_type: &str, size: usize) -> Way {
    match kind {
        AttachmentKind::Image => match media_type {
            // As a photo the one would stand still, and the other is refused.
            "image/gif" | "image/svg+xml" => Way::Document,
            _ if size > PHOTO_CAP => Way::Document,
            _ => Way::Photo,
        },
        AttachmentKind::Voice => match media_type {
            "audio/ogg" | "audio/opus" | "audio/mpeg" | "audio/mp3" | "audio/mp4" | "audio/m4a"
            | "audio/x-m4a" | "application/ogg" => Way::Voice,
            _ => Way::Audio,
        },
        AttachmentKind::Audio => Way::Audio,
        AttachmentKind::Video => Way::Video,
        _ => Way::Document,
    }
}

/// The media type without parameters; by the name's ending where none is given.
fn media_type(attachment: &Attachment) -> String {
    let given = attachment.media_type.as_deref().unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    if !given.is_empty() {
        return given.to_ascii_lowercase();
    }
    let name = attachment.name.as_deref().unwrap_or_default();
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let known = ending.and_then(|ending| TYPES.iter().find(|(_, known)| *known == ending));
    known
        .map_or("application/octet-stream", |(kind, _)| kind)
        .to_owned()
}

/// Media types with the usual ending of a name.
const TYPES: [(&str, &str); 13] = [
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/jpeg", "jpeg"),
    ("image/webp", "webp"),
    ("image/gif", "gif"),
    ("image/svg+xml", "svg"),
    ("audio/ogg", "ogg"),
    ("audio/ogg", "oga"),
    ("audio/ogg", "opus"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("video/mp4", "mp4"),
    ("application/pdf", "pdf"),
];

/// The last part of the name, without what a header or a folder would take for something else.
fn safe_name(attachment: &Attachment, media_type: &str) -> String {
    let name = attachment.name.as_deref().unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|symbol| !symbol.is_control() && !"\"<>|:*?;".contains(*symbol) && !turns_around(*symbol))
        .collect();
    let name = name.trim().trim_start_matches('.');
    if name.is_empty() {
        let ending = TYPES.iter().find(|(kind, _)| *kind == media_type);
        return format!("file.{}", ending.map_or("bin", |(_, ending)| ending));
    }
    let surplus = name.chars().count().saturating_sub(NAME_CAP);
    // The ending says what it is.
    name.chars().skip(surplus).collect()
}

/// Whether a mark makes what follows read the other way, which shows another ending than there is.
fn turns_around(symbol: char) -> bool {
    matches!(symbol, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(kind: AttachmentKind, name: &str, media_type: &str) -> Attachment {
        Attachment {
            kind,
            name: Some(name.to_owned()),
            media_type: (!media_type.is_empty()).then(|| media_type.to_owned()),
            data: Some("aGk=".to_owned()),
            ..Attachment::default()
        }
    }

    #[test]
    fn each_kind_goes_the_way_that_shows_it_best() {
        use AttachmentKind::{Audio, File, Image, Video, Voice};
        for (kind, name, media_type, way) in [
            (Image, "a.png", "", Way::Photo),
            (Image, "a", "image/gif", Way::Document),
            (Voice, "a", "audio/ogg; codecs=opus", Way::Voice),
            (Voice, "a.MP3", "", Way::Voice),
            (Voice, "a", "audio/wav", Way::Audio),
            (Audio, "a.mp3", "", Way::Audio),
            (Video, "a.mp4", "", Way::Video),
            (File, "a.png", "", Way::Document),
        ] {
            let attachment = attachment(kind, name, media_type);
            assert_eq!(
                Upload::new(&attachment).unwrap().way,
                way,
                "{kind:?} {name} {media_type}"
            );
        }
        assert_eq!(way(Image, "image/png", PHOTO_CAP + 1), Way::Document);
    }

    #[test]
    fn names_are_safe() {
        for (name, safe) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\report.pdf", "report.pdf"),
            ("a\"\r\nb;.txt", "ab.txt"),
            (".", "file.png"),
            // Shown as `invoiceexe.pdf`.
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("Größe 漢字.png", "Größe 漢字.png"),
        ] {
            let attachment = attachment(AttachmentKind::File, name, "image/png");
            assert_eq!(Upload::new(&attachment).unwrap().name, safe);
        }
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        let mut file = attachment(AttachmentKind::File, "x", "");
        file.data = Some("no base64".to_owned());
        let refused = Upload::new(&file).unwrap().part().unwrap_err();
        assert_eq!(refused.cause, Cause::Rejected);
        file.data = None;
        assert!(Upload::new(&file).is_err());
        file.data = Some("A".repeat(FILE_CAP / 3 * 4 + 8));
        let refused = Upload::new(&file).err().unwrap();
        assert_eq!(
            (refused.cause, refused.message.contains("50 MB")),
            (Cause::TooLarge, true)
        );
    }
}
