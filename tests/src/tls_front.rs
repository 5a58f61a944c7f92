//! TLS before a fake server, so that clients shake hands for real.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::ServerThread;
use crate::watched::{DEADLINE, Watched};

/// A proxy on loopback that speaks TLS to clients, as `localhost`. It ends when this is dropped.
pub struct TlsFront {
    handshakes: Arc<Watched<Handshakes>>,
    url: String,
    _thread: Arc<ServerThread>,
}

/// What came of those who connected.
#[derive(Debug, Default, Clone)]
pub struct Handshakes {
    pub done: usize,
    /// Why the others failed.
    pub failed: Vec<String>,
}

impl TlsFront {
    /// Starts a front on a thread of its own; `url` is what clients would call without it.
    ///
    /// # Panics
    /// Where `url` is no address in the clear that begins with an IP address and a port.
    pub fn before(url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap();
        let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let server = server.parse().unwrap();
        let handshakes = Arc::new(Watched::new(Handshakes::default()));
        let (acceptor, counted) = (acceptor(), handshakes.clone());
        let thread = ServerThread::start();
        let address = thread.listen(move |listener| run(listener, acceptor, server, counted));
        Self {
            handshakes,
            url: format!("https://localhost:{}{path}", address.port()),
            _thread: thread,
        }
    }

    /// What clients call.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many handshakes came to what, so far.
    pub fn handshakes(&self) -> Handshakes {
        self.handshakes.lock().clone()
    }

    /// Waits until a handshake has failed; returns why.
    ///
    /// # Panics
    /// At the deadline.
    pub fn wait_for_failure(&self) -> String {
        self.handshakes
            .wait(DEADLINE, |handshakes| handshakes.failed.first().cloned())
            .unwrap_or_else(|| panic!("no handshake failed within {DEADLINE:?}: {:?}", self.handshakes()))
    }
}

/// The certificate of the authority that signed the front's, for `SSL_CERT_FILE`.
pub fn authority() -> PathBuf {
    file("authority.pem")
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tls", name].iter().collect()
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn run(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    server: SocketAddr,
    handshakes: Arc<Watched<Handshakes>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connect(stream, acceptor.clone(), server, handshakes.clone());
                drop(tokio::spawn(connection));
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn connect(
    client: TcpStream,
    acceptor: TlsAcceptor,
    server: SocketAddr,
    handshakes: Arc<Watched<Handshakes>>,
) {
    let handshake = timeout(DEADLINE, acceptor.accept(client)).await;
    let mut client = match handshake.unwrap_or_else(|late| Err(late.into())) {
        Ok(client) => client,
        Err(error) => return handshakes.change(|all| all.failed.push(error.to_string())),
    };
    handshakes.change(|all| all.done += 1);
    let mut server = TcpStream::connect(server).await.unwrap();
    // Either side ends connections as it likes.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
