//! Keys of what tells how the gateway is.

use super::{Default, Key, Kind, key};

pub(super) const HTTP: &[Key] = &[key(
    "listen",
    Kind::Address,
    Default::None,
    "Address and port of `/livez`, `/readyz`, `/startupz` and `/metrics`; required in `http`. Whoever reaches it may read them, and nothing else.",
)];

pub(super) const ALERTS: &[Key] = &[
    key(
        "channel",
        Kind::Word,
        Default::None,
        "The channel over which alerts go out: an entry of `channels`; required in `alerts`.",
    ),
    key(
        "to",
        Kind::Id,
        Default::None,
        "Id of the chat that gets them; required in `alerts`.",
    ),
];
