//! Reading what should not be there.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a field, or takes its default where the value is of another type.
pub(crate) fn lenient<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let raw = <&'de RawValue>::deserialize(input)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// JSON text with U+FFFD in the place of every `\uXXXX` that is half of a surrogate pair: JSON's grammar has
/// them, serde_json refuses them.
pub(crate) fn repaired(json: &str) -> Cow<'_, str> {
    let lone = lone_surrogates(json.as_bytes());
    if lone.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut bytes = json.as_bytes().to_vec();
    for start in lone {
        bytes[start + 2..start + 6].copy_from_slice(b"fffd");
    }
    // Hexadecimal digits were exchanged for others, so that the text is UTF-8 as before.
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where escapes of lone surrogates start.
fn lone_surrogates(json: &[u8]) -> Vec<usize> {
    let mut lone = Vec::new();
    let mut index = 0;
    while index < json.len() {
        if json[index] != b'\\' {
            index += 1;
            continue;
        }
        match escape(json, index) {
            Some(0xD800..=0xDBFF) => {
                if matches!(escape(json, index + 6), Some(0xDC00..=0xDFFF)) {
                    index += 12;
                } else {
                    lone.push(index);
                    index += 6;
                }
            }
            Some(0xDC00..=0xDFFF) => {
                lone.push(index);
                index += 6;
            }
            Some(_) => index += 6,
            None => index += 2,
        }
    }
    lone
}

/// The number of the `\uXXXX` that starts at `index`.
fn escape(json: &[u8], index: usize) -> Option<u32> {
    let digits = json.get(index..index + 6)?.strip_prefix(br"\u")?;
    digits.iter().try_fold(0, |number, digit| {
        Some(number * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_and_escaped_backslashes_are_left_alone() {
        for text in [
            r#""\ud83d\ude00""#,
            r#""\\ud800""#,
            r#""plain ä""#,
            r#""\u00e4\n""#,
            r#""\u12"#,
        ] {
            assert!(
                matches!(repaired(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_escape_sequence_can_be_read_afterwards(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let json: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let read: String = serde_json::from_str(&repaired(&format!("\"{json}\""))).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_text_survives(text in ".*") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(repaired(&json), json.as_str());
        }
    }
}
