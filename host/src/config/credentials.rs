//! User and password inside an address, wherever in a text an address stands.

use std::ops::Range;

use super::tree::REDACTED;

/// The text with `[redacted]` in place of what opens its addresses; `None` where there is nothing of that kind.
pub(super) fn redacted(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut copied = 0;
    for place in places(text) {
        shown.push_str(&text[copied..place.start]);
        shown.push_str(REDACTED);
        copied = place.end;
    }
    shown.push_str(&text[copied..]);
    (copied > 0).then_some(shown)
}

/// What of a text's addresses must be in no log: each password, or the user where that is all, and both together as a
/// header has them; as they stand, and as they are sent.
pub(super) fn secrets(text: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    for place in places(text) {
        let both = &text[place];
        let (user, password) = both.split_once(':').unwrap_or((both, ""));
        let secret = if password.is_empty() { user } else { password };
        for text in [secret, both] {
            secrets.push(text.to_owned());
            secrets.push(decoded(text));
        }
    }
    secrets
}

/// Where users with their passwords stand: between `://` and the last `@` before the path.
fn places(text: &str) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    for (scheme, slashes) in text.match_indices("://") {
        let start = scheme + slashes.len();
        let rest = &text[start..];
        let rest = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
        let host = match authority.contains('@') || is_host(authority) {
            true => authority.rfind('@'),
            // A password with a slash in it is no address that works, and a secret all the same.
            false => rest.rfind('@'),
        };
        let fresh = places.last().is_none_or(|last| last.end <= start);
        if let Some(end) = host.filter(|end| *end > 0 && fresh) {
            places.push(start..start + end);
        }
    }
    places
}

/// Whether what stands before a path can be a host with its port.
fn is_host(authority: &str) -> bool {
    let port = match authority.rsplit_once(']') {
        Some((_, port)) => port.strip_prefix(':').unwrap_or_default(),
        None => authority.split_once(':').map_or("", |(_, port)| port),
    };
    port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without the escapes of an address.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        let digits = after.get(..2).filter(|digits| !digits.starts_with('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_what_opens_them_and_nothing_else() {
        for (text, shown) in [
            (
                "http://u:sekretpw@host:1/v1?a=b",
                "http://[redacted]@host:1/v1?a=b",
            ),
            ("socks5h://token@host", "socks5h://[redacted]@host"),
            ("http://u:a@b@host/x@y", "http://[redacted]@host/x@y"),
            ("http://u:pass/word@host/", "http://[redacted]@host/"),
            ("http://[::1]:80/a@b x", ""),
            ("http://host:80/a@b", ""),
            ("http://host/a@b", ""),
            ("http://@host", ""),
            ("mail me@host", ""),
            (
                "--to=http://u:p@a http://b c://d@e",
                "--to=http://[redacted]@a http://b c://[redacted]@e",
            ),
        ] {
            assert_eq!(redacted(text).unwrap_or_default(), shown, "{text}");
        }
    }

    #[test]
    fn a_password_is_a_secret_as_it_stands_and_as_it_is_sent() {
        let secrets = secrets("http://u:p%40ss@host http://key@host");
        for secret in ["p%40ss", "p@ss", "u:p%40ss", "u:p@ss", "key"] {
            assert!(secrets.iter().any(|found| found == secret), "{secret}");
        }
    }
}
