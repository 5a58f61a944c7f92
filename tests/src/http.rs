//! A small HTTP/1.1 server: keep-alive, bodies by length or chunked, answers whole or in pieces. It costs a few
//! microseconds a request, so that benchmarks measure the gateway.

mod client;
mod connection;
mod reply;
mod request;

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use client::Client;
pub use reply::{End, Reply};
pub use request::Request;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the client goes away.
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// Accepts connections and answers their requests until dropped.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection::run(stream, handler.clone()))),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
