//! Requests with deadlines.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Url};
use serde::Serialize;
use tokio::time::timeout_at;

use super::body::{Body, Deadlines};
use super::response::Response;
use super::roots::certificates;
use super::server::{Server, address};
use super::settings::{HttpSettings, Limits};
use crate::error::{Error, Result};

/// Values of headers that are shorter are no secrets; taking them out of every sentence would only garble it.
const SHORTEST_SECRET: usize = 8;

/// A client for one server. Cheap to clone, keeps connections open, and its `Debug` shows the address alone.
///
/// Proxies come from the usual environment variables, except that a server on the loopback interface is reached
/// directly. Certificates are checked against the roots of Mozilla that are built in and those in the PEM bundle that
/// `SSL_CERT_FILE` names, which is read when the client is made.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    secrets: Vec<String>,
    limits: Limits,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&address(&self.base)).finish()
    }
}

impl Client {
    /// A client for the server at `base_url`; nothing is sent yet.
    ///
    /// # Errors
    /// [`Cause::Config`](crate::Cause::Config): `base_url` is no address of a server, a deadline is none, or the
    /// file that `SSL_CERT_FILE` names is no bundle of certificates while `base_url` begins with `https`.
    pub fn new(base_url: &str, settings: &HttpSettings) -> Result<Self> {
        let base = parse_base(base_url)?;
        let limits = Limits::new(settings)?;
        // Roots are only read where they are needed: redirects, which could lead to TLS, are not followed.
        let tls = base.scheme() == "https";
        let mut builder = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .redirect(Policy::none())
            .user_agent(concat!("miniclaw/", env!("CARGO_PKG_VERSION")))
            .tls_built_in_root_certs(tls);
        if tls {
            builder = certificates()?
                .into_iter()
                .fold(builder, ClientBuilder::add_root_certificate);
        }
        if is_loopback(base.host_str().unwrap_or_default()) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::config(format!("cannot set up an HTTP client: {}", error.without_url()))
        })?;
        let mut client = Self {
            http,
            headers: HeaderMap::new(),
            secrets: credential(&base).into_iter().collect(),
            limits,
            base,
        };
        let query: Vec<(String, String)> = client.base.query_pairs().into_owned().collect();
        for (name, value) in query {
            client.remember_parameter(&name, value);
        }
        Ok(client)
    }

    /// Puts a parameter into the query of every request, beside those of the base address; the value counts as a
    /// secret unless the parameter is `api-version`.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.base.query_pairs_mut().append_pair(name, value);
        self.remember_parameter(name, value.to_owned());
        self
    }

    /// Sends `Authorization: Bearer KEY` with every request; white space around the key is passed over, and an
    /// empty key sends nothing.
    ///
    /// # Errors
    /// [`Cause::Config`](crate::Cause::Config): the key holds characters that no header can carry.
    pub fn bearer(mut self, key: &str) -> Result<Self> {
        let key = key.trim();
        if key.is_empty() {
            return Ok(self);
        }
        self.remember(key.to_owned());
        self.insert(AUTHORIZATION, &format!("Bearer {key}"), "the API key")
    }

    /// Sends a header with every request; the value counts as a secret.
    ///
    /// # Errors
    /// [`Cause::Config`](crate::Cause::Config): the name or the value is none that a header can have.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config(format!("`{}` is no name of an HTTP header", name.escape_debug())))?;
        for part in std::iter::once(value).chain(value.split_whitespace()) {
            if part.len() >= SHORTEST_SECRET {
                self.remember(part.to_owned());
            }
        }
        self.insert(parsed, value, &format!("the header `{name}`"))
    }

    /// Sends a key in a header with every request; white space around the key is passed over, and an empty key sends
    /// nothing.
    ///
    /// # Errors
    /// As for [`Client::header`].
    pub fn key(self, header: &str, key: &str) -> Result<Self> {
        match key.trim() {
            "" => Ok(self),
            key => self.header(header, key),
        }
    }

    /// Sends these headers with every request; the values count as secrets.
    ///
    /// # Errors
    /// As for [`Client::header`].
    pub fn headers<'a>(self, headers: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<Self> {
        let mut headers = headers.into_iter();
        headers.try_fold(self, |client, (name, value)| client.header(name, value))
    }

    /// The path of the base address.
    pub fn path(&self) -> &str {
        self.base.path()
    }

    /// Whether the base address or [`Client::query`] gives that parameter.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.base.query_pairs().any(|(key, _)| key == name)
    }

    /// The host of the base address, in lowercase.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Asks for `path` below the base address; returns when the head of a successful answer is there. What follows a
    /// `?` is the query.
    ///
    /// # Errors
    /// As in the [module's table](crate::http#errors).
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.send(Method::GET, path, None).await
    }

    /// Posts `body` as JSON to `path` below the base address; returns when the head of a successful answer is there.
    /// What follows a `?` is the query.
    ///
    /// # Errors
    /// As in the [module's table](crate::http#errors).
    ///
    /// # Cancel safety
    /// Dropping it closes the connection, by which most servers stop their work.
    pub async fn post<T: Serialize + Sync>(&self, path: &str, body: &T) -> Result<Response> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::permanent(format!("cannot write the request as JSON: {error}")))?;
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Response> {
        let url = self.url(path);
        let server = Server::new(&url, &self.secrets);
        let deadlines = Deadlines::begin(self.limits);
        let mut request = self.http.request(method, url).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let (deadline, late) = deadlines.before_first_byte(&server);
        let answer = match timeout_at(deadline, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(server.transport(error, self.limits.connect)),
            Err(_) => return Err(late),
        };
        tracing::debug!(server = %address(&self.base), path, status = answer.status().as_u16(), "Server answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = Body::new(answer.bytes_stream(), server.clone(), deadlines);
        if status.is_success() {
            return Ok(Response::new(&headers, body));
        }
        let text = body.begin_of_error().await;
        Err(server.refused(status.as_u16(), &headers, &text))
    }

    fn url(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            let own = self.base.query().map(|own| format!("{own}&")).unwrap_or_default();
            url.set_query(Some(&format!("{own}{query}")));
        }
        url
    }

    fn insert(mut self, name: HeaderName, value: &str, what: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Error::config(format!(
                "{what} holds a line break or other characters that no HTTP header can carry"
            ))
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// A version is what a sentence about a refused request has to show.
    fn remember_parameter(&mut self, name: &str, value: String) {
        if name != "api-version" && value.len() >= SHORTEST_SECRET {
            self.remember(value);
        }
    }

    /// Longer secrets come first, so that a part never hides the whole.
    fn remember(&mut self, secret: String) {
        self.secrets.push(secret);
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.secrets.dedup();
    }
}

