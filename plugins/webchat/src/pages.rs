//! What a browser is shown, and the headers of every answer.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;

use crate::api::{Desk, Refused, json};
use crate::guard::{Login, Refusal, Rules};
use crate::random;
use crate::store::LASTS;

/// Name, media type and text of each file of the page; made by `build.rs`.
const FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

const STYLE: &str = include_str!("pages/style.css");
const SCRIPT: &str = include_str!("pages/login.js");
const HTML: &str = "text/html; charset=utf-8";

/// The page brings all of its own, shows nothing of others, and is shown by none.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The digests are those of `STYLE` and `SCRIPT`, which a test sees to.
const LOGIN_POLICY: &str = "default-src 'none'; script-src 'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='; style-src 'sha256-0b2vY0phMnDAE90fmzYeJuD7x9dGNL725/OJqwjkySA='; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `GET /`: the page. A login that is used lasts.
pub(crate) async fn index(
    State(desk): State<Desk>,
    Extension(login): Extension<Login>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    // A full disk is when the page is needed: the login then lasts as it did before.
    let _ = desk.app.store.used(&login.0);
    let mut response = file(Path("index.html".to_owned())).await;
    if let Some(value) = desk.rules.cookie_of(&headers, &login) {
        set_cookie(&mut response, &cookie(&desk.rules, &value, LASTS.as_secs()));
    }
    Ok(response)
}

/// `GET /NAME`: a file of the page.
pub(crate) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, _, _)| *file == name) {
        Some((_, media_type, text)) => answer(StatusCode::OK, media_type, *text),
        None => bare(StatusCode::NOT_FOUND),
    }
}

/// `GET /login?token=T`: what uses the token up. This does not, so that whoever looks at a link in advance does no harm.
pub(crate) async fn login(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    match query
        .strip_prefix("token=")
        .filter(|token| desk.app.links.knows(token))
    {
        // A token is hexadecimal digits, or it is not known.
        Some(token) => own_page(
            StatusCode::OK,
            &include_str!("pages/login.html").replace("{token}", token),
        ),
        None => stranger(),
    }
}

/// `POST /api/login`: uses the token up.
pub(crate) async fn log_in(State(desk): State<Desk>, form: Bytes) -> Result<Response, Refused> {
    let token = std::str::from_utf8(&form)
        .ok()
        .and_then(|form| form.strip_prefix("token="));
    let Some(token) = token.filter(|token| desk.app.links.knows(token)) else {
        return Ok(stranger());
    };
    let value = random::secret()?;
    let Some(digest) = random::digest(&value) else {
        return Ok(stranger());
    };
    // The disk first: where that takes nothing, the link opens another time.
    desk.app.store.log_in(&digest)?;
    if !desk.app.links.redeem(token) {
        desk.app.store.log_out(&digest)?;
        return Ok(stranger());
    }
    tracing::info!("A browser logged in to the web chat");
    // One that had to give way ends its streams.
    desk.app.logouts.send_replace(());
    let mut response = bare(StatusCode::SEE_OTHER);
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("/"));
    set_cookie(&mut response, &cookie(&desk.rules, &value, LASTS.as_secs()));
    Ok(response)
}

/// `POST /api/logout`: the login ends here, whatever the browser keeps.
pub(crate) async fn log_out(
    State(desk): State<Desk>,
    Extension(login): Extension<Login>,
) -> Result<Response, Refused> {
    desk.app.store.log_out(&login.0)?;
    desk.app.logouts.send_replace(());
    tracing::info!("A browser logged out of the web chat");
    let mut response = json(StatusCode::OK, &serde_json::json!({}));
    set_cookie(&mut response, &cookie(&desk.rules, "", 0));
    Ok(response)
}

/// What is answered to a request that is not admitted. The connection ends with it.
pub(crate) fn refused(refusal: &Refusal, path: &str) -> Response {
    closing(match refusal {
        Refusal::Bare(StatusCode::METHOD_NOT_ALLOWED) => {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            response
        }
        Refusal::Bare(status) => bare(*status),
        Refusal::Stranger if path == "/" => stranger(),
        Refusal::Stranger => json(
            StatusCode::UNAUTHORIZED,
            &serde_json::json!({ "error": "this browser is not logged in; run `miniclaw web` and open its link" }),
        ),
    })
}

/// A status and nothing else, with which the connection ends.
pub(crate) fn closed(status: StatusCode) -> Response {
    closing(bare(status))
}

/// The same answer, with which the connection ends.
pub(crate) fn closing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A status and nothing else.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn answer(status: StatusCode, media_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The headers of every answer.
pub(crate) fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn stranger() -> Response {
    own_page(StatusCode::UNAUTHORIZED, include_str!("pages/stranger.html"))
}

/// A page that needs no file beside it.
fn own_page(status: StatusCode, html: &str) -> Response {
    let html = html.replace("{style}", STYLE).replace("{script}", SCRIPT);
    let mut response = answer(status, HTML, html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(LOGIN_POLICY));
    // With `no-referrer` a form would come without its origin, and be refused.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn cookie(rules: &Rules, value: &str, max_age: u64) -> String {
    let secure = if rules.secure { "; Secure" } else { "" };
    let name = &rules.cookie;
    format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}{secure}")
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn policy_of_the_login_page_allows_its_own_script_and_style_alone() {
        for text in [SCRIPT, STYLE] {
            let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
            assert!(
                LOGIN_POLICY.contains(&format!("'sha256-{digest}'")),
                "should be {digest}"
            );
        }
        assert_eq!(LOGIN_POLICY.matches("sha256-").count(), 2);
    }

    #[test]
    fn page_asks_for_files_that_there_are() {
        let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_');
        for (file, _, text) in FILES.iter().filter(|(_, kind, _)| kind.starts_with("text/")) {
            for quote in ['"', '\''] {
                let quoted = text.split(quote).skip(1).step_by(2);
                let names =
                    quoted.filter_map(|text| text.strip_prefix("./").or_else(|| text.strip_prefix('/')));
                for name in names.filter(|name| name.contains('.') && name.chars().all(is_name)) {
                    assert!(
                        FILES.iter().any(|(file, _, _)| *file == name),
                        "{file} asks for {name}"
                    );
                }
            }
        }
    }
}
