//! Secrets, and what is kept of them.

use std::fmt::Write as _;

use miniclaw_plugin_api::{Cause, Error, Result};
use sha2::{Digest as _, Sha256};

/// What is kept of a secret: its SHA-256, by which it is found and never told.
pub(crate) type Digest = [u8; 32];

/// 256 bits that nobody can guess, in hexadecimal digits.
///
/// # Errors
/// The machine has none.
pub(crate) fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        Error::transient(format!("the machine gives no random numbers: {error}")).because(Cause::Unavailable)
    })?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// `None` for what cannot be a secret of ours.
pub(crate) fn digest(secret: &str) -> Option<Digest> {
    let digits = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (secret.len() == 64 && digits(secret)).then(|| Sha256::digest(secret).into())
}

/// Compares in a time that tells nothing of where they differ.
pub(crate) fn same(one: &Digest, other: &Digest) -> bool {
    let differ = one
        .iter()
        .zip(other)
        .fold(0, |differ, (one, other)| differ | (one ^ other));
    std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_nothing_else_has_a_digest() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_ne!(one, other);
        assert!(same(&digest(&one).unwrap(), &digest(&one).unwrap()));
        assert!(!same(&digest(&one).unwrap(), &digest(&other).unwrap()));
        for odd in [
            "",
            &one[1..],
            &one.to_uppercase(),
            &format!("{one}0"),
            &"é".repeat(32),
        ] {
            assert_eq!(digest(odd), None, "{odd}");
        }
    }
}
