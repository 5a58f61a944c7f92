//! The table of all keys: what each takes, its default, what it is for. Checking, the environment's names, defaults,
//! suggestions and the schema all come from here.

mod table;

use std::time::Duration;

use super::errors::Hint;
pub(super) use table::ROOT;

/// One key of an object.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    pub(super) doc: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any text, the empty one included.
    Text,
    /// Text that is not empty.
    Word,
    /// Text that is not empty, and a secret.
    Secret,
    Path,
    /// `true` or `false`.
    Flag,
    /// A stable id: a whole number or a text.
    Id,
    /// A filter as in `RUST_LOG`.
    Level,
    Count {
        min: u64,
        max: u64,
    },
    /// Bytes.
    Size {
        min: u64,
        max: u64,
    },
    Duration {
        min: Duration,
        max: Duration,
    },
    Choice(&'static [&'static str]),
    /// A numeric address with a port.
    Address,
    /// What a million tokens cost: a number that may have a fraction.
    Price,
    /// Entries by the name of a model, `*` for all others.
    Models(&'static Kind),
    List(&'static Kind),
    Section(&'static [Key]),
    /// Entries by name.
    Instances(&'static Kind),
    /// An object that belongs to a plugin.
    Settings,
    /// Digests by the name of a plugin.
    Digests,
    /// A SHA-256 in hexadecimal.
    Digest,
}

/// What stands where nothing is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    /// Absent, or made by the code that [`Key::doc`] describes.
    None,
    Text(&'static str),
    Number(u64),
    Flag(bool),
    EmptyList,
    EmptyObject,
}

/// The whole file.
pub(super) const FILE: &Kind = &Kind::Section(ROOT);

/// Finds what stands at a path; a path into a plugin's settings ends there.
///
/// # Errors
/// The part that is not known, and what would be.
pub(super) fn find(path: &[String]) -> Result<&'static Kind, Hint> {
    let mut kind = FILE;
    for name in path {
        kind = match kind {
            Kind::Section(keys) => match keys.iter().find(|key| key.name == name) {
                Some(key) => &key.kind,
                None => return Err(hint(name, keys)),
            },
            Kind::Instances(entry) | Kind::Models(entry) => entry,
            Kind::Settings => return Ok(kind),
            Kind::Digests => &Kind::Digest,
            _ => return Err(hint(name, &[])),
        };
    }
    Ok(kind)
}

/// What is allowed among `keys` instead of `name`.
pub(super) fn hint(name: &str, keys: &[Key]) -> Hint {
    Hint::new(name, keys.iter().map(|key| key.name))
}

/// Whether a key's name says that its value is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    [
        "token",
        "api_key",
        "apikey",
        "secret",
        "password",
        "authorization",
        // The address of a proxy may hold a password.
        "proxy",
    ]
    .contains(&name.as_str())
        || ["_token", "_key", "_secret", "_password"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Whether the host ignores this key in its own objects.
pub(super) fn is_ignored(name: &str) -> bool {
    name == "$schema" || name.starts_with("x-")
}
