//! How many tokens a text has, by a rule that needs no model's vocabulary.
//!
//! Each letter counts by how many bytes it has, in thirds of a token: ASCII letters and spaces one (English takes about
//! four of them for a token), other ASCII and letters of two bytes two, letters of three bytes four, of four bytes nine. That
//! is more than the vocabularies in use need for prose and code; a text without words, such as base64, may need more.

use std::borrow::Cow;

/// What the frame of a message takes beside its text.
pub(crate) const MESSAGE: u64 = 4;

/// What a picture takes: servers count between 85 and 1,600, by its size, most of them less than this.
pub(crate) const PICTURE: u64 = 1_000;

/// Tokens of a text; never fewer for a longer one.
pub(crate) fn estimate(text: &str) -> u64 {
    thirds(text).div_ceil(3)
}

/// The text with at most `limit` tokens: its beginning and its end, where it has more.
pub(crate) fn clip_middle(text: &str, limit: u64) -> Cow<'_, str> {
    const GAP: &str = " [\u{2026}] ";
    if estimate(text) <= limit {
        return Cow::Borrowed(text);
    }
    let half = limit.saturating_sub(estimate(GAP)) / 2;
    if half == 0 {
        return Cow::Borrowed(clip(text, limit));
    }
    let mut end = text.len();
    let mut left = half * 3;
    for (at, letter) in text.char_indices().rev() {
        match left.checked_sub(thirds(&text[at..at + letter.len_utf8()])) {
            Some(rest) => (left, end) = (rest, at),
            None => break,
        }
    }
    Cow::Owned(format!("{}{GAP}{}", clip(text, half), &text[end..]))
}

/// The text's beginning that has at most `limit` tokens.
pub(crate) fn clip(text: &str, limit: u64) -> &str {
    let mut left = limit.saturating_mul(3);
    for (at, letter) in text.char_indices() {
        let mut bytes = [0; 4];
        match left.checked_sub(thirds(letter.encode_utf8(&mut bytes))) {
            Some(rest) => left = rest,
            None => return &text[..at],
        }
    }
    text
}

/// Every turn goes through all of its history twice: a table takes a fifth of the time that letters take.
fn thirds(text: &str) -> u64 {
    text.bytes()
        .map(|byte| u64::from(WEIGHTS[usize::from(byte)]))
        .sum()
}

/// By a letter's first byte; those that follow it have none.
const WEIGHTS: [u8; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < weights.len() {
        weights[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b' ' => 1,
            0x00..=0x7f | 0xc0..=0xdf => 2,
            0x80..=0xbf => 0,
            0xe0..=0xef => 4,
            0xf0..=0xff => 9,
        };
        byte += 1;
    }
    weights
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn estimates_are_above_what_the_usual_vocabularies_need() {
        // Counted with o200k and cl100k, the larger of the two.
        for (text, counted) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("fn main() { println!(\"{}\", 1 + 1); }", 14),
            ("Съешь же ещё этих мягких французских булок", 22),
            ("今日はいい天気ですね", 10),
            ("2026-11-24T23:05:20", 13),
        ] {
            assert!(estimate(text) >= counted, "{text}: {}", estimate(text));
        }
        assert_eq!(estimate(""), 0);
    }

    proptest! {
        #[test]
        fn more_text_never_has_fewer_tokens(one in "\\PC{0,40}", other in "\\PC{0,40}") {
            let both = estimate(&format!("{one}{other}"));
            prop_assert!(both >= estimate(&one).max(estimate(&other)));
            prop_assert!(both <= estimate(&one) + estimate(&other));
        }

        #[test]
        fn what_is_clipped_fits_and_one_letter_more_would_not(text in "\\PC{0,40}", limit in 0..30u64) {
            let clipped = clip(&text, limit);
            prop_assert!(text.starts_with(clipped) && estimate(clipped) <= limit);
            if let Some(next) = text[clipped.len()..].chars().next() {
                let longer = format!("{clipped}{next}");
                prop_assert!(estimate(&longer) > limit);
            }
        }

        #[test]
        fn what_lacks_its_middle_fits_and_begins_as_before(text in "\\PC{0,80}", limit in 0..30u64) {
            let clipped = clip_middle(&text, limit);
            prop_assert!(estimate(&clipped) <= limit);
            let (begin, end) = clipped.split_once(" […] ").unwrap_or((&clipped, ""));
            prop_assert!(text.starts_with(begin) && text.ends_with(end));
        }
    }
}
