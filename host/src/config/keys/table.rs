//! The keys themselves.

mod gateway;
mod instances;
mod observe;

use std::time::Duration;

use self::gateway::{AGENT, DELIVERY, GATEWAY, LOG, MEDIA, SESSIONS};
use self::instances::{BUDGETS, CHANNEL, PLUGINS, PROVIDER, ROUTE};
use self::observe::{ALERTS, HTTP};
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
        "http",
        Kind::Section(HTTP),
        Default::None,
        "Health and metrics over HTTP. Left out: the gateway listens on no port.",
    ),
    key(
        "alerts",
        Kind::Section(ALERTS),
        Default::None,
        "Whom the gateway tells when something is wrong with itself. Left out: nobody.",
    ),
    key(
        "log",
        Kind::Section(LOG),
        Default::EmptyObject,
        "The log on stderr.",
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
