//! Calls to the Bot API over a transport of our own: deadlines, caps, and what is known after a failure.

pub(crate) mod answer;
mod failure;
mod upload;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use miniclaw_plugin_api::http::extra_roots;
use miniclaw_plugin_api::{Cause, Error};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use failure::{Failure, Refusal, unauthorized};

/// What a call other than a poll may take.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer of the Bot API that is read, in bytes.
const ANSWER_CAP: usize = 16 * 1024 * 1024;
/// Name look-up, connection and TLS together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The deadline around the client's own, for the case that the client's does not fire.
const OUTER_GRACE: Duration = Duration::from_secs(1);

/// The Bot API as one bot sees it.
///
/// It has no `Debug`, and no error of it names an address: both would show the token.
pub(crate) struct Api {
    api_url: String,
    token: String,
    route: Route,
    client: Mutex<Client>,
}

/// The way to the Bot API.
#[derive(Default)]
pub(crate) struct Route {
    /// `None` where the environment says.
    pub(crate) proxy: Option<Proxy>,
    /// Past the environment's proxy, to a server on this machine.
    pub(crate) direct: bool,
    /// Trusted beside the built-in roots.
    pub(crate) roots: Vec<Certificate>,
}

impl Api {
    pub(crate) fn new(api_url: String, token: String, mut route: Route) -> Result<Self, Error> {
        let no_client = |error: reqwest::Error| {
            Error::transient(format!("no HTTP client for telegram: {}", failure::chain(&error)))
                .because(Cause::Network)
        };
        // A file that nobody needs keeps nobody from starting.
        let pem = if api_url.starts_with("https:") {
            extra_roots()?
        } else {
            Vec::new()
        };
        let roots = Certificate::from_pem_bundle(&pem).map_err(no_client)?;
        route.roots.extend(roots);
        let client = build_client(&route).map_err(no_client)?;
        Ok(Self {
            api_url,
            token,
            route,
            client: Mutex::new(client),
        })
    }

    /// Calls `method` and reads its result.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &impl Serialize,
        deadline: Duration,
    ) -> Result<T, Failure> {
        let body =
            serde_json::to_vec(body).map_err(|error| Failure::Unreachable(format!("no request: {error}")))?;
        let url = format!("{}/bot{}/{method}", self.api_url, self.token);
        let request = self
            .client()
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let (status, body) = self.fetch(request, deadline, ANSWER_CAP).await?;
        answer::read(status, &body).map_err(|failure| failure.without(&self.token))
    }

    /// Reads a file that `getFile` named.
    pub(crate) async fn download(
        &self,
        path: &str,
        deadline: Duration,
        cap: usize,
    ) -> Result<Vec<u8>, Failure> {
        let url = format!("{}/file/bot{}/{path}", self.api_url, self.token);
        let (status, body) = self.fetch(self.client().get(url), deadline, cap).await?;
        match status {
            200 => Ok(body),
            _ => Err(answer::read::<()>(status, &body)
                .err()
                .unwrap_or(Failure::Garbled(status))
                .without(&self.token)),
        }
    }

    /// Leaves all connections behind, for when one of them swallows requests.
    pub(crate) fn reconnect(&self) {
        if let Ok(client) = build_client(&self.route) {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        }
    }

    /// Sends a request and reads its answer up to `cap` bytes.
    async fn fetch(
        &self,
        request: RequestBuilder,
        deadline: Duration,
        cap: usize,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let exchanged = exchange(request, deadline, cap).await;
        exchanged.map_err(|failure| match self.route.proxy {
            Some(_) => failure.through_proxy(),
            None => failure,
        })
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn build_client(route: &Route) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_DEADLINE)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(20))
        // Below the 75 s after which common servers close an idle connection: a request that meets the close
        // is one of unknown outcome.
        .pool_idle_timeout(Duration::from_secs(50))
        // A redirect would carry the token, which is part of the path, to somewhere else.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(proxy) = &route.proxy {
        builder = builder.proxy(proxy.clone());
    } else if route.direct {
        builder = builder.no_proxy();
    }
    let roots = route.roots.iter();
    roots
        .cloned()
        .fold(builder, ClientBuilder::add_root_certificate)
        .build()
}

async fn exchange(
    request: RequestBuilder,
    deadline: Duration,
    cap: usize,
) -> Result<(u16, Vec<u8>), Failure> {
    let exchange = async {
        let response = request.timeout(deadline).send().await?;
        let status = response.status().as_u16();
        match read_body(response, cap).await {
            Ok(body) => Ok((status, body)),
            // The status alone says enough.
            Err(_) if status >= 500 => Ok((status, Vec::new())),
            Err(failure) => Err(failure),
        }
    };
    match tokio::time::timeout(deadline + OUTER_GRACE, exchange).await {
        Ok(result) => result,
        Err(_) => Err(Failure::TimedOut),
    }
}

async fn read_body(mut response: Response, cap: usize) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().unwrap_or_default();
    if announced > cap as u64 {
        return Err(Failure::TooLarge(cap));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > cap {
            return Err(Failure::TooLarge(cap));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
