//! Keys of minisign: public ones that a host trusts, and secret ones that sign.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};

use crate::config::KeySource;
use crate::plugins::inspect::{self, Reason};
use crate::telemetry::printable;

/// Two lines, of which one is a comment.
const MAX_BYTES: u64 = 4096;
/// `Ed`, for Ed25519: the one algorithm of minisign.
const ALGORITHM: [u8; 2] = *b"Ed";
/// How secret keys begin in base64: Ed25519, no encryption or scrypt, a checksum by BLAKE2b.
const PLAIN_KEY: &str = "RWQAAEIy";
const ENCRYPTED_KEY: &str = "RWRTY0Iy";

/// The number by which people know a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(u64);

/// A key whose signatures count.
#[derive(Debug, Clone)]
pub(crate) struct TrustedKey(PublicKey);

/// A secret key as it stands in its file.
pub(crate) struct SecretKeyFile {
    text: SecretKeyBox,
    pub(crate) is_encrypted: bool,
    /// Whether others than the owner can read the file.
    pub(crate) is_open: bool,
}

/// A new pair of keys, as text for files.
pub(crate) struct NewKeys {
    pub(crate) id: KeyId,
    /// In base64.
    pub(crate) line: String,
    pub(crate) public: String,
    pub(crate) secret: String,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "`{0}` is no public key of minisign; it is the second line of a `.pub` file, or that file's path"
    )]
    NoPublicKey(String),
    #[error("cannot read the key {}: {source}; give the base64 line or the path of a `.pub` file", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the key {} is not safe: {reason}", path.display())]
    Unsafe { path: PathBuf, reason: Reason },
    #[error("{} is no {what} key of minisign", path.display())]
    NoKey { path: PathBuf, what: &'static str },
    #[error("the secret key {} does not open: wrong password, or the file is damaged", .0.display())]
    Locked(PathBuf),
    #[error("no key can be made: {0}")]
    NotMade(String),
}

impl KeyId {
    /// The eight bytes as they stand in keys and signatures; fewer count as none.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.try_into().map_or(0, u64::from_le_bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl TrustedKey {
    /// Reads a public key. One that others could have written is refused: who writes it decides what is loaded.
    ///
    /// # Errors
    /// Where it is none, or not safe.
    pub(crate) fn read(source: &KeySource) -> Result<Self, KeyError> {
        match source {
            KeySource::Line(line) => {
                Self::parse(line).ok_or_else(|| KeyError::NoPublicKey(printable(line, 100)))
            }
            KeySource::File(path) => Self::from_file(path),
        }
    }

    fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = text_of(path)?;
        let unsafe_file = |reason| KeyError::Unsafe {
            path: path.to_owned(),
            reason,
        };
        inspect::check_file(path).map_err(unsafe_file)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        inspect::check_folder(folder.unwrap_or(Path::new("."))).map_err(unsafe_file)?;
        // With its comment before it, or the line alone.
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.rfind(|line| !line.starts_with("untrusted comment:"));
        line.and_then(Self::parse).ok_or_else(|| KeyError::NoKey {
            path: path.to_owned(),
            what: "public",
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let key = PublicKey::from_base64(line).ok()?;
        (key.to_bytes().get(..2) == Some(ALGORITHM.as_slice())).then_some(Self(key))
    }

    pub(crate) fn id(&self) -> KeyId {
        KeyId::of(self.0.keynum())
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.0
    }
}

impl SecretKeyFile {
    /// Reads a secret key without opening it.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let text = text_of(path)?;
        let line = text.lines().nth(1).unwrap_or_default();
        let is_encrypted = line.starts_with(ENCRYPTED_KEY);
        if !is_encrypted && !line.starts_with(PLAIN_KEY) {
            return Err(KeyError::NoKey {
                path: path.to_owned(),
                what: "secret",
            });
        }
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.mode());
        Ok(Self {
            is_encrypted,
            is_open: mode & 0o077 != 0,
            text: SecretKeyBox::from(text),
        })
    }

    /// Opens the key; the password of one that is not encrypted is not looked at.
    ///
    /// # Errors
    /// A wrong password, or a damaged key.
    pub(crate) fn open(self, path: &Path, password: String) -> Result<SecretKey, KeyError> {
        let opened = match self.is_encrypted {
            true => self.text.into_secret_key(Some(password)),
            false => {
                let unchecked = without_checksum(&self.text.to_string());
                unchecked.map_or_else(|| self.text.into_unencrypted_secret_key(), Ok)
            }
        };
        opened.map_err(|_| KeyError::Locked(path.to_owned()))
    }
}

impl NewKeys {
    /// Makes a pair of keys; without a password the secret one is not encrypted.
    ///
    /// # Errors
    /// Where the system gives no random numbers, or too little memory to derive a key from the password.
    pub(crate) fn generate(password: Option<String>) -> Result<Self, KeyError> {
        let failed = |error: minisign::PError| KeyError::NotMade(error.to_string());
        let KeyPair { pk, sk } = match password {
            None => KeyPair::generate_unencrypted_keypair(),
            Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        }
        .map_err(failed)?;
        let secret = sk.to_box(Some("minisign secret key")).map_err(failed)?;
        Ok(Self {
            id: KeyId::of(pk.keynum()),
            line: pk.to_base64(),
            public: pk.to_box().map_err(failed)?.into_string(),
            secret: secret.into_string(),
        })
    }
}

/// A key that `minisign -G -W` made: it leaves the checksum out. A damaged one is found when it signs.
fn without_checksum(text: &str) -> Option<SecretKey> {
    const CHECKSUM: usize = 32;
    let line = text.lines().nth(1)?.trim();
    let bytes = base64::engine::general_purpose::STANDARD.decode(line).ok()?;
    let checksum = bytes.last_chunk::<CHECKSUM>()?;
    (*checksum == [0; CHECKSUM]).then(|| SecretKey::from_bytes(&bytes).ok())?
}

/// The signature of a file's bytes, as text for its `.minisig`.
///
/// # Errors
/// In words.
pub(crate) fn sign(key: &SecretKey, file: File, comment: &str) -> Result<(KeyId, String), String> {
    let untrusted = format!("signature by the minisign key {}", KeyId::of(key.keynum()));
    let own = PublicKey::from_secret_key(key).map_err(|error| error.to_string())?;
    let signature = minisign::sign(Some(&own), key, file, Some(comment), Some(&untrusted));
    let signature = signature.map_err(|error| error.to_string())?;
    Ok((KeyId::of(key.keynum()), signature.into_string()))
}

fn text_of(path: &Path) -> Result<String, KeyError> {
    let unreadable = |source| KeyError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = inspect::open(path).map_err(|reason| match reason {
        Reason::Unreadable(error) => unreadable(error),
        reason => unreadable(io::Error::other(reason.to_string())),
    })?;
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}
