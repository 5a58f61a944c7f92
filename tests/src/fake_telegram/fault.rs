//! Failures on demand.

use std::time::Duration;

use super::State;
use crate::http::Reply;
use crate::watched::Watched;

/// Which calls fail, and how: narrowed first, ended by the method that says what happens.
#[must_use]
pub struct Rule<'a> {
    state: &'a Watched<State>,
    entry: Entry,
}

/// The rules in force; the first one that matches counts.
#[derive(Default)]
pub(super) struct Rules(Vec<Entry>);

struct Entry {
    method: String,
    chat: Option<i64>,
    markup_only: bool,
    /// Calls that it lets pass before it applies.
    skipped: u32,
    /// Calls that it still applies to; `None` until the rules are cleared.
    left: Option<u32>,
    effect: Effect,
}

/// What happens to a call.
#[derive(Clone)]
pub(super) struct Effect {
    /// The wait before anything happens.
    pub(super) delay: Duration,
    /// Whether the call is carried out before its answer goes wrong.
    pub(super) perform: bool,
    pub(super) reply: Option<Reply>,
}

/// An answer of the Bot API.
#[derive(Debug, Clone)]
pub struct Answer(Reply);

impl Answer {
    /// An error envelope.
    pub fn error(code: u16, description: &str) -> Self {
        let description = super::update::quoted(description);
        Self(Reply::json(
            code,
            format!("{{\"ok\":false,\"error_code\":{code},\"description\":{description}}}"),
        ))
    }

    /// 429 with the wait that Telegram asks for.
    pub fn too_many(retry_after_seconds: u32) -> Self {
        Self(Reply::json(
            429,
            format!(
                "{{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after {retry_after_seconds}\",\
                 \"parameters\":{{\"retry_after\":{retry_after_seconds}}}}}"
            ),
        ))
    }

    /// What a proxy in front of Telegram says in an outage.
    pub fn bad_gateway() -> Self {
        Self(Reply::html(
            502,
            "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
        ))
    }

    /// 400 with the id of the supergroup that the group became.
    pub fn migrated(to: i64) -> Self {
        Self(Reply::json(
            400,
            format!(
                "{{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat was upgraded to a supergroup chat\",\
                 \"parameters\":{{\"migrate_to_chat_id\":{to}}}}}"
            ),
        ))
    }

    /// Any status and body.
    pub fn raw(status: u16, body: &str) -> Self {
        Self(Reply::json(status, body))
    }

    pub(super) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    pub(super) fn unauthorized() -> Self {
        Self::error(401, "Unauthorized")
    }

    pub(super) fn bad_request(reason: &str) -> Self {
        Self::error(400, &format!("Bad Request: {reason}"))
    }

    pub(super) fn into_reply(self) -> Reply {
        self.0
    }
}

/// An answer of any kind, or what is none.
impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self(reply)
    }
}

impl<'a> Rule<'a> {
    pub(super) fn new(state: &'a Watched<State>, method: &str) -> Self {
        Self {
            state,
            entry: Entry {
                method: method.to_owned(),
                chat: None,
                markup_only: false,
                skipped: 0,
                left: None,
                effect: Effect {
                    delay: Duration::ZERO,
                    perform: false,
                    reply: None,
                },
            },
        }
    }

    /// Only calls about this chat.
    pub fn chat(mut self, chat: i64) -> Self {
        self.entry.chat = Some(chat);
        self
    }

    /// Only calls that name a `parse_mode`.
    pub fn with_markup(mut self) -> Self {
        self.entry.markup_only = true;
        self
    }

    /// Not the next `n` calls, but those after them.
    pub fn skipping(mut self, n: u32) -> Self {
        self.entry.skipped = n;
        self
    }

    /// Only the next `n` calls; otherwise all until the rules are cleared.
    pub fn times(mut self, n: u32) -> Self {
        self.entry.left = Some(n);
        self
    }

    /// Not before `delay` has passed.
    pub fn after(mut self, delay: Duration) -> Self {
        self.entry.effect.delay = delay;
        self
    }

    /// Carries the call out first, so that only its answer goes wrong.
    pub fn accepted(mut self) -> Self {
        self.entry.effect.perform = true;
        self
    }

    /// Such calls are answered with this.
    pub fn answer(self, answer: Answer) {
        self.put(Some(answer.into_reply()));
    }

    /// Such calls are never answered.
    pub fn black_hole(self) {
        self.put(Some(Reply::Hang));
    }

    /// Such calls end with a closed connection.
    pub fn close(self) {
        self.put(Some(Reply::Close));
    }

    /// Such calls are answered as always, only later.
    pub fn delay_only(self) {
        self.put(None);
    }

    fn put(mut self, reply: Option<Reply>) {
        self.entry.effect.reply = reply;
        let entry = self.entry;
        self.state.change(|state| state.rules.0.push(entry));
    }
}

impl Rules {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this call, where anything does.
    pub(super) fn take(&mut self, method: &str, chat: Option<i64>, markup: bool) -> Option<Effect> {
        let matches = |entry: &Entry| {
            (entry.method == "*" || entry.method.eq_ignore_ascii_case(method))
                && entry.chat.is_none_or(|wanted| chat == Some(wanted))
                && (!entry.markup_only || markup)
                && entry.left != Some(0)
        };
        let entry = self.0.iter_mut().find(|entry| matches(entry))?;
        if let Some(skipped) = entry.skipped.checked_sub(1) {
            entry.skipped = skipped;
            return None;
        }
        if let Some(left) = &mut entry.left {
            *left -= 1;
        }
        Some(entry.effect.clone())
    }
}
