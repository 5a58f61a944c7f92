//! What servers write into the body of an error, in the shapes that they use.

use std::time::Duration;

use serde_json::Value;

use super::retry_after::wait;

/// The object with the error in it; Google's server that speaks like OpenAI's puts it into a list.
pub(super) fn parse(body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(Value::Array(list)) => list.into_iter().next().unwrap_or_default(),
        Ok(object) => object,
        Err(_) => Value::Null,
    }
}

/// The server's own sentence.
pub(super) fn said(body: &Value) -> Option<String> {
    let error = body.get("error");
    let said = [
        error.and_then(|error| error.get("message")),
        error,
        body.get("message"),
        body.get("detail"),
        body.pointer("/detail/msg"),
        // Cloudflare.
        body.pointer("/errors/0/message"),
    ]
    .into_iter()
    .flatten()
    .find_map(|value| value.as_str().map(str::to_owned))
    .or_else(|| complaints(body))?;
    Some(match passed_on(body) {
        Some(more) => format!("{said}: {more}"),
        None => said,
    })
}

/// What the server behind OpenRouter said: its own sentence is that there was an error.
fn passed_on(body: &Value) -> Option<String> {
    let raw = body.pointer("/error/metadata/raw")?.as_str()?;
    match serde_json::from_str::<Value>(raw) {
        Ok(inner) => inner.get("error").and_then(|_| said(&inner)),
        Err(_) => Some(raw.to_owned()),
    }
}

/// What FastAPI says of fields: a list with the place and the reason of each.
fn complaints(body: &Value) -> Option<String> {
    let inner = body.get("message").and_then(|message| message.get("detail"));
    let complaint = |item: &Value| {
        let reason = item.get("msg")?.as_str()?;
        let place = item.get("loc")?.as_array()?;
        let place: Vec<String> = place
            .iter()
            .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
            .collect();
        Some(format!("`{}`: {reason}", place.join(".")))
    };
    let all = inner.or_else(|| body.get("detail"))?.as_array()?;
    let told: Vec<String> = all.iter().filter_map(complaint).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

pub(super) fn code(body: &Value) -> Option<&Value> {
    let error = body.get("error")?;
    [error.get("code"), error.get("type")]
        .into_iter()
        .flatten()
        .find(|value| !value.is_null())
}

/// Of the details of an error of Google, <https://google.aip.dev/193>, the first that has that member.
pub(super) fn detail<'a>(body: &'a Value, member: &str) -> Option<&'a Value> {
    let details = body.get("error")?.get("details")?.as_array()?;
    details.iter().find_map(|detail| detail.get(member))
}

/// The wait that such an error names: `"34.07s"`.
pub(super) fn stated_wait(body: &Value) -> Option<Duration> {
    wait(detail(body, "retryDelay")?.as_str()?.strip_suffix('s')?)
}

/// The HTTP status that an error inside a body names.
pub(super) fn stated_status(body: &Value) -> Option<u16> {
    let number = match code(body)? {
        Value::String(text) => text.parse().ok()?,
        value => value.as_u64()?,
    };
    u16::try_from(number)
        .ok()
        .filter(|status| (400..600).contains(status))
}
