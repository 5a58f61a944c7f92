//! What the page asks for.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use miniclaw_plugin_api::{Cause, Error, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::App;
use crate::guard::Rules;
use crate::handover::{self, Kind};
use crate::server::Closing;
use crate::store::is_id;
use crate::{events, pages, random};

/// Longest message of a person, in bytes.
const MESSAGE_CAP: usize = 16 * 1024;
/// Lines of the log that the page shows.
const LOG_LINES: u32 = 200;

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) closing: Closing,
}

/// A request that is not done, and why.
pub(crate) struct Refused(StatusCode, String);

/// What the page says.
#[derive(Deserialize)]
struct Saying {
    id: String,
    text: String,
}

/// The handlers by path; whoever gets here is admitted.
pub(crate) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/", get(pages::index))
        .route("/{file}", get(pages::file))
        .route("/login", get(pages::login))
        .route("/api/login", post(pages::log_in))
        .route("/api/logout", post(pages::log_out))
        .route("/api/chats", get(chats))
        .route("/api/chats/{chat}/messages", get(messages).post(say))
        .route("/api/chats/{chat}/stop", post(stop))
        .route("/api/chats/{chat}/delete", post(delete))
        .route("/api/events", get(events::stream))
        .route("/api/status", get(status))
        .route("/api/logs", get(logs))
        .route("/api/sessions", get(sessions))
        .route("/api/sessions/{key}", get(session))
        .with_state(desk)
}

async fn chats(State(desk): State<Desk>) -> Result<Response, Refused> {
    let chats = desk.app.store.chats()?;
    Ok(json(StatusCode::OK, &json!({ "chats": chats })))
}

async fn messages(
    State(desk): State<Desk>,
    Path(chat): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let chat = id(chat)?;
    let after = after(query.as_deref())?.unwrap_or(0);
    let (rev, messages) = desk.app.store.messages(&chat, after)?;
    Ok(json(StatusCode::OK, &json!({ "rev": rev, "messages": messages })))
}

async fn say(State(desk): State<Desk>, Path(chat): Path<String>, body: Bytes) -> Result<Response, Refused> {
    let chat = id(chat)?;
    let Ok(Saying { id, text }) = serde_json::from_slice(&body) else {
        return Err(Refused(
            StatusCode::BAD_REQUEST,
            "this is not {\"id\", \"text\"}".into(),
        ));
    };
    if !is_id(&id) || id.starts_with("m-") {
        return Err(unfit(
            "the id of a message is made of 1 to 64 letters, digits and `-`",
        ));
    }
    if text.trim().is_empty() || text.len() > MESSAGE_CAP {
        return Err(unfit("a message has 1 to 16384 bytes of text"));
    }
    let message = handover::message(&chat, &id, &text);
    match desk.app.post(message, Kind::Said).await? {
        Verdict::Ignored => Err(ignored()),
        verdict => Ok(json(StatusCode::ACCEPTED, &json!({ "verdict": verdict }))),
    }
}

async fn stop(State(desk): State<Desk>, Path(chat): Path<String>) -> Result<Response, Refused> {
    command(&desk, chat, "/stop", Kind::Command).await
}

async fn delete(State(desk): State<Desk>, Path(chat): Path<String>) -> Result<Response, Refused> {
    command(&desk, chat, "/new", Kind::Deletion).await
}

async fn command(desk: &Desk, chat: String, text: &str, kind: Kind) -> Result<Response, Refused> {
    let chat = id(chat)?;
    let message = handover::message(&chat, &random::secret()?, text);
    match desk.app.post(message, kind).await? {
        Verdict::Ignored => Err(ignored()),
        _ => Ok(json(StatusCode::ACCEPTED, &json!({}))),
    }
}

async fn status(State(desk): State<Desk>) -> Result<Response, Refused> {
    ask(&desk, "status", Value::Null).await
}

async fn logs(State(desk): State<Desk>) -> Result<Response, Refused> {
    ask(&desk, "logs.recent", json!({ "lines": LOG_LINES })).await
}

async fn sessions(State(desk): State<Desk>) -> Result<Response, Refused> {
    ask(&desk, "sessions.list", Value::Null).await
}

async fn session(State(desk): State<Desk>, Path(key): Path<String>) -> Result<Response, Refused> {
    ask(&desk, "sessions.show", json!({ "key": key })).await
}

async fn ask(desk: &Desk, name: &str, data: Value) -> Result<Response, Refused> {
    let answer = desk.app.context.ask(name, data).await?;
    Ok(json(StatusCode::OK, &answer))
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(text) => pages::answer(status, "application/json", text),
        Err(_) => pages::bare(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// `after=REV` of a query.
pub(crate) fn after(query: Option<&str>) -> Result<Option<i64>, Refused> {
    let mut pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    match (pairs.next(), pairs.next()) {
        (None, _) => Ok(None),
        (Some(pair), None) => match pair.strip_prefix("after=").and_then(revision) {
            Some(rev) => Ok(Some(rev)),
            None => Err(unfit("the query is `after=` and a number")),
        },
        _ => Err(unfit("the query is `after=` and a number")),
    }
}

pub(crate) fn revision(text: &str) -> Option<i64> {
    let plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn id(chat: String) -> Result<String, Refused> {
    if is_id(&chat) {
        return Ok(chat);
    }
    Err(unfit(
        "the id of a chat is made of 1 to 64 letters, digits and `-`",
    ))
}

fn unfit(why: &str) -> Refused {
    Refused(StatusCode::UNPROCESSABLE_ENTITY, why.into())
}

fn ignored() -> Refused {
    Refused(
        StatusCode::CONFLICT,
        "the gateway did not take this message".into(),
    )
}

pub(crate) fn too_many_streams() -> Refused {
    let why = "too many pages are open; close one and reload this one";
    Refused(StatusCode::SERVICE_UNAVAILABLE, why.into())
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match (error.cause, error.outcome) {
            (Cause::Unsupported, _) => StatusCode::NOT_IMPLEMENTED,
            (Cause::NotFound, _) => StatusCode::NOT_FOUND,
            (Cause::Auth, _) => StatusCode::FORBIDDEN,
            (_, Outcome::Permanent) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, error.message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        json(self.0, &json!({ "error": self.1 }))
    }
}
