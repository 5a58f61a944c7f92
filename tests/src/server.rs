//! The thread that fake servers run on, apart from the tests, so that tests themselves stay synchronous.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::http::{self, Handler};

/// The name of the thread, as the kernel shows it.
pub const THREAD: &str = "fake-servers";

/// One thread with a tokio runtime; everything on it ends when this is dropped.
#[derive(Debug)]
pub struct ServerThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Starts the thread.
    pub fn start() -> Arc<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(THREAD.into())
            .spawn(move || {
                // An error means that the owner is gone, which is a stop as well.
                let _ = runtime.block_on(stopped);
            })
            .unwrap();
        Arc::new(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Serves HTTP on a free port of the loopback interface.
    pub fn serve<H: Handler>(&self, handler: Arc<H>) -> SocketAddr {
        self.listen(|listener| http::serve(listener, handler))
    }

    /// Runs `serve` with a listener on a free port of the loopback interface.
    pub fn listen<F>(&self, serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static) -> SocketAddr
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        self.handle.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve(listener).await;
        });
        address
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was printed by its own thread.
            let _ = thread.join();
        }
    }
}
