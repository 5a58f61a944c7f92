//! The file `LIBRARY.minisig`, and what it is worth.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use minisign::SignatureBox;

use super::Trusted;
use super::keys::{KeyId, TrustedKey};
use crate::plugins::inspect::{self, Reason};
use crate::telemetry::printable;

/// Four lines, of which two are comments: the tool writes 300 bytes.
pub(crate) const MAX_BYTES: u64 = 8 * 1024;
/// A signature's number, key id and 64 bytes, in base64.
const SIGNATURE_LETTERS: usize = 100;
/// The 64 bytes of the signature of the trusted comment, in base64.
const COMMENT_SIGNATURE_LETTERS: usize = 88;

/// The signature beside a library.
pub(crate) struct SignatureFile {
    /// `None` where there is none; an error in words where it is of no use.
    pub(crate) text: Result<Option<String>, String>,
}

/// What a signature is worth before some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignatureState {
    Signed {
        key: KeyId,
        /// Printable.
        comment: String,
    },
    Unsigned,
    UnknownKey(KeyId),
    /// The key is known, and the bytes are not what it signed.
    Modified(KeyId),
    /// The file is no signature, or others could have written it.
    Useless(String),
}

impl SignatureFile {
    /// Reads the signature of a library. What is beside a link counts, not what is beside its target.
    pub(crate) fn beside(library: &Path) -> Self {
        let text = read(&Self::path_for(library));
        Self { text }
    }

    /// `libirc.so.minisig` for `libirc.so`.
    pub(crate) fn path_for(library: &Path) -> PathBuf {
        let mut path = library.as_os_str().to_owned();
        path.push(".minisig");
        path.into()
    }

    /// Holds the signature against the bytes of a file.
    pub(super) fn verify(&self, keys: &[TrustedKey], bytes: &Path) -> SignatureState {
        let text = match &self.text {
            Ok(Some(text)) => text,
            Ok(None) => return SignatureState::Unsigned,
            Err(reason) => return SignatureState::Useless(reason.clone()),
        };
        let signature = match parse(text) {
            Ok(signature) => signature,
            Err(reason) => return SignatureState::Useless(reason.to_owned()),
        };
        let key = KeyId::of(signature.keynum());
        // Two keys may have one id: it is eight bytes that whoever makes a key may choose.
        let mut candidates = keys.iter().filter(|trusted| trusted.id() == key).peekable();
        if candidates.peek().is_none() {
            return SignatureState::UnknownKey(key);
        }
        for trusted in candidates {
            match holds(&signature, trusted, bytes) {
                Ok(true) => {
                    let comment = signature.trusted_comment().unwrap_or_default();
                    return SignatureState::Signed {
                        key,
                        comment: printable(&comment.replace('\t', " "), 200),
                    };
                }
                Ok(false) => {}
                Err(reason) => return SignatureState::Useless(reason.to_string()),
            }
        }
        SignatureState::Modified(key)
    }
}

fn holds(signature: &SignatureBox, key: &TrustedKey, bytes: &Path) -> Result<bool, Reason> {
    let file = inspect::open(bytes)?;
    // Quiet, without a copy on stdout, and in the hashed form alone.
    Ok(minisign::verify(key.public(), signature, file, true, false, false).is_ok())
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it cannot be read: {error}")),
        Ok(_) => {}
    }
    let said = |reason: Reason| reason.to_string();
    inspect::check_file(path).map_err(said)?;
    let file = inspect::open(path).map_err(said)?;
    text_of(file).map(Some)
}

/// The text of a file that should be small.
fn text_of(file: File) -> Result<String, String> {
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if text.len() as u64 > MAX_BYTES {
        return Err("it has more than 8 KiB, a signature has fewer".into());
    }
    String::from_utf8(text).map_err(|_| "it is no text".into())
}

/// Reads the four lines. The lengths are checked here: a short second signature would make the library that
/// verifies it panic.
fn parse(text: &str) -> Result<SignatureBox, &'static str> {
    const NONE: &str = "it is no minisign signature";
    let lines: Vec<&str> = text.lines().collect();
    let length = |index: usize| lines.get(index).map_or(0, |line| line.trim().len());
    if length(1) != SIGNATURE_LETTERS || length(3) != COMMENT_SIGNATURE_LETTERS {
        return Err(NONE);
    }
    let signature = SignatureBox::from_string(text).map_err(|_| NONE)?;
    if !signature.is_prehashed() {
        return Err("it has the old form (`minisign -l`), which this host does not read");
    }
    Ok(signature)
}

impl SignatureState {
    /// Why it is not a good signature by a trusted key; `None` where it is one.
    pub(super) fn doubt(&self, library: &Path, trusted: &Trusted) -> Option<Reason> {
        let file = || printable(&SignatureFile::path_for(library).to_string_lossy(), 4096);
        let trusted = || trusted.to_string();
        Some(match self {
            Self::Signed { .. } => return None,
            Self::Unsigned => Reason::Unsigned {
                file: file(),
                trusted: trusted(),
            },
            Self::UnknownKey(key) => Reason::UnknownKey {
                key: key.to_string(),
                trusted: trusted(),
            },
            Self::Modified(key) => Reason::Modified { key: key.to_string() },
            Self::Useless(reason) => Reason::UselessSignature {
                file: file(),
                reason: reason.clone(),
                trusted: trusted(),
            },
        })
    }

    /// A few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Signed { key, .. } => format!("signed by {key}"),
            Self::Unsigned => "unsigned".into(),
            Self::UnknownKey(key) => format!("signed by an unknown key {key}"),
            Self::Modified(_) => "modified".into(),
            Self::Useless(_) => "useless signature".into(),
        }
    }

    pub(crate) fn as_json(&self) -> serde_json::Value {
        use serde_json::json;
        match self {
            Self::Signed { key, comment } => {
                json!({ "state": "signed", "key": key.to_string(), "comment": comment })
            }
            Self::Unsigned => json!({ "state": "unsigned" }),
            Self::UnknownKey(key) => json!({ "state": "unknown-key", "key": key.to_string() }),
            Self::Modified(key) => json!({ "state": "modified", "key": key.to_string() }),
            Self::Useless(reason) => json!({ "state": "useless", "error": reason }),
        }
    }
}
