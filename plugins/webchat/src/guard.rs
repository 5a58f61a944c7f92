//! Who may ask at all: the exact host, no other site, and a browser that is logged in.
//!
//! A page of another site can make a browser send requests here, and one under a name that its owner points here can
//! even read the answers. Against the first stand `Origin`, `Sec-Fetch-Site` and a cookie that other sites' requests do
//! not carry; against the second the names of the host, all of which are known.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};

use crate::random::{self, Digest};
use crate::settings::Site;
use crate::store::Store;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Where a browser logs in.
pub(crate) const LOGIN: &str = "/api/login";
/// Cookies of one name that are looked at; a browser sends more only where somebody planted them.
const COOKIES: usize = 4;

/// What requests must be, at this port.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Where the page is for people.
    pub(crate) base: String,
    /// The cookie's name.
    pub(crate) cookie: String,
    /// The cookie never travels without TLS.
    pub(crate) secure: bool,
    /// Names of this listener itself, reached without TLS.
    own: Vec<String>,
    /// Names that a reverse proxy passes on.
    proxied: Vec<String>,
    public_origin: Option<String>,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login(pub(crate) Digest);

/// Why a request is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// It is told nothing but the status.
    Bare(StatusCode),
    /// A browser that is not logged in.
    Stranger,
}

impl Rules {
    pub(crate) fn new(site: &Site, address: SocketAddr) -> Self {
        let port = address.port();
        let mut own: Vec<String> = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .flat_map(|name| names(name, port))
            .collect();
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() {
            own.extend(names(&bracketed(ip), port));
        }
        let mut proxied = site.hosts.clone();
        proxied.extend(site.public.iter().map(|public| public.host.clone()));
        let local = if ip.is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            bracketed(ip)
        };
        let base = site.public.as_ref().map(|public| public.origin.clone());
        Self {
            base: base.unwrap_or_else(|| format!("http://{local}:{port}")),
            cookie: format!("miniclaw_{port}"),
            secure: site.public.as_ref().is_some_and(|public| public.secure),
            own,
            proxied,
            public_origin: site.public.as_ref().map(|public| public.origin.clone()),
        }
    }

    /// Whose request it is; `None` where nobody need be logged in for it.
    ///
    /// # Errors
    /// The request is not to be answered.
    pub(crate) fn admit(&self, request: &Parts, store: &Store) -> Result<Option<Login>, Refusal> {
        let host = self
            .host(request)
            .ok_or(Refusal::Bare(StatusCode::MISDIRECTED_REQUEST))?;
        let posts = match request.method {
            Method::GET | Method::HEAD => false,
            Method::POST => true,
            _ => return Err(Refusal::Bare(StatusCode::METHOD_NOT_ALLOWED)),
        };
        if !posts && has_body(&request.headers) {
            return Err(Refusal::Bare(StatusCode::BAD_REQUEST));
        }
        if !self.is_same_site(request, &host, posts) {
            return Err(Refusal::Bare(StatusCode::FORBIDDEN));
        }
        let path = request.uri.path();
        if posts && !has_media_type(&request.headers, path) {
            return Err(Refusal::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let public = if posts { path == LOGIN } else { path == "/login" };
        if public {
            return Ok(None);
        }
        self.login(&request.headers, store)
            .map(Some)
            .ok_or(Refusal::Stranger)
    }

    /// The one host that the request names, where it is one of ours.
    fn host(&self, request: &Parts) -> Option<String> {
        // A proxy's form of a target names a host of its own.
        if request.uri.authority().is_some() || !request.uri.path().starts_with('/') {
            return None;
        }
        let host = only(&request.headers, &HOST)?.to_ascii_lowercase();
        (self.own.contains(&host) || self.proxied.contains(&host)).then_some(host)
    }

    /// A link may be followed here from anywhere; nothing else begins on another site.
    fn is_same_site(&self, request: &Parts, host: &str, posts: bool) -> bool {
        let headers = &request.headers;
        let site = match headers.contains_key(SEC_FETCH_SITE) {
            true => only(headers, &SEC_FETCH_SITE).unwrap_or("odd"),
            false => "absent",
        };
        let followed = only(headers, &SEC_FETCH_MODE) == Some("navigate");
        let begins_here = match site {
            "same-origin" | "absent" => true,
            "none" => !posts,
            _ => !posts && followed && matches!(request.uri.path(), "/" | "/login"),
        };
        begins_here && (!posts || only(headers, &ORIGIN).is_some_and(|origin| self.is_own(origin, host)))
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        if self.public_origin.as_deref() == Some(origin) {
            return true;
        }
        match origin.split_once("://") {
            Some(("http", name)) => name == host,
            Some(("https", name)) => name == host && self.proxied.iter().any(|proxied| proxied == host),
            _ => false,
        }
    }

    /// The value of the cookie that this login came with.
    pub(crate) fn cookie_of(&self, headers: &HeaderMap, login: &Login) -> Option<String> {
        let mut values = self.cookies(headers);
        let value = values.find(|value| random::digest(value).is_some_and(|digest| digest == login.0));
        value.map(str::to_owned)
    }

    fn login(&self, headers: &HeaderMap, store: &Store) -> Option<Login> {
        // Where the store cannot be read, nobody is logged in.
        let valid = |digest: &Digest| store.is_logged_in(digest).unwrap_or(false);
        self.cookies(headers)
            .filter_map(random::digest)
            .find(valid)
            .map(Login)
    }

    fn cookies<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';'));
        let values = pairs.filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        values.take(COOKIES)
    }
}

/// A browser leaves the port out where it is the one of the scheme.
fn names(name: &str, port: u16) -> impl Iterator<Item = String> {
    let bare = (port == 80).then(|| name.to_owned());
    [format!("{name}:{port}")].into_iter().chain(bare)
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The value of a header that stands there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .is_some_and(|length| length.as_bytes() != b"0");
    length || headers.contains_key(TRANSFER_ENCODING)
}

fn has_media_type(headers: &HeaderMap, path: &str) -> bool {
    let expected = if path == LOGIN {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let given = only(headers, &CONTENT_TYPE).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(expected)
}
