//! Keeps secrets out of log lines, and what could forge or hide one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// Shorter texts are no secrets worth the name, and would blot out half the log.
const MIN_SECRET_BYTES: usize = 6;
const REDACTED: &str = "[redacted]";

/// Replaces registered secrets, and whatever looks like a bot token, in lines.
#[derive(Default)]
pub(crate) struct Scrubber {
    /// Longest first, so that a secret that contains another one goes as a whole.
    secrets: RwLock<Vec<String>>,
}

impl Scrubber {
    /// Adds secrets to replace from here on.
    pub(crate) fn register(&self, secrets: impl IntoIterator<Item = String>) {
        let mut list = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            // A line may hold the secret as part of a JSON text or of a `Debug` output.
            let quoted = serde_json::to_string(&secret).unwrap_or_default();
            let quoted = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            let escaped = percent_encoded(secret.as_bytes());
            let forms = [
                printable(&secret, usize::MAX),
                quoted.to_owned(),
                // What a server or a library says of an address or of a header.
                escaped.replace("%20", "+"),
                escaped,
                BASE64_STANDARD_NO_PAD.encode(&secret),
                secret,
            ];
            for form in forms {
                if form.len() >= MIN_SECRET_BYTES && !list.contains(&form) {
                    list.push(form);
                }
            }
        }
        list.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    pub(crate) fn scrub<'a>(&self, line: &'a str) -> Cow<'a, str> {
        let mut line = scrub_tokens(line);
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.iter() {
            if line.contains(secret.as_str()) {
                line = Cow::Owned(line.replace(secret.as_str(), REDACTED));
            }
        }
        line
    }
}

/// As in the query of an address.
pub(crate) fn percent_encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Replaces `<digits>:<token>`, as in `bot123456:AA…`: the shape of a Telegram bot's token.
fn scrub_tokens(line: &str) -> Cow<'_, str> {
    let bytes = line.as_bytes();
    let mut out = String::new();
    let mut copied = 0;
    for (colon, _) in line.match_indices(':') {
        let digits = bytes[..colon]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let token = bytes[colon + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count();
        let start = colon - digits;
        let after_bot = line[..start].ends_with("bot");
        let looks_like_one = (after_bot && digits > 0 && token >= 16) || (digits >= 6 && token >= 30);
        if looks_like_one && start >= copied {
            out.push_str(&line[copied..start]);
            out.push_str(REDACTED);
            copied = colon + 1 + token;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(line);
    }
    out.push_str(&line[copied..]);
    Cow::Owned(out)
}

/// A text in which nothing can break, forge or reorder a line: control and bidirectional formatting characters
/// escaped, at most `max_chars` characters of it.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    for (count, character) in text.chars().enumerate() {
        if count == max_chars {
            out.push('…');
            break;
        }
        push_printable(&mut out, character);
    }
    out
}

/// Appends a character, escaped where it must be.
pub(super) fn push_printable(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if character.is_control() || is_formatting(character) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        }
        _ => out.push(character),
    }
}

/// Characters that are not seen but change how a line is read.
pub(super) fn is_formatting(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_secrets_and_bot_tokens_are_replaced() {
        let scrubber = Scrubber::default();
        scrubber.register([
            "hunter2!".to_owned(),
            "a\"quoted\"secret".to_owned(),
            "abc".to_owned(),
        ]);
        assert_eq!(scrubber.scrub("key hunter2! abc"), "key [redacted] abc");
        assert_eq!(
            scrubber.scrub(r#"{"k":"a\"quoted\"secret"}"#),
            r#"{"k":"[redacted]"}"#
        );
        let token = format!("123456789:{}", "Aa_-5".repeat(7));
        assert_eq!(
            scrubber.scrub(&format!("GET https://api/bot{token}/getMe, {token}.")),
            "GET https://api/bot[redacted]/getMe, [redacted]."
        );
        assert_eq!(scrubber.scrub("bot7:abcdefghijklmnop x"), "bot[redacted] x");
        let innocent = "2026-11-22T10:11:12.123456Z host/src/a.rs:120: [::1]:8080 ü:ü";
        assert!(matches!(scrubber.scrub(innocent), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_goes_in_the_forms_that_addresses_and_headers_give_it() {
        let scrubber = Scrubber::default();
        scrubber.register(["a+b/c =d".to_owned()]);
        let line = "?k=a%2Bb%2Fc%20%3Dd&k=a%2Bb%2Fc+%3Dd Basic YStiL2MgPWQ=";
        assert_eq!(
            scrubber.scrub(line),
            "?k=[redacted]&k=[redacted] Basic [redacted]="
        );
    }

    #[test]
    fn the_longer_of_two_secrets_goes_as_a_whole() {
        let scrubber = Scrubber::default();
        scrubber.register(["secret".to_owned(), "secret-and-more".to_owned()]);
        assert_eq!(scrubber.scrub("secret-and-more"), "[redacted]");
    }

    #[test]
    fn control_and_bidi_characters_are_escaped_and_length_is_capped() {
        assert_eq!(
            printable("a\nb\u{1b}[31m\u{202e}c\0", 99),
            "a\\nb\\u{1b}[31m\\u{202e}c\\u{0}"
        );
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("äöü", 3), "äöü");
    }
}
