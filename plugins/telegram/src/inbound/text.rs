//! Places and commands in a text.

use miniclaw_plugin_api::Command;

/// The part of `text` that starts after `offset` UTF-16 units and has `length` of them; `None` where that is
/// not inside the text or cuts a character.
pub(super) fn utf16_slice(text: &str, offset: usize, length: usize) -> Option<&str> {
    let start = byte_index(text, offset)?;
    let rest = &text[start..];
    Some(&rest[..byte_index(rest, length)?])
}

fn byte_index(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

/// The command that `text` starts with: a slash and up to 64 letters, digits or `_`, then perhaps `@` and the
/// bot's name. One for another bot is none for us, and `/usr/bin` is none at all.
pub(super) fn command(text: &str, username: Option<&str>) -> Option<Command> {
    let (name, bot, args) = split(text)?;
    let mine = bot.is_none_or(|bot| username.is_some_and(|mine| mine.eq_ignore_ascii_case(bot)));
    mine.then(|| Command {
        name: name.to_owned(),
        args: args.trim().to_owned(),
    })
}

/// Whether `text` starts with a command that names a bot other than the one of this name.
pub(super) fn is_for_another_bot(text: &str, username: Option<&str>) -> bool {
    let Some((_, Some(bot), _)) = split(text) else {
        return false;
    };
    username.is_some_and(|mine| is_word(bot) && !mine.eq_ignore_ascii_case(bot))
}

/// The command that `text` starts with: its name, the bot that it names, and what follows.
fn split(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let rest = text.strip_prefix('/')?;
    let (word, args) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (name, bot) = match word.split_once('@') {
        Some((name, bot)) => (name, Some(bot)),
        None => (word, None),
    };
    is_word(name).then_some((name, bot, args))
}

fn is_word(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(valid)
}

/// Whether the first word of `text` names a bot.
pub(super) fn names_a_bot(text: &str) -> bool {
    text.split_whitespace()
        .next()
        .is_some_and(|word| word.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_utf16_units() {
        let text = "a😀@bot ä";
        assert_eq!(utf16_slice(text, 3, 4), Some("@bot"));
        assert_eq!(utf16_slice(text, 8, 1), Some("ä"));
        assert_eq!(utf16_slice(text, 9, 0), Some(""));
        for (offset, length) in [(2, 1), (1, 1), (8, 2), (10, 0), (usize::MAX, 1), (0, usize::MAX)] {
            assert_eq!(utf16_slice(text, offset, length), None, "{offset} {length}");
        }
    }

    #[test]
    fn commands_are_told_from_text() {
        for (text, expected) in [
            ("/new", Some(("new", ""))),
            ("/new  a b ", Some(("new", "a b"))),
            ("/new@My_Bot\nline", Some(("new", "line"))),
            ("/new@other_bot", None),
            ("/new@", None),
            ("/", None),
            ("/ new", None),
            ("/usr/bin", None),
            ("/näh", None),
            (" /new", None),
            ("new", None),
        ] {
            let found = command(text, Some("my_bot"));
            let found = found
                .as_ref()
                .map(|command| (command.name.as_str(), command.args.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
