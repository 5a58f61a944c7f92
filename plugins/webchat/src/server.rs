//! The listener and its connections.

mod bind;
mod places;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use miniclaw_plugin_api::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tower_service::Service as _;

use crate::api::{self, Desk};
use crate::app::App;
use crate::guard::Rules;
use crate::settings::Site;
use crate::{Webchat, lock, pages};
use places::{Place, Places};
use wire::Wire;

/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long the body of a request may take.
const BODY_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take to begin.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// Largest head of a request, and largest body, in bytes.
const HEAD_CAP: usize = 16 * 1024;
const BODY_CAP: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// How long connections may take to end.
const CLOSE_DEADLINE: Duration = Duration::from_millis(1500);
/// After a connection could not be accepted, for want of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The one from before may go on writing for as long as it has something under way; looks for that, and for how long.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 620;
/// Between sweeps of what is old.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

/// A running server.
pub(crate) struct Server {
    pub(crate) rules: Arc<Rules>,
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells that the server closes.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn begun(&mut self) {
        // An error means that the server is gone.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

impl Webchat {
    /// Serves from here on, where it does not yet; `false` where an instance of this one's own has the port still.
    ///
    /// # Errors
    /// Nobody can listen there.
    pub(crate) fn serve(&self) -> Result<bool> {
        let app = self.app()?;
        let mut server = lock(&self.server);
        if server.as_ref().is_some_and(|server| !server.task.is_finished()) {
            return Ok(true);
        }
        let Some(listener) = bind::bind(&self.site, &app.store)? else {
            return Ok(false);
        };
        *server = Some(Server::start(app, &self.site, listener)?);
        Ok(true)
    }

    /// Ends the server, once its streams said goodbye.
    pub(crate) async fn close(&self) {
        let server = lock(&self.server).take();
        if let Some(server) = server {
            server.close.send_replace(true);
            // It ended by itself, or by a panic, which was told.
            let _ = server.task.await;
            let _ = self.app().and_then(|app| app.store.note(bind::HELD, ""));
        }
    }
}

impl Server {
    fn start(app: &Arc<App>, site: &Site, listener: TcpListener) -> Result<Self> {
        let address = listener
            .local_addr()
            .map_err(|error| bind::cannot_listen(site.listen, &error))?;
        let port = address.port().to_string();
        app.store.note(bind::HELD, &port)?;
        app.store.note(bind::LAST, &port)?;
        let rules = Arc::new(Rules::new(site, address));
        tracing::info!(listen = %address, "The web chat listens");
        if address.port() != site.listen.port() && site.listen.port() != 0 {
            tracing::warn!(
                "{} is taken by another program, so that the web chat has another port; `settings.listen` gives it one for good",
                site.listen
            );
        }
        let (close, closing) = watch::channel(false);
        let desk = Desk {
            app: app.clone(),
            rules: rules.clone(),
            closing: Closing(closing),
        };
        let days = site.history_days;
        let task = app.context.spawn(async move {
            let keep = keep(desk.app.clone(), days);
            tokio::select! {
                () = serve(listener, desk) => {}
                () = keep => {}
            }
        });
        Ok(Self { rules, close, task })
    }
}

/// Sees to the store, without an end.
async fn keep(app: Arc<App>, days: u32) {
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let _ = app.store.refresh();
    }
    loop {
        if let Err(error) = app.store.sweep(days) {
            tracing::warn!(%error, "Old messages of the web chat are not removed");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

/// Accepts connections until the server closes, and ends them then.
async fn serve(listener: TcpListener, desk: Desk) {
    let mut closing = desk.closing.clone();
    let places = Arc::new(Places::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.begun() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "A request to the web chat ended in a panic");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let place = places.enter().await;
                connections.spawn(connection(stream, desk.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "The web chat cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(CLOSE_DEADLINE, ended).await;
}

async fn connection(stream: TcpStream, desk: Desk, place: Place) {
    let mut closing = desk.closing.clone();
    let place = Arc::new(place);
    // Small answers are the rule.
    let _ = stream.set_nodelay(true);
    let router = api::router(desk.clone());
    let kept = place.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (desk, router, place) = (desk.clone(), router.clone(), kept.clone());
        async move {
            let answered = answer(&desk, router, &place, request.map(Body::new)).await;
            Ok::<_, std::convert::Infallible>(answered)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_CAP)
        .max_headers(HEADERS);
    let connection = http.serve_connection(TokioIo::new(Wire::new(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        // What has arrived is answered, even where the place is needed.
        ended = connection.as_mut() => ended,
        () = place.needed() => return,
        () = closing.begun() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection to the web chat broke");
    }
}

async fn answer(desk: &Desk, router: Router, place: &Place, request: Request<Body>) -> Response {
    let (mut head, body) = request.into_parts();
    let response = match desk.rules.admit(&head, &desk.app.store) {
        Err(refusal) => {
            tracing::debug!(?refusal, "Request to the web chat refused");
            pages::refused(&refusal, head.uri.path())
        }
        Ok(login) => {
            let mut stays = login.is_some() && place.keep();
            if let Some(login) = login {
                head.extensions.insert(login);
            }
            let response = admitted(router, head, body).await;
            // A stranger succeeds with a link that is good, and by nothing else.
            let status = response.status();
            stays = stays || ((status.is_success() || status.is_redirection()) && place.keep());
            if stays { response } else { pages::closing(response) }
        }
    };
    pages::finish(response)
}

async fn admitted(mut router: Router, head: Parts, body: Body) -> Response {
    let body = match whole(&head.method, body).await {
        Ok(body) => body,
        Err(status) => return pages::closed(status),
    };
    match timeout(ANSWER_DEADLINE, router.call(Request::from_parts(head, body))).await {
        Ok(Ok(response)) => response,
        Err(_) => pages::closed(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// The body of a request, or the status of its refusal.
async fn whole(method: &Method, body: Body) -> std::result::Result<Body, StatusCode> {
    if method != Method::POST {
        return Ok(Body::empty());
    }
    match timeout(BODY_DEADLINE, axum::body::to_bytes(body, BODY_CAP)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        // Too long, or cut short, which nobody is told.
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
