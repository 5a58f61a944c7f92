//! The stream of what happens, for one tab.
//!
//! It holds no queue: what is said is read from the store when the tab has taken what came before, so that a slow one
//! costs nothing and misses only what was changed again meanwhile.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::Interval;

use crate::api::{Desk, Refused, after, revision, too_many_streams};
use crate::guard::Login;
use crate::pages;
use crate::store::Message;

/// Between signs of life; also how soon a login that ran out ends its streams.
const BEAT: Duration = Duration::from_secs(15);
/// Messages that are read at once.
const BATCH: i64 = 16;

/// `GET /api/events`.
pub(crate) async fn stream(
    State(desk): State<Desk>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let permit = desk
        .app
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| too_many_streams())?;
    let seen = headers
        .get("last-event-id")
        .and_then(|id| revision(id.to_str().ok()?));
    let seen = seen.or(after(query.as_deref())?);
    let events = Events::new(desk, login, seen, permit);
    let body = Body::from_stream(stream::unfold(events, Events::next));
    Ok(pages::answer(StatusCode::OK, "text/event-stream", body))
}

struct Events {
    desk: Desk,
    login: Login,
    /// The last revision that the tab was told of.
    seen: i64,
    revisions: watch::Receiver<i64>,
    typing: broadcast::Receiver<Arc<str>>,
    logouts: watch::Receiver<()>,
    beat: Interval,
    ready: VecDeque<String>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Events {
    fn new(desk: Desk, login: Login, seen: Option<i64>, permit: OwnedSemaphorePermit) -> Self {
        let store = &desk.app.store;
        let rev = store.rev();
        let hello = json!({ "rev": rev, "instance": desk.app.context.instance(), "account": "Web chat" });
        Self {
            login,
            // A tab that saw more than there is saw another store.
            seen: seen.unwrap_or(rev).min(rev),
            revisions: store.revisions(),
            typing: desk.app.typing.subscribe(),
            logouts: desk.app.logouts.subscribe(),
            beat: tokio::time::interval(BEAT),
            ready: VecDeque::from([format!("event: hello\ndata: {hello}\n\n")]),
            over: false,
            _permit: permit,
            desk,
        }
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        while self.ready.is_empty() && !self.over {
            self.wait().await;
        }
        let event = self.ready.pop_front()?;
        Some((Ok(event.into()), self))
    }

    /// Waits for the next thing to tell.
    async fn wait(&mut self) {
        // Marked as seen first, so that what is said after the look is looked for again.
        self.revisions.borrow_and_update();
        match self.desk.app.store.changes(self.seen, BATCH) {
            Ok(messages) if !messages.is_empty() => return self.tell(&messages),
            Ok(_) => {}
            // The tab comes back, and asks for what it has not seen.
            Err(_) => self.over = true,
        }
        tokio::select! {
            biased;
            () = self.desk.closing.begun() => {
                self.ready.push_back("event: bye\ndata: {}\n\n".into());
                self.over = true;
            }
            _ = self.logouts.changed() => self.over = !self.is_logged_in(),
            _ = self.revisions.changed() => {}
            Ok(chat) = self.typing.recv() => {
                self.ready.push_back(format!("event: typing\ndata: {}\n\n", json!({ "chat": *chat })));
            }
            _ = self.beat.tick() => {
                self.ready.push_back(":\n\n".into());
                self.over = !self.is_logged_in();
            }
        }
    }

    fn is_logged_in(&self) -> bool {
        self.desk.app.store.is_logged_in(&self.login.0).unwrap_or(false)
    }

    fn tell(&mut self, messages: &[Message]) {
        for message in messages {
            self.seen = message.rev;
            let Ok(serde_json::Value::Object(mut data)) = serde_json::to_value(message) else {
                continue;
            };
            data.insert("chat".into(), message.chat.as_str().into());
            let mut event = format!("event: message\nid: {}\ndata: ", message.rev);
            // Writing to a string does not fail; JSON has no line breaks of its own.
            let _ = write!(event, "{}\n\n", serde_json::Value::Object(data));
            self.ready.push_back(event);
        }
    }
}
