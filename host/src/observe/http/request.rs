//! Which requests are answered.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use hyper::header::{CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, UPGRADE};
use hyper::http::HeaderValue;
use hyper::{Method, Request, StatusCode, Version};
use serde_json::Value;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Metrics,
    Alive(Form),
    Ready(Form),
    Started(Form),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// A request that is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) text: &'static str,
}

fn refused(status: StatusCode, text: &'static str) -> Refused {
    Refused { status, text }
}

/// # Errors
/// Everything but a plain GET or HEAD of one of the four paths.
pub(super) fn wanted<B>(request: &Request<B>, listens: SocketAddr) -> Result<Wanted, Refused> {
    let bad = |text| Err(refused(StatusCode::BAD_REQUEST, text));
    let (uri, headers) = (request.uri(), request.headers());
    if uri.scheme().is_some() || uri.authority().is_some() {
        return bad("this is no proxy: ask for a path alone");
    }
    if !is_our_host(request, listens) {
        return bad("the Host is none of this gateway's: ask by its numeric address, or as localhost");
    }
    if headers.contains_key(ORIGIN) {
        return Err(refused(
            StatusCode::FORBIDDEN,
            "pages of browsers are told nothing",
        ));
    }
    let found = match uri.path() {
        "/metrics" => None,
        "/livez" => Some(Wanted::Alive as fn(Form) -> Wanted),
        "/readyz" => Some(Wanted::Ready as fn(Form) -> Wanted),
        "/startupz" => Some(Wanted::Started as fn(Form) -> Wanted),
        _ => {
            let text = "there are /livez, /readyz, /startupz and /metrics";
            return Err(refused(StatusCode::NOT_FOUND, text));
        }
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"));
    }
    let empty = |length: &HeaderValue| length.as_bytes() == b"0";
    if headers.contains_key(TRANSFER_ENCODING)
        || headers.contains_key(UPGRADE)
        || !headers.get_all(CONTENT_LENGTH).iter().all(empty)
    {
        return bad("no body is read here");
    }
    match (found, uri.query()) {
        (None, None) => Ok(Wanted::Metrics),
        (Some(wanted), None) => Ok(wanted(Form::Text)),
        (Some(wanted), Some("format=json" | "verbose")) => Ok(wanted(Form::Json)),
        _ => bad("the only query is ?format=json, and /metrics has none"),
    }
}

/// A name that leads to this address from a page of somebody else's is not one of ours: on the loopback only numbers and
/// `localhost` count.
fn is_our_host<B>(request: &Request<B>, listens: SocketAddr) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return request.version() == Version::HTTP_10 && request.headers().get(HOST).is_none();
    };
    let Ok(host) = host.to_str() else { return false };
    if !listens.ip().is_loopback() {
        return !host.is_empty();
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let numeric = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let port = port.is_none_or(|port| port.parse() == Ok(listens.port()));
    port && (name.eq_ignore_ascii_case("localhost") || numeric.is_ok_and(|ip| ip.is_loopback()))
}

/// The same as [`Form::Json`], for people.
pub(super) fn lines(body: &Value) -> String {
    let word = |of: &Value, key: &str| of[key].as_str().unwrap_or("?").to_owned();
    let mut text = format!("{}\n", word(body, "status"));
    if body["started"] != true {
        text.push_str("the start is not over\n");
    }
    let _ = writeln!(text, "spool: {}", word(body, "spool"));
    for channel in body["channels"].as_array().into_iter().flatten() {
        let _ = write!(
            text,
            "channel {}: {}",
            word(channel, "channel"),
            word(channel, "state")
        );
        if channel["outage"] == true {
            text.push_str(", its platform is down");
        }
        if let Some(ms) = channel["heard_ms"].as_u64() {
            let _ = write!(text, ", heard its platform {} s ago", ms / 1000);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, target: &str, headers: &[(&str, &str)], listens: &str) -> Result<Wanted, u16> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        wanted(&request, listens.parse().unwrap()).map_err(|refused| refused.status.as_u16())
    }

    #[test]
    fn only_plain_questions_for_the_four_paths_are_answered() {
        let host = ("host", "127.0.0.1:9464");
        let of = |method, target, more: &[(&str, &str)]| {
            let headers: Vec<_> = [host].iter().chain(more).copied().collect();
            ask(method, target, &headers, "127.0.0.1:9464")
        };
        assert_eq!(of("GET", "/metrics", &[]), Ok(Wanted::Metrics));
        assert_eq!(
            of("HEAD", "/readyz", &[("content-length", "0")]),
            Ok(Wanted::Ready(Form::Text))
        );
        assert_eq!(
            of("GET", "/readyz?format=json", &[]),
            Ok(Wanted::Ready(Form::Json))
        );
        assert_eq!(of("GET", "/livez?verbose", &[]), Ok(Wanted::Alive(Form::Json)));
        assert_eq!(of("GET", "/metrics?format=json", &[]), Err(400));
        assert_eq!(of("GET", "/readyz?format=json&x", &[]), Err(400));
        assert_eq!(of("GET", "/readyz/", &[]), Err(404));
        assert_eq!(of("GET", "/%6detrics", &[]), Err(404));
        assert_eq!(of("POST", "/metrics", &[]), Err(405));
        assert_eq!(of("DELETE", "/nothing", &[]), Err(404));
        assert_eq!(of("GET", "http://127.0.0.1:9464/metrics", &[]), Err(400));
        assert_eq!(of("GET", "/metrics", &[("content-length", "3")]), Err(400));
        assert_eq!(
            of("GET", "/metrics", &[("transfer-encoding", "chunked")]),
            Err(400)
        );
        assert_eq!(
            of("GET", "/metrics", &[("origin", "http://127.0.0.1:9464")]),
            Err(403)
        );
        assert_eq!(of("GET", "/metrics", &[("host", "127.0.0.1:9464")]), Err(400));
    }

    #[test]
    fn on_the_loopback_no_name_but_localhost_leads_here() {
        let of = |host: &str, listens: &str| ask("GET", "/livez", &[("host", host)], listens).is_ok();
        for host in [
            "127.0.0.1:9464",
            "localhost:9464",
            "LOCALHOST",
            "[::1]:9464",
            "[::1]",
            "127.0.0.1",
        ] {
            assert!(of(host, "127.0.0.1:9464"), "{host}");
        }
        for host in [
            "evil.example:9464",
            "localhost.evil:9464",
            "127.0.0.1:80",
            "10.0.0.1:9464",
            "",
            "localhost:",
        ] {
            assert!(!of(host, "127.0.0.1:9464"), "{host}");
        }
        assert!(of("miniclaw.svc:9464", "0.0.0.0:9464"));
        assert_eq!(ask("GET", "/livez", &[], "127.0.0.1:9464"), Err(400));
    }
}
