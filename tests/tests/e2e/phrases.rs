//! Words in logs that tests look for, in any case; operators look for them too.

pub(crate) const CONNECTED: &str = "Telegram channel connected";
pub(crate) const READY: &str = "ready";
pub(crate) const SHUTDOWN_STARTED: &str = "Shutdown started";
pub(crate) const BOT_FATHER: &str = "@BotFather";
pub(crate) const ALLOW_LIST: &str = "allow_from";
pub(crate) const NO_CHANNEL: &str = "no channel";
pub(crate) const DEAD_LETTER: &str = "dead letter";
pub(crate) const SECOND_POLLER: &str = "Another program polls";
