//! What a message answers.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::User;
use super::lenient::lenient;

/// The message that another one answers.
#[derive(Default, Deserialize)]
pub(crate) struct Replied {
    pub(crate) message_id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) from: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) caption: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    photo: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    voice: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    audio: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    video: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    video_note: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    animation: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    document: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    sticker: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    contact: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    poll: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "lenient")]
    location: Option<IgnoredAny>,
}

/// The part of the answered message that its answer quotes.
#[derive(Default, Deserialize)]
pub(crate) struct Quote {
    pub(crate) text: String,
}

impl Replied {
    /// What it is, where it has no text.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        let kinds = [
            (&self.photo, "[photo]"),
            (&self.voice, "[voice message]"),
            (&self.audio, "[audio]"),
            (&self.video, "[video]"),
            (&self.video_note, "[video]"),
            (&self.animation, "[animation]"),
            (&self.document, "[file]"),
            (&self.sticker, "[sticker]"),
            (&self.contact, "[contact]"),
            (&self.poll, "[poll]"),
            (&self.location, "[location]"),
        ];
        let found = kinds.iter().find(|(field, _)| field.is_some());
        found.map(|(_, kind)| *kind)
    }
}
