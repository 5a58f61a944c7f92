//! The manifest with fields of its own, and whether this host can work with it.

use miniclaw_plugin_api::manifest::{
    API_VERSION, Capability, Kind, MAGIC, MANIFEST_FORMAT, Manifest, Permission, RawManifest, TextUnit,
};

use super::Reason;
use crate::telemetry::printable;

/// What a plugin says of itself. Every text is safe to print, except the schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManifestInfo {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) description: String,
    /// Major, minor, patch of the plugin API that it was built against.
    pub(crate) api: [u32; 3],
    pub(crate) target: String,
    pub(crate) rustc: String,
    pub(crate) panic_abort: bool,
    /// Bits of [`Capability`].
    pub(crate) capabilities: u64,
    /// Bits of [`Permission`].
    pub(crate) permissions: u64,
    /// Longest text of one message; 0 for no limit.
    pub(crate) text_limit: u32,
    pub(crate) text_unit: TextUnit,
    /// JSON Schema of the settings, as text.
    pub(crate) schema: String,
}

impl ManifestInfo {
    /// Reads a manifest as it stands in a file; any bytes will do.
    pub(crate) fn decode(raw: &RawManifest) -> Result<Self, Reason> {
        check_head(raw.magic, raw.format, raw.size)?;
        let name = text(&raw.name)?;
        let lawful = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(lawful) {
            return Err(Reason::Manifest(
                "its name has other characters than a-z, 0-9, - and _",
            ));
        }
        let kind = match raw.kind {
            1 => Kind::Channel,
            2 => Kind::Provider,
            _ => return Err(Reason::Manifest("it is neither channel nor provider")),
        };
        let schema = raw
            .schema
            .get(..raw.schema_len as usize)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or(Reason::Manifest("its schema is no text"))?;
        Ok(Self {
            name,
            version: text(&raw.version)?,
            kind,
            description: text(&raw.description)?,
            api: raw.api,
            target: text(&raw.target)?,
            rustc: text(&raw.rustc)?,
            panic_abort: raw.panic_abort != 0,
            capabilities: raw.capabilities,
            permissions: raw.permissions,
            text_limit: raw.text_limit,
            text_unit: match raw.text_unit {
                0 => TextUnit::Bytes,
                1 => TextUnit::Utf16,
                _ => TextUnit::Chars,
            },
            schema: schema.to_owned(),
        })
    }

    /// Whether a library with this manifest may run in this process.
    pub(super) fn check_against_host(&self) -> Result<(), Reason> {
        if !same_breaking_version(self.api, API_VERSION) {
            return Err(Reason::Api {
                found: api_text(self.api),
                host: api_text(API_VERSION),
            });
        }
        if self.target != host_target() {
            return Err(Reason::Target {
                found: self.target.clone(),
                host: host_target(),
            });
        }
        if self.panic_abort {
            return Err(Reason::PanicAbort);
        }
        Ok(())
    }

    pub(crate) fn can(&self, capability: Capability) -> bool {
        self.capabilities & capability as u64 != 0
    }

    pub(crate) fn capability_names(&self) -> Vec<&'static str> {
        let all = Capability::ALL.iter();
        all.filter(|(capability, _)| self.can(*capability))
            .map(|(_, name)| *name)
            .collect()
    }

    pub(crate) fn permission_names(&self) -> Vec<&'static str> {
        let all = Permission::ALL.iter();
        all.filter(|(permission, _)| self.permissions & *permission as u64 != 0)
            .map(|(_, name)| *name)
            .collect()
    }

    /// How [`Self::text_limit`] counts, in words.
    pub(crate) fn unit_name(&self) -> &'static str {
        match self.text_unit {
            TextUnit::Bytes => "bytes",
            TextUnit::Utf16 => "UTF-16 units",
            _ => "characters",
        }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Provider => "provider",
            _ => "channel",
        }
    }
}

/// Checks the part of a manifest that all its formats share.
pub(super) fn check_head(magic: [u8; 16], format: u32, size: u32) -> Result<(), Reason> {
    if magic != MAGIC {
        return Err(Reason::Manifest("it does not begin as a manifest does"));
    }
    if format != MANIFEST_FORMAT {
        return Err(Reason::ManifestFormat {
            found: format,
            host: MANIFEST_FORMAT,
            api: api_text(API_VERSION),
        });
    }
    if size as usize != size_of::<RawManifest>() {
        return Err(Reason::Manifest("it has another size than its format"));
    }
    Ok(())
}

/// The part of an API version within which all are compatible: `0.1`, or `1`.
pub(crate) fn api_text(api: [u32; 3]) -> String {
    match api {
        [0, minor, _] => format!("0.{minor}"),
        [major, ..] => major.to_string(),
    }
}

/// Additions raise the patch (0.x) or the minor version and work both ways.
fn same_breaking_version(plugin: [u32; 3], host: [u32; 3]) -> bool {
    plugin[0] == host[0] && (plugin[0] != 0 || plugin[1] == host[1])
}

/// The target that this host was built for, from the place where plugins have theirs from.
fn host_target() -> &'static str {
    const OWN: RawManifest = RawManifest::encode(&Manifest::new("host", "0"), Kind::Channel, false);
    static TARGET: [u8; 64] = OWN.target;
    let end = TARGET.iter().position(|byte| *byte == 0).unwrap_or(TARGET.len());
    std::str::from_utf8(&TARGET[..end]).unwrap_or_default()
}

fn text(bytes: &[u8]) -> Result<String, Reason> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(Reason::Manifest("a text in it has no end"))?;
    let text =
        std::str::from_utf8(&bytes[..end]).map_err(|_| Reason::Manifest("a text in it is not UTF-8"))?;
    Ok(printable(text, bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_mix_and_breaking_versions_do_not() {
        assert!(same_breaking_version([0, 1, 0], [0, 1, 9]));
        assert!(same_breaking_version([0, 1, 9], [0, 1, 0]));
        assert!(!same_breaking_version([0, 2, 0], [0, 1, 0]));
        assert!(!same_breaking_version([0, 1, 0], [0, 2, 0]));
        assert!(same_breaking_version([1, 4, 0], [1, 2, 0]));
        assert!(!same_breaking_version([1, 0, 0], [2, 0, 0]));
        assert!(!same_breaking_version([1, 1, 0], [0, 1, 0]));
    }
}
