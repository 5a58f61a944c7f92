//! Keys of the gateway itself: its bounds, conversations, answers, sending, files, log.

use std::time::Duration;

use super::{ANY_COUNT, ANY_SIZE, Default, Key, Kind, MS, ONE_DAY, TEN_YEARS, count, duration, key, size};

pub(super) const MEDIA: &[Key] = &[
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

pub(super) const GATEWAY: &[Key] = &[
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

pub(super) const SESSIONS: &[Key] = &[
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

pub(super) const AGENT: &[Key] = &[
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

pub(super) const DELIVERY: &[Key] = &[
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

pub(super) const LOG: &[Key] = &[
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
