//! What a plugin says of itself, readable from its file without running it.

/// What a plugin can do beyond the mandatory; the host never calls what is not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Capability {
    /// Channel: `update` can edit.
    Edit = 1,
    /// Channel: `update` can delete.
    Delete = 1 << 1,
    /// Channel: `update` can react.
    React = 1 << 2,
    /// Channel: `signal` shows that the agent is writing.
    Typing = 1 << 3,
    /// Channel: `fetch` brings the bytes of attachments.
    Fetch = 1 << 4,
    /// Channel: `send` takes attachments.
    SendAttachments = 1 << 5,
    /// Channel: it establishes by itself who speaks, so that no allow list is needed (a console, a web chat
    /// with a login).
    Authenticates = 1 << 6,
    /// Channel: edits cost it nothing, so that answers are shown while they are written unless the configuration
    /// says otherwise. Declare `Edit` with it.
    Live = 1 << 7,
    /// Provider: text arrives while the model writes it.
    Streaming = 1 << 16,
    /// Provider: tools.
    Tools = 1 << 17,
    /// Provider: pictures.
    Vision = 1 << 18,
    /// Provider: `models` lists what there is.
    Models = 1 << 19,
}

impl Capability {
    /// All capabilities with the names that `miniclaw plugin info` prints.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Edit, "edit"),
        (Self::Delete, "delete"),
        (Self::React, "react"),
        (Self::Typing, "typing"),
        (Self::Fetch, "fetch"),
        (Self::SendAttachments, "send-attachments"),
        (Self::Authenticates, "authenticates"),
        (Self::Live, "live"),
        (Self::Streaming, "streaming"),
        (Self::Tools, "tools"),
        (Self::Vision, "vision"),
        (Self::Models, "models"),
    ];
}

/// What a plugin needs from the machine. Enforced where it runs in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Permission {
    /// Outgoing connections.
    Network = 1,
    /// Listening sockets.
    Listen = 1 << 1,
    /// Files beyond its own library and the system's certificates and resolver configuration.
    Files = 1 << 2,
    /// Starting programs.
    Exec = 1 << 3,
    /// Connections to other programs of the same machine through Unix sockets.
    UnixSockets = 1 << 4,
    /// Reading the gateway's state, conversations and log through [`Context::ask`](crate::Context::ask).
    Observe = 1 << 5,
}

impl Permission {
    /// All permissions with the names that `miniclaw plugin info` prints.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Network, "network"),
        (Self::Listen, "listen"),
        (Self::Files, "files"),
        (Self::Exec, "exec"),
        (Self::UnixSockets, "unix-sockets"),
        (Self::Observe, "observe"),
    ];
}

/// How a platform counts the length of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum TextUnit {
    /// UTF-8 bytes.
    Bytes = 0,
    /// UTF-16 code units.
    Utf16 = 1,
    /// Unicode scalar values.
    Chars = 2,
}

/// Whether a plugin is a channel or a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Kind {
    /// Brings messages in and carries replies out.
    Channel = 1,
    /// Talks to models.
    Provider = 2,
}

/// What a plugin says of itself. Built in a constant, see [`Channel::MANIFEST`](crate::Channel::MANIFEST).
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: &'static str,
    pub(crate) capabilities: u64,
    pub(crate) permissions: u64,
    pub(crate) text_limit: u32,
    pub(crate) text_unit: TextUnit,
}

impl Manifest {
    /// A plugin called `name` (lowercase letters, digits, `-` and `_`, at most 63 bytes) in `version` (give
    /// `env!("CARGO_PKG_VERSION")`).
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            description: "",
            schema: "{}",
            capabilities: 0,
            permissions: 0,
            text_limit: 0,
            text_unit: TextUnit::Chars,
        }
    }

    /// One sentence for `miniclaw plugin list`, at most 255 bytes.
    #[must_use]
    pub const fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    /// JSON Schema of the settings, at most 16 KiB: `include_str!` of a file in the plugin's crate.
    /// `testkit::check_schema` holds it against the settings struct. Without one every settings object passes.
    #[must_use]
    pub const fn schema(mut self, json: &'static str) -> Self {
        self.schema = json;
        self
    }

    /// What the plugin can do.
    #[must_use]
    pub const fn capabilities(mut self, list: &[Capability]) -> Self {
        let mut index = 0;
        while index < list.len() {
            self.capabilities |= list[index] as u64;
            index += 1;
        }
        self
    }

    /// What the plugin needs.
    #[must_use]
    pub const fn permissions(mut self, list: &[Permission]) -> Self {
        let mut index = 0;
        while index < list.len() {
            self.permissions |= list[index] as u64;
            index += 1;
        }
        self
    }

    /// The longest text that one message takes; the host splits longer ones. 0, the default, means no limit.
    #[must_use]
    pub const fn text_limit(mut self, limit: u32, unit: TextUnit) -> Self {
        self.text_limit = limit;
        self.text_unit = unit;
        self
    }
}