fn parse_base(base_url: &str) -> Result<Url> {
    // The address is not quoted: it may hold credentials.
    let wrong = |reason: &str| {
        Error::config(format!(
            "settings.base_url: {reason}; give an address such as http://127.0.0.1:8080/v1"
        ))
    };
    let url = Url::parse(base_url.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it begins neither with http:// nor with https://"));
    }
    Ok(url)
}

/// What the address proves itself by: its password, or a key in the place of a name.
fn credential(base: &Url) -> Option<String> {
    let name = Some(base.username()).filter(|name| name.len() >= SHORTEST_SECRET);
    base.password().or(name).map(str::to_owned)
}

/// Whether a host, as it stands in an address, is this machine: no proxy of the environment leads there.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Cause;

    fn client(base_url: &str) -> Result<Client> {
        Client::new(base_url, &HttpSettings::default())
    }

    #[test]
    fn debug_shows_no_key() {
        let client = client("http://user:pass-word@127.0.0.1:9/v1?token=hidden")
            .and_then(|client| client.bearer(" sk-secret\n"))
            .and_then(|client| client.header("api-key", "other-secret"))
            .unwrap();
        assert_eq!(format!("{client:?}"), r#"Client("http://127.0.0.1:9/v1")"#);
        assert!(!format!("{:?}", client.headers).contains("secret"));
        assert!(client.secrets.iter().any(|secret| secret == "sk-secret"));
    }

    #[test]
    fn what_an_address_proves_itself_by_is_secret() {
        for (base_url, secrets) in [
            ("http://operator:pass-word@127.0.0.1:9", vec!["pass-word"]),
            ("http://operator@127.0.0.1:9", vec!["operator"]),
            ("http://sk-secret:@127.0.0.1:9", vec!["sk-secret"]),
            ("http://me@127.0.0.1:9", vec![]),
        ] {
            assert_eq!(client(base_url).unwrap().secrets, secrets, "{base_url}");
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused_without_being_quoted() {
        for base_url in [
            "",
            "localhost:11434",
            "ftp://user:pass-word@host",
            "http://",
            "http://user:pass-word@",
        ] {
            let error = client(base_url).unwrap_err();
            assert_eq!(error.cause, Cause::Config);
            assert!(error.message.starts_with("settings.base_url: "), "{error}");
            assert!(!error.message.contains("pass-word"), "{error}");
        }
    }

    #[test]
    fn headers_that_are_none_are_refused_without_their_value() {
        let client = client("http://127.0.0.1").unwrap();
        assert!(
            client
                .clone()
                .header("a b", "x")
                .unwrap_err()
                .message
                .contains("`a b`")
        );
        for error in [
            client.clone().header("a", "secret\nvalue").unwrap_err(),
            client.clone().bearer("secret\nvalue").unwrap_err(),
        ] {
            assert!(!error.message.contains("secret"), "{error}");
        }
        assert!(client.bearer("").unwrap().headers.is_empty());
    }

    #[test]
    fn parameters_go_with_every_request_and_are_secrets() {
        let client = client("http://127.0.0.1:9/v1?token=hidden-in-base")
            .unwrap()
            .query("api-version", "2024-10-21")
            .query("key", "hidden & odd");
        assert_eq!(
            client.base.query(),
            Some("token=hidden-in-base&api-version=2024-10-21&key=hidden+%26+odd")
        );
        assert_eq!(client.secrets, ["hidden-in-base", "hidden & odd"]);
    }

    #[test]
    fn query_of_a_path_joins_that_of_the_base_address() {
        for (base_url, path, url) in [
            ("http://h/v1/", "models?limit=2", "http://h/v1/models?limit=2"),
            ("http://h", "a/b:c?alt=sse", "http://h/a/b:c?alt=sse"),
            (
                "http://h/v1?v=1",
                "models?limit=2",
                "http://h/v1/models?v=1&limit=2",
            ),
            ("http://h/v1?v=1", "models", "http://h/v1/models?v=1"),
        ] {
            assert_eq!(client(base_url).unwrap().url(path).as_str(), url);
        }
    }

    #[test]
    fn loopback_is_recognized() {
        for (host, loopback) in [
            ("127.0.0.1", true),
            ("localhost", true),
            ("[::1]", true),
            ("10.0.0.1", false),
            ("api.openai.com", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
