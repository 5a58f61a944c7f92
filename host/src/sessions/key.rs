use std::fmt::{self, Write as _};

use miniclaw_plugin_api::ChatRef;
use sha2::{Digest, Sha256};

use super::SessionKey;

/// Bytes of a file's name before its extension; the longest of ours must leave room in the usual 255.
const LONGEST_NAME: usize = 120;
/// Hexadecimal digits that stand for what was cut off.
const DIGEST: usize = 64;

impl SessionKey {
    /// Different conversations have different keys: an underscore inside a part, which would look like the end of
    /// the part, is written `%5F`.
    pub(crate) fn new(channel: &str, chat: &ChatRef) -> Self {
        let mut key = String::with_capacity(channel.len() + chat.id.len() + 16);
        push_part(&mut key, channel);
        for part in std::iter::once(&chat.id).chain(&chat.thread) {
            key.push('_');
            push_part(&mut key, part);
        }
        Self(key.into())
    }

    /// The channel's name in the text of a key.
    pub(crate) fn channel_of(key: &str) -> String {
        let part = key.split_once('_').map_or(key, |(part, _)| part);
        part.replace("%5F", "_").replace("%25", "%")
    }

    /// The session of `miniclaw agent --session ID`. It belongs to no chat, so its id stays as it was typed.
    pub(crate) fn of_command_line(id: &str) -> Self {
        Self(format!("cli_{id}").into())
    }

    /// The name of the session's file without its extension: at most 120 bytes of `[A-Za-z0-9._%~-]`, no
    /// leading dot, different for different keys.
    pub(super) fn file_stem(&self) -> String {
        let mut name = String::with_capacity(self.0.len() + 8);
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                b'.' if at == 0 => name.push_str("%2E"),
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(byte)),
                _ => push_escaped(&mut name, byte),
            }
        }
        if name.len() > LONGEST_NAME || name.is_empty() {
            // The tilde is in no other name.
            name.truncate(LONGEST_NAME - DIGEST - 1);
            name.push('~');
            for byte in Sha256::digest(self.0.as_bytes()) {
                let _ = write!(name, "{byte:02x}");
            }
        }
        name
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push_part(key: &mut String, part: &str) {
    for letter in part.chars() {
        match letter {
            '_' => key.push_str("%5F"),
            '%' => key.push_str("%25"),
            _ => key.push(letter),
        }
    }
}

fn push_escaped(name: &mut String, byte: u8) {
    let _ = write!(name, "%{byte:02X}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(channel: &str, id: &str, thread: Option<&str>) -> SessionKey {
        let mut chat = ChatRef::new(id);
        chat.thread = thread.map(str::to_owned);
        SessionKey::new(channel, &chat)
    }

    #[test]
    fn usual_keys_read_as_channel_chat_and_thread() {
        assert_eq!(&*key("telegram", "-10042", None).0, "telegram_-10042");
        assert_eq!(&*key("telegram", "-10042", Some("7")).0, "telegram_-10042_7");
        assert_eq!(
            key("telegram", "-10042", Some("7")).file_stem(),
            "telegram_-10042_7"
        );
        assert_eq!(
            SessionKey::of_command_line("my_notes").file_stem(),
            "cli_my_notes"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_folder_or_hide() {
        assert_eq!(
            SessionKey("../../etc/passwd".into()).file_stem(),
            "%2E./..%2Fetc%2Fpasswd".replace('/', "%2F")
        );
        assert_eq!(SessionKey("a\0b\nc".into()).file_stem(), "a%00b%0Ac");
        assert!(SessionKey("".into()).file_stem().starts_with('~'));
    }

    proptest! {
        #[test]
        fn different_conversations_have_different_keys(
            left in ("[a_%5F]{0,4}", "[a_%5F]{0,4}", prop::option::of("[a_%5F]{0,4}")),
            right in ("[a_%5F]{0,4}", "[a_%5F]{0,4}", prop::option::of("[a_%5F]{0,4}")),
        ) {
            let of = |parts: &(String, String, Option<String>)| key(&parts.0, &parts.1, parts.2.as_deref());
            prop_assert_eq!(left == right, of(&left) == of(&right));
        }

        #[test]
        fn different_keys_have_different_safe_names(
            left in prop_oneof!["[a.%~_/]{0,6}", ".{0,200}", "a{110,130}"],
            right in prop_oneof!["[a.%~_/]{0,6}", ".{0,200}", "a{110,130}"],
        ) {
            let stems = [&left, &right].map(|key| SessionKey(key.as_str().into()).file_stem());
            prop_assert_eq!(left == right, stems[0] == stems[1]);
            for stem in stems {
                prop_assert!(stem.len() <= 120 && !stem.starts_with('.') && !stem.is_empty());
                let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-%~".contains(&byte);
                prop_assert!(stem.bytes().all(safe));
            }
        }
    }
}