/// First bytes of every manifest.
pub const MAGIC: [u8; 16] = *b"miniclaw-plugin\0";
/// The symbol under which a library exports its [`RawManifest`].
pub const MANIFEST_SYMBOL: &str = "MINICLAW_PLUGIN_MANIFEST";
/// The symbol under which a library exports the header of its root module.
pub const ROOT_SYMBOL: &str = "MINICLAW_PLUGIN_ROOT";
/// Version of the fixed layout of [`RawManifest`].
pub const MANIFEST_FORMAT: u32 = 1;
/// The plugin API that this crate speaks: its own version.
pub const API_VERSION: [u32; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];
/// Size in bytes of the schema's place in a [`RawManifest`].
pub const SCHEMA_BYTES: usize = 16 * 1024;

/// A [`Manifest`] as it stands in a library's file: no pointers, texts zero-terminated in fixed arrays, numbers
/// in the byte order of the target.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RawManifest {
    /// [`MAGIC`].
    pub magic: [u8; 16],
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Size of this struct in bytes.
    pub size: u32,
    /// [`Kind`].
    pub kind: u32,
    /// Major, minor, patch of the plugin API.
    pub api: [u32; 3],
    /// 1 where a panic aborts the process.
    pub panic_abort: u32,
    /// [`Manifest::text_limit`].
    pub text_limit: u32,
    /// [`TextUnit`].
    pub text_unit: u32,
    /// Length of the schema in bytes.
    pub schema_len: u32,
    /// Bits of [`Capability`].
    pub capabilities: u64,
    /// Bits of [`Permission`].
    pub permissions: u64,
    /// Name.
    pub name: [u8; 64],
    /// Version.
    pub version: [u8; 32],
    /// Target triple.
    pub target: [u8; 64],
    /// Compiler.
    pub rustc: [u8; 96],
    /// Description.
    pub description: [u8; 256],
    /// JSON Schema of the settings.
    pub schema: [u8; SCHEMA_BYTES],
}

impl RawManifest {
    /// Encodes a manifest. Evaluated in a constant; a text that is too long, or a name with other characters
    /// than allowed, is a compile error.
    pub const fn encode(manifest: &Manifest, kind: Kind, panic_abort: bool) -> Self {
        assert!(!manifest.name.is_empty(), "a plugin needs a name");
        let name = manifest.name.as_bytes();
        let mut index = 0;
        while index < name.len() {
            assert!(
                matches!(name[index], b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'),
                "a plugin's name is made of lowercase letters, digits, `-` and `_`"
            );
            index += 1;
        }
        Self {
            magic: MAGIC,
            format: MANIFEST_FORMAT,
            size: size_of::<Self>() as u32,
            kind: kind as u32,
            api: API_VERSION,
            panic_abort: panic_abort as u32,
            text_limit: manifest.text_limit,
            text_unit: manifest.text_unit as u32,
            schema_len: manifest.schema.len() as u32,
            capabilities: manifest.capabilities,
            permissions: manifest.permissions,
            name: fixed(manifest.name),
            version: fixed(manifest.version),
            target: fixed(env!("MINICLAW_TARGET")),
            rustc: fixed(env!("MINICLAW_RUSTC")),
            description: fixed(manifest.description),
            schema: fixed(manifest.schema),
        }
    }
}

const fn fixed<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() < N, "a text of the manifest is too long");
    let mut out = [0; N];
    let mut index = 0;
    while index < bytes.len() {
        out[index] = bytes[index];
        index += 1;
    }
    out
}

const fn number(digits: &str) -> u32 {
    let bytes = digits.as_bytes();
    let (mut value, mut index) = (0, 0);
    while index < bytes.len() {
        value = value * 10 + (bytes[index] - b'0') as u32;
        index += 1;
    }
    value
}
