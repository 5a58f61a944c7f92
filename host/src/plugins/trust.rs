//! Whom the operator trusts: pinned digests, and signatures by known keys over the bytes that are loaded.

pub(crate) mod keys;
mod signature;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use self::keys::{KeyError, KeyId, TrustedKey};
pub(crate) use self::signature::{SignatureFile, SignatureState};
use super::inspect::Reason;
use crate::config::{Signatures, TrustConfig};

/// Which libraries may be loaded. What is part of the binary is not asked for.
#[derive(Debug, Default)]
pub(crate) struct TrustPolicy {
    mode: Signatures,
    keys: Vec<TrustedKey>,
    /// Lowercase SHA-256 by name of the plugin.
    pins: BTreeMap<String, String>,
}

/// How a library stands before a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) signature: SignatureState,
    pub(crate) pin: Pin,
}

/// Whether a plugin is pinned to one library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pin {
    None,
    Matches,
    Differs { pinned: String, found: String },
}

/// The keys that a host trusts, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trusted(Vec<KeyId>);

impl TrustPolicy {
    /// Reads the keys of a configuration.
    ///
    /// # Errors
    /// The first key that is none.
    pub(crate) fn of(config: &TrustConfig) -> Result<Self, KeyError> {
        let keys = config.trusted_keys.iter().map(TrustedKey::read);
        Ok(Self {
            mode: config.signatures,
            keys: keys.collect::<Result<_, _>>()?,
            pins: config.pins.clone(),
        })
    }

    /// The pins of a configuration, without its keys.
    pub(crate) fn pins_of(config: &TrustConfig) -> Self {
        Self {
            mode: config.signatures,
            keys: Vec::new(),
            pins: config.pins.clone(),
        }
    }

    /// The same with other keys.
    pub(crate) fn with_keys(self, keys: Vec<TrustedKey>) -> Self {
        Self { keys, ..self }
    }

    /// The check before a library is mapped: `copy` holds the bytes that are loaded, `library` is where it was
    /// found and where its signature lies. What would be a refusal with `require` comes back as a warning with
    /// `warn`.
    ///
    /// # Errors
    /// Another digest than the pinned one; with `require` everything but a good signature by a trusted key.
    pub(crate) fn check(
        &self,
        name: &str,
        library: &Path,
        copy: &Path,
        sha256: &str,
    ) -> Result<Option<Reason>, Reason> {
        let signature = match self.mode {
            Signatures::Off => SignatureState::Unsigned,
            _ => self.signature(&SignatureFile::beside(library), copy),
        };
        let pin = self.pin(name, sha256);
        self.judge(library, &Standing { signature, pin })
    }

    /// What [`Self::check`] says of a library of this standing.
    pub(crate) fn judge(&self, library: &Path, standing: &Standing) -> Result<Option<Reason>, Reason> {
        if let Pin::Differs { pinned, found } = &standing.pin {
            return Err(Reason::Pin {
                found: found.clone(),
                pinned: pinned.clone(),
            });
        }
        let doubt = standing.signature.doubt(library, &self.trusted());
        match (self.mode, doubt) {
            (Signatures::Require, Some(doubt)) => Err(doubt),
            (Signatures::Warn, doubt) => Ok(doubt),
            _ => Ok(None),
        }
    }

    /// Whether a library passes where a good signature is asked for.
    ///
    /// # Errors
    /// What `require` would refuse it for.
    pub(crate) fn require(&self, library: &Path, standing: &Standing) -> Result<(), Reason> {
        self.judge(library, standing)?;
        match standing.signature.doubt(library, &self.trusted()) {
            Some(doubt) => Err(doubt),
            None => Ok(()),
        }
    }

    /// How a library stands, whether or not the policy asks; `bytes` is the file whose bytes count.
    pub(crate) fn standing(&self, name: &str, library: &Path, bytes: &Path, sha256: &str) -> Standing {
        Standing {
            signature: self.signature(&SignatureFile::beside(library), bytes),
            pin: self.pin(name, sha256),
        }
    }

    /// Holds a signature against the bytes of a file.
    pub(crate) fn signature(&self, file: &SignatureFile, bytes: &Path) -> SignatureState {
        file.verify(&self.keys, bytes)
    }

    pub(crate) fn pin(&self, name: &str, sha256: &str) -> Pin {
        match self.pins.get(name) {
            None => Pin::None,
            Some(pinned) if pinned == sha256 => Pin::Matches,
            Some(pinned) => Pin::Differs {
                pinned: pinned.clone(),
                found: sha256.to_owned(),
            },
        }
    }

    pub(crate) fn is_pinned(&self, name: &str) -> bool {
        self.pins.contains_key(name)
    }

    pub(crate) fn trusted(&self) -> Trusted {
        Trusted(self.keys.iter().map(TrustedKey::id).collect())
    }
}

impl Trusted {
    pub(crate) fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        if self.0.is_empty() {
            return f.write_str("no key");
        }
        for (index, key) in self.0.iter().take(SHOWN).enumerate() {
            let or = if index > 0 { " or " } else { "" };
            write!(f, "{or}{key}")?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more) if more > 0 => write!(f, " or {more} more"),
            _ => Ok(()),
        }
    }
}

impl Pin {
    /// One word; `None` where nothing is pinned.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Matches => Some("matches"),
            Self::Differs { .. } => Some("differs"),
        }
    }
}

#[cfg(test)]
mod tests;
