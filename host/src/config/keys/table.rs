//! The keys themselves.

use std::time::Duration;

use super::{Default, Key, Kind};

const MS: Duration = Duration::from_millis(1);
const TEN_YEARS: Duration = Duration::from_secs(3_650 * 86_400);
const ONE_DAY: Duration = Duration::from_secs(86_400);
const ANY_COUNT: u64 = 10_000_000;
const ANY_TOKENS: u64 = 1_000_000_000_000;
/// With fewer no instructions and no answer fit.
const MIN_CONTEXT: u64 = 256;
const ANY_SIZE: u64 = 1 << 30;

pub(in crate::config) const ROOT: &[Key] = &[
    key(
        "telegram_token",
        Kind::Secret,
        Default::None,
        "Bot token from @BotFather; short for `channels.telegram.settings.token`. Best a reference: `${env:NAME}` or `${file:/path}`.",
    ),
    key(
        "allow_from",
        IDS,
        Default::None,
        "Telegram ids of those who may write: for `channels.telegram`, and for every other channel of the plugin `telegram` without a list of its own. Empty: nobody.",
    ),
    key(
        "provider",
        Kind::Word,
        Default::None,
        "The provider where no route says otherwise: an entry of `providers`, or `anthropic`, `echo`, `gemini`, `ollama` or `openai`. By default the one entry of `providers`, and `echo` where there is none.",
    ),
    key(
        "model",
        Kind::Word,
        Default::None,
        "The model where no route says otherwise; by default the provider's own choice.",
    ),
    key(
        "workspace_path",
        Kind::Path,
        Default::None,
        "Folder of the sessions and of the agent's own files; `workspace` in the home folder by default. In a file a relative path starts at the file's folder; `~/` is the user's home.",
    ),
    key(
        "plugins",
        Kind::Section(PLUGINS),
        Default::EmptyObject,
        "Where plugins are, and which of them are trusted.",
    ),
    key(
        "channels",
        Kind::Instances(&Kind::Section(CHANNEL)),
        Default::EmptyObject,
        "Channels by the name of their instance.",
    ),
    key(
        "providers",
        Kind::Instances(&Kind::Section(PROVIDER)),
        Default::EmptyObject,
        "Providers by the name of their instance.",
    ),
    key(
        "routes",
        Kind::List(&Kind::Section(ROUTE)),
        Default::EmptyList,
        "Which provider answers which channel, chat or command; the first match wins.",
    ),
    key(
        "gateway",
        Kind::Section(GATEWAY),
        Default::EmptyObject,
        "The daemon and its bounds.",
    ),
    key(
        "sessions",
        Kind::Section(SESSIONS),
        Default::EmptyObject,
        "Conversations.",
    ),
    key(
        "agent",
        Kind::Section(AGENT),
        Default::EmptyObject,
        "How answers are made.",
    ),
    key(
        "limits",
        Kind::Section(BUDGETS),
        Default::EmptyObject,
        "How many tokens may be used in a day; no limit by default.",
    ),
    key(
        "currency",
        Kind::Word,
        Default::Text("USD"),
        "The currency of `providers.NAME.prices`, for what people are shown.",
    ),
    key(
        "delivery",
        Kind::Section(DELIVERY),
        Default::EmptyObject,
        "How answers are sent.",
    ),
    key(
        "media",
        Kind::Section(MEDIA),
        Default::EmptyObject,
        "Files that people send.",
    ),
    key(
        "log",
        Kind::Section(LOG),
        Default::EmptyObject,
        "The log on stderr.",
    ),
];

