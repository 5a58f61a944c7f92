//! Keys of channels and providers, and of the routes between them.

use super::{ANY_COUNT, ANY_TOKENS, Default, IDS, Key, Kind, MIN_CONTEXT, count, key, size};

pub(super) const PLUGINS: &[Key] = &[
    key(
        "paths",
        Kind::List(&Kind::Path),
        Default::EmptyList,
        "Folders with plugin libraries, in order of precedence; `plugins` in the home folder comes after them where it exists.",
    ),
    key(
        "signatures",
        Kind::Choice(&["off", "warn", "require"]),
        Default::Text("off"),
        "What becomes of a library without a good signature by a trusted key: `warn` logs it, `require` refuses it.",
    ),
    key(
        "trusted_keys",
        Kind::List(&Kind::Word),
        Default::EmptyList,
        "Public keys of minisign whose signatures count: the line in base64, or the path of a `.pub` file.",
    ),
    key(
        "pins",
        Kind::Digests,
        Default::EmptyObject,
        "SHA-256 of the one library that may be loaded, by the name of the plugin.",
    ),
];

pub(super) const CHANNEL: &[Key] = &[
    PLUGIN,
    key(
        "allow_from",
        IDS,
        Default::EmptyList,
        "Ids of those who may write. Empty: nobody, unless the plugin establishes by itself who speaks.",
    ),
    key(
        "streaming",
        Kind::Choice(&["off", "edit"]),
        Default::None,
        "`edit` shows an answer while it is written: a message that is changed, at most once a second, until the whole reply takes its place. Needs a plugin that can edit. Left out: `off`, except for a plugin whose own page shows it (`webchat`).",
    ),
    key(
        "debounce_ms",
        count(0, 60_000),
        Default::Number(0),
        "Messages of one sender that follow each other within so many milliseconds are answered as one.",
    ),
    key(
        "groups",
        Kind::Section(GROUPS),
        Default::None,
        "What is answered in groups and channels of the platform. Left out: nothing, unless the plugin establishes by itself who speaks.",
    ),
    key(
        "pairing",
        Kind::Flag,
        Default::Flag(false),
        "Whether somebody unknown who writes in a private chat gets a code, with which `miniclaw pairing approve` lets them in.",
    ),
    key(
        "admins",
        IDS,
        Default::None,
        "Ids of those who may use commands that change settings. Left out: everybody in `allow_from`.",
    ),
    ISOLATION,
    LIMITS_KEY,
    SANDBOX_KEY,
    SETTINGS,
];

const GROUPS: &[Key] = &[
    key(
        "allow",
        IDS,
        Default::EmptyList,
        "Ids of the groups and channels in which those of `allow_from` are answered. Empty: none.",
    ),
    key(
        "require_mention",
        Kind::Flag,
        Default::Flag(true),
        "Whether only messages are answered that name the bot, answer it, or are a command with its name.",
    ),
];

const PLUGIN: Key = key(
    "plugin",
    Kind::Word,
    Default::None,
    "Name of the plugin; the name of the instance by default.",
);

const SETTINGS: Key = key(
    "settings",
    Kind::Settings,
    Default::EmptyObject,
    "The plugin's own settings; `miniclaw plugin info` prints their schema. Any text may be `${env:NAME}` or `${file:/path}`.",
);

const ISOLATION: Key = key(
    "isolation",
    Kind::Choice(&["in-process", "process"]),
    Default::None,
    "Where the plugin runs: `process`, a process of its own, or `in-process`, the gateway's. By default `process` for libraries and `in-process` for built-in plugins.",
);

const LIMITS_KEY: Key = key(
    "limits",
    Kind::Section(LIMITS),
    Default::EmptyObject,
    "What a process of the plugin's own may use.",
);

