//! What a message can hold beside its text.

use serde::Deserialize;

use super::lenient::lenient;
use super::{Chat, User};

/// Files of a message; at most one of the fields is set, but for an animation, which comes as a document too.
#[derive(Default, Deserialize)]
pub(crate) struct Media {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) photo: Vec<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) voice: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) audio: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) video: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) video_note: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) animation: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) document: Option<File>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sticker: Option<Sticker>,
}

/// A picture out of a set, which stands for an emoji.
#[derive(Default, Deserialize)]
pub(crate) struct Sticker {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) emoji: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) is_animated: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) is_video: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_size: Option<u64>,
}

/// A place on earth, in degrees.
#[derive(Default, Deserialize)]
pub(crate) struct Location {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// A file of any kind.
#[derive(Default, Deserialize)]
pub(crate) struct File {
    pub(crate) file_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) mime_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) file_size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) duration: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) width: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) height: u64,
}

/// What people send that is neither text nor file, and can be said in a line.
#[derive(Default, Deserialize)]
pub(crate) struct Extras {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) contact: Option<Contact>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) venue: Option<Venue>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) poll: Option<Poll>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) dice: Option<Dice>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) game: Option<Titled>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) checklist: Option<Checklist>,
}

/// A person out of somebody's address book.
#[derive(Default, Deserialize)]
pub(crate) struct Contact {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) first_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) last_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) phone_number: String,
}

/// A place with a name; where it is comes as the message's location too.
#[derive(Default, Deserialize)]
pub(crate) struct Venue {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) address: String,
}

/// A question with answers to choose from.
#[derive(Default, Deserialize)]
pub(crate) struct Poll {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) question: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) options: Vec<Line>,
}

/// A throw of a dice, or of what plays one.
#[derive(Default, Deserialize)]
pub(crate) struct Dice {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) emoji: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) value: i64,
}

/// Tasks to tick off.
#[derive(Default, Deserialize)]
pub(crate) struct Checklist {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) tasks: Vec<Line>,
}

/// One of several.
#[derive(Default, Deserialize)]
pub(crate) struct Line {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) text: String,
}

/// What only has a title.
#[derive(Default, Deserialize)]
pub(crate) struct Titled {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: String,
}

/// Whom a forwarded message is from; which of the fields is there depends on what they show of themselves.
#[derive(Default, Deserialize)]
pub(crate) struct Origin {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sender_user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sender_user_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sender_chat: Option<Chat>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) chat: Option<Chat>,
}