const PLUGINS: &[Key] = &[
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

const CHANNEL: &[Key] = &[
    key(
        "plugin",
        Kind::Word,
        Default::None,
        "Name of the plugin; the name of the instance by default.",
    ),
    key(
        "allow_from",
        IDS,
        Default::EmptyList,
        "Ids of those who may write. Empty: nobody, unless the plugin establishes by itself who speaks.",
    ),
    key(
        "streaming",
        Kind::Choice(&["off", "edit"]),
        Default::Text("off"),
        "`edit` shows an answer while it is written: a message that is changed, at most once a second, until the whole reply takes its place. Needs a plugin that can edit.",
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
    key(
        "settings",
        Kind::Settings,
        Default::EmptyObject,
        "The plugin's own settings; `miniclaw plugin info` prints their schema. Any text may be `${env:NAME}` or `${file:/path}`.",
    ),
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
        Kind::List(&Kind::Choice(&["listen", "exec", "unix-sockets"])),
        Default::EmptyList,
        "Permissions that the plugin asks for and gets: `listen`, `exec`, `unix-sockets`.",
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

const PROVIDER: &[Key] = &[
    key(
        "plugin",
        Kind::Word,
        Default::None,
        "Name of the plugin; the name of the instance by default.",
    ),
    key(
        "context_tokens",
        count(MIN_CONTEXT, ANY_COUNT),
        Default::None,
        "Tokens that the model reads and writes together. By default what the server says of the model, and 8192 where it says nothing.",
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
    key(
        "settings",
        Kind::Settings,
        Default::EmptyObject,
        "The plugin's own settings; `miniclaw plugin info` prints their schema. Any text may be `${env:NAME}` or `${file:/path}`.",
    ),
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

const BUDGETS: &[Key] = &[
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

const ROUTE: &[Key] = &[
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

const MEDIA: &[Key] = &[
    key(
        "max_file_bytes",
        size(0, 30 << 20),
        Default::Text("20MiB"),
        "A larger file is named to the model and not fetched. Files are kept beside the session's own, and go with it.",
    ),
    key(
        "max_pictures",
        count(0, 100),
        Default::Number(4),
        "Pictures of a conversation that a model which sees is shown, the newest first.",
    ),
];

const GATEWAY: &[Key] = &[
    key(
        "shutdown_timeout",
        duration(Duration::ZERO, ONE_DAY),
        Default::Text("10s"),
        "How long a stop waits for turns that are under way; what does not finish resumes at the next start.",
    ),
    key(
        "max_concurrent_turns",
        count(1, 100_000),
        Default::Number(64),
        "Turns at once, of all conversations together.",
    ),
    key(
        "max_pending",
        count(1, ANY_COUNT),
        Default::Number(10_000),
        "Messages that wait; with more the channels pause.",
    ),
    key(
        "max_pending_per_conversation",
        count(1, ANY_COUNT),
        Default::Number(200),
        "Messages of one conversation that wait; more are refused with one note.",
    ),
    key(
        "max_message_bytes",
        size(1, ANY_SIZE),
        Default::Text("256KiB"),
        "Longest text of one message; a longer one is refused with a note.",
    ),
    key(
        "warn_pending_after",
        duration(Duration::from_secs(1), ONE_DAY),
        Default::Text("10m"),
        "A message or a reply that waits longer is named in the log.",
    ),
    key(
        "restart_backoff",
        duration(MS, Duration::from_secs(60)),
        Default::Text("1s"),
        "How long the first restart of a plugin waits after a crash; each further one about twice as long, up to 60 times this.",
    ),
    key(
        "max_crashes",
        count(1, ANY_COUNT),
        Default::Number(5),
        "A plugin that crashes this often within 60 s is quarantined until `miniclaw plugin enable`.",
    ),
    key(
        "max_message_age",
        duration(Duration::from_secs(1), TEN_YEARS),
        Default::None,
        "Messages that the platform received longer ago than this are not answered; each conversation is told so once. By default every message is answered.",
    ),
];

const SESSIONS: &[Key] = &[
    key(
        "history",
        count(1, 100_000),
        Default::Number(50),
        "Messages that a conversation remembers, both sides counted.",
    ),
    key(
        "compaction",
        Kind::Flag,
        Default::Flag(true),
        "Whether what a model can no longer read of a conversation is summed up by the model itself; otherwise the oldest messages are left out.",
    ),
    key(
        "checkpoint_interval",
        duration(Duration::from_millis(100), ONE_DAY),
        Default::Text("30s"),
        "How often changed sessions are written to their files.",
    ),
    key(
        "idle_ttl",
        duration(Duration::from_secs(1), TEN_YEARS),
        Default::Text("30d"),
        "Sessions without a message for this long are removed.",
    ),
    key(
        "cache",
        count(1, ANY_COUNT),
        Default::Number(1_000),
        "Sessions kept in memory.",
    ),
];

const AGENT: &[Key] = &[
    key(
        "system_prompt",
        Kind::Text,
        Default::Text(
            "You are a helpful assistant in a chat. Answer in the language of the message, and keep it short.",
        ),
        "Instructions before everything else.",
    ),
    key(
        "retries",
        count(0, 100),
        Default::Number(3),
        "Further attempts after a failure that may pass, for each provider.",
    ),
    key(
        "turn_timeout",
        duration(MS, ONE_DAY),
        Default::Text("5m"),
        "A whole turn, all attempts together.",
    ),
    key(
        "first_chunk_timeout",
        duration(MS, ONE_DAY),
        Default::Text("60s"),
        "From the request to the first piece of the answer.",
    ),
    key(
        "idle_timeout",
        duration(MS, ONE_DAY),
        Default::Text("30s"),
        "Between two pieces of the answer.",
    ),
    key(
        "max_reply_bytes",
        size(1, ANY_SIZE),
        Default::Text("256KiB"),
        "Longest answer.",
    ),
];

const DELIVERY: &[Key] = &[
    key(
        "max_age",
        duration(Duration::from_secs(1), TEN_YEARS),
        Default::Text("24h"),
        "A reply that could not be delivered for this long becomes a dead letter.",
    ),
    key(
        "on_unknown",
        Kind::Choice(&["resend", "hold"]),
        Default::Text("resend"),
        "What becomes of a send that may have happened: `resend` risks a second copy, `hold` makes it a dead letter.",
    ),
    key(
        "max_concurrent_sends",
        count(1, 10_000),
        Default::Number(32),
        "Sends at once in one channel.",
    ),
    key(
        "max_waiting",
        count(1, 10_000_000),
        Default::Number(10_000),
        "Replies of one channel that wait to be sent; with more the channel pauses, until at most half of that waits.",
    ),
];

const LOG: &[Key] = &[
    key(
        "level",
        Kind::Level,
        Default::Text("info"),
        "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,miniclaw=debug`.",
    ),
    key(
        "format",
        Kind::Choice(&["text", "json"]),
        Default::Text("text"),
        "Lines for people, or one JSON object a line.",
    ),
];

const IDS: Kind = Kind::List(&Kind::Id);

const fn key(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

const fn duration(min: Duration, max: Duration) -> Kind {
    Kind::Duration { min, max }
}