const LIMITS: &[Key] = &[
    key(
        "memory",
        size(16 << 20, 1 << 40),
        Default::Text("512MiB"),
        "Memory that it writes to; an allocation beyond it fails, which ends most plugins.",
    ),
    key(
        "open_files",
        count(16, 1 << 20),
        Default::Number(256),
        "Files and sockets open at once.",
    ),
];

const SANDBOX_KEY: Key = key(
    "sandbox",
    Kind::Section(SANDBOX),
    Default::EmptyObject,
    "What a process of the plugin's own may do.",
);

const SANDBOX: &[Key] = &[
    key(
        "mode",
        Kind::Choice(&["auto", "require", "off"]),
        Default::Text("auto"),
        "`auto` takes what the kernel has and warns of what it lacks, `require` does not start the plugin without all of it, `off` lets the plugin do what the gateway's user may.",
    ),
    key(
        "allow",
        Kind::List(&Kind::Choice(&["listen", "exec", "unix-sockets", "observe"])),
        Default::EmptyList,
        "Permissions that the plugin asks for and gets: `listen`, `exec`, `unix-sockets`, `observe`.",
    ),
    key(
        "read",
        Kind::List(&Kind::Path),
        Default::EmptyList,
        "Files and folders that it may read, beside libraries, certificates and the resolver's configuration.",
    ),
    key(
        "write",
        Kind::List(&Kind::Path),
        Default::EmptyList,
        "Files and folders that it may read and write, beside its own data folder.",
    ),
];

pub(super) const PROVIDER: &[Key] = &[
    PLUGIN,
    key(
        "context_tokens",
        count(MIN_CONTEXT, ANY_COUNT),
        Default::None,
        "Tokens that the model reads and writes together. By default what the server says of the model, and 32768 where it says nothing, or less where it refuses that.",
    ),
    key(
        "max_concurrent_requests",
        count(1, 100_000),
        Default::None,
        "Requests to this provider at once; more wait in order. No limit by default.",
    ),
    key(
        "requests_per_minute",
        count(1, 1_000_000),
        Default::None,
        "Requests to this provider in a minute; more wait in order. No limit by default.",
    ),
    key(
        "prices",
        Kind::Models(&Kind::Section(PRICE)),
        Default::EmptyObject,
        "What a million tokens cost, by the name of the model; `*` is every other model.",
    ),
    ISOLATION,
    LIMITS_KEY,
    SANDBOX_KEY,
    SETTINGS,
];

const PRICE: &[Key] = &[
    key(
        "input",
        Kind::Price,
        Default::Number(0),
        "A million tokens that the model reads.",
    ),
    key(
        "output",
        Kind::Price,
        Default::Number(0),
        "A million tokens that the model writes.",
    ),
];

pub(super) const BUDGETS: &[Key] = &[
    key(
        "tokens_per_day",
        count(1, ANY_TOKENS),
        Default::None,
        "Tokens of all conversations together in a day in UTC, those read and those written. No limit by default.",
    ),
    key(
        "conversation_tokens_per_day",
        count(1, ANY_TOKENS),
        Default::None,
        "Tokens of one conversation in a day in UTC. No limit by default.",
    ),
];

pub(super) const ROUTE: &[Key] = &[
    key(
        "channel",
        Kind::Word,
        Default::None,
        "Name of a channel; all by default.",
    ),
    key(
        "chat",
        Kind::Id,
        Default::None,
        "Id of a chat; all by default. A group that became a supergroup may be named by either id.",
    ),
    key(
        "command",
        Kind::Word,
        Default::None,
        "A command without its slash, such as `draw`: messages that begin with it. All messages by default.",
    ),
    key(
        "provider",
        Kind::Word,
        Default::None,
        "Name of a provider; the default one by default.",
    ),
    key(
        "model",
        Kind::Word,
        Default::None,
        "The model for what this route matches.",
    ),
    key(
        "fallback",
        Kind::List(&Kind::Word),
        Default::EmptyList,
        "Providers to try afterwards, in order; `NAME/MODEL` asks for a model.",
    ),
];
