//! The one TCP port of the host, where the configuration wants it: health and metrics, to be read and nothing else.
//!
//! A connection carries one request, which has no body; it names one of four paths exactly, and changes nothing.

mod places;
mod request;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tracing::{debug, info, warn};

use self::places::{Place, Places};
use self::request::{Form, Refused, Wanted};
use super::exposition;
use super::health::{Beat, Readiness};
use super::metrics::Metrics;
use crate::tasks::Tasks;

/// Connections that wait to be accepted. Whom the system has no room for tries again after a second at the earliest.
const WAITING: i32 = 1024;
/// For the head of a request.
const HEAD: Duration = Duration::from_secs(3);
/// For a whole connection.
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of a head, and headers in it.
const HEAD_BYTES: usize = 8 * 1024;
const HEADERS: usize = 64;

/// A port that is taken and not served yet.
pub(crate) struct Door {
    listener: TcpListener,
    address: SocketAddr,
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("key `http.listen`: cannot listen on {address}: {source}; {}", advice(source))]
pub(crate) struct DoorError {
    address: SocketAddr,
    source: std::io::Error,
}

fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program has this port: choose another one",
        std::io::ErrorKind::AddrNotAvailable => "no network interface has this address",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 are for root alone: choose a higher one",
        _ => "choose another address",
    }
}

impl Door {
    /// # Errors
    /// Where somebody else has the port, or nobody may.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, DoorError> {
        let failed = |source| DoorError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        rustix::net::listen(&listener, WAITING)
            .map_err(std::io::Error::from)
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Answers until the runtime ends.
    pub(crate) async fn serve(self, metrics: Arc<Metrics>, tasks: Tasks) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                warn!(%error, "Health and metrics cannot be told");
                return;
            }
        };
        let address = self.address;
        info!(%address, "Health and metrics are told over HTTP");
        if !address.ip().is_loopback() {
            warn!(%address, "Whoever reaches this address may read health and metrics: let a firewall choose who does");
        }
        let places = Arc::new(Places::default());
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let place = places.enter().await;
                    let connection = serve(stream, place, metrics.clone(), address);
                    tasks.spawn("http connection", connection);
                }
                Err(error) => {
                    warn!(%error, "HTTP connection not taken");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, place: Place, metrics: Arc<Metrics>, address: SocketAddr) {
    let place = Arc::new(place);
    let served = tokio::time::timeout(WHOLE, converse(stream, place.clone(), metrics, address));
    tokio::select! {
        biased;
        // What has arrived is answered, even where the place is needed.
        served = served => match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "HTTP connection broke"),
            Err(_) => debug!("HTTP connection took too long"),
        },
        () = place.needed() => debug!("HTTP connection ended, since others wait"),
    }
}

async fn converse(
    stream: TcpStream,
    place: Arc<Place>,
    metrics: Arc<Metrics>,
    address: SocketAddr,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let (metrics, place) = (metrics.clone(), place.clone());
        async move {
            place.answers(true);
            let answered = answer(&request, &metrics, address).await;
            place.answers(false);
            Ok::<_, Infallible>(answered)
        }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    request: &Request<Incoming>,
    metrics: &Metrics,
    address: SocketAddr,
) -> Response<Full<Bytes>> {
    match request::wanted(request, address) {
        Ok(wanted) => told(wanted, metrics).await,
        Err(Refused { status, text }) => page(status, request::TEXT, format!("{text}\n")),
    }
}

async fn told(wanted: Wanted, metrics: &Metrics) -> Response<Full<Bytes>> {
    let health = &metrics.health;
    match wanted {
        Wanted::Metrics => page(StatusCode::OK, exposition::CONTENT_TYPE, metrics.page().await),
        Wanted::Alive(form) => {
            let alive = health.beat().await != Beat::Silent;
            short(form, alive, "alive", "the spool does not answer")
        }
        Wanted::Started(form) => short(form, health.is_started(), "started", "starting"),
        Wanted::Ready(form) => {
            let (readiness, body) = health.readiness().await;
            let status = status(readiness != Readiness::Unready);
            match form {
                Form::Json => page(status, request::JSON, format!("{body:#}\n")),
                Form::Text => page(status, request::TEXT, request::lines(&body)),
            }
        }
    }
}

fn short(form: Form, well: bool, yes: &str, no: &str) -> Response<Full<Bytes>> {
    let word = if well { yes } else { no };
    match form {
        Form::Json => {
            let body = serde_json::json!({ "status": word });
            page(status(well), request::JSON, format!("{body}\n"))
        }
        Form::Text => page(status(well), request::TEXT, format!("{word}\n")),
    }
}

fn status(well: bool) -> StatusCode {
    match well {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
