//! Crowds of strangers who come back as soon as they are sent away.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;

const CROWD: usize = 200;
/// For whoever is logged in, or has a link.
const SOON: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Silent,
    ByteByByte,
    AgainAndAgain,
    HalfOpenStream,
    SlowLogin,
}

#[tokio::test]
async fn who_is_logged_in_gets_in_beside_a_crowd_of_strangers_and_so_does_a_link() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    for kind in [
        Kind::Silent,
        Kind::ByteByByte,
        Kind::AgainAndAgain,
        Kind::HalfOpenStream,
        Kind::SlowLogin,
    ] {
        let crowd = gathered(kind, &browser.host).await;
        let (base, token) = gateway.link().await;
        let owner = async {
            assert_eq!(browser.get("/api/chats").await.status, 200);
            let mut events = browser.events("", "").await;
            assert_eq!(events.named("hello").await.data["account"], "Web chat");
            let mut other = Browser::new(&base);
            assert_eq!(other.log_in(&token).await.status, 303);
            assert_eq!(other.get("/").await.status, 200);
        };
        let got_in = tokio::time::timeout(SOON * 4, owner).await;
        assert!(got_in.is_ok(), "{kind:?}: four requests took {SOON:?} each");
        drop(crowd);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn connections_of_who_is_logged_in_are_ended_for_no_crowd() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let mut events = browser.events("", "").await;
    let mut kept = TcpStream::connect(&browser.host).await.unwrap();
    asks_on(&mut kept, &browser).await;
    let _crowd = gathered(Kind::Silent, &browser.host).await;
    asks_on(&mut kept, &browser).await;
    gateway
        .kit
        .send(OutboundMessage::new(ChatRef::new("c-1"), "still here"))
        .await
        .unwrap();
    assert_eq!(events.named("message").await.data["text"], "still here");
    gateway.stop().await;
}

#[tokio::test]
async fn stranger_is_answered_once_on_a_connection_and_a_link_goes_on() {
    let gateway = Gateway::start().await;
    let (base, token) = gateway.link().await;
    let host = Browser::new(&base).host;
    for path in ["/login?token=00", "/login", "/", "/api/chats"] {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close"), "{path}: {answer}");
    }
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let _crowd = gathered_after(&mut stream, &host, &token).await;
    let form = format!(
        "POST /api/login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\ntoken={token}",
        "token=".len() + token.len()
    );
    assert_eq!(answered(&mut stream, &form).await, 303);
    gateway.stop().await;
}

/// A crowd that comes when a link was shown, and not used yet.
async fn gathered_after(stream: &mut TcpStream, host: &str, token: &str) -> JoinSet<()> {
    let look = format!("GET /login?token={token} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    assert_eq!(answered(stream, &look).await, 200);
    gathered(Kind::Silent, host).await
}

/// Asks on a connection that stays open.
async fn answered(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 16 * 1024];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    Answer::read(&answer)
        .unwrap_or_else(|| panic!("{answer:?}"))
        .status
}

/// Asks, and leaves the connection open.
async fn asks_on(stream: &mut TcpStream, browser: &Browser) {
    let (host, cookie) = (&browser.host, browser.cookie.as_ref().unwrap());
    let request = format!("GET /api/chats HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
    assert_eq!(answered(stream, &request).await, 200);
}

/// All of the crowd were connected at least once.
async fn gathered(kind: Kind, host: &str) -> JoinSet<()> {
    let (arrived, mut arrivals) = mpsc::channel(CROWD);
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let (host, arrived) = (host.to_owned(), arrived.clone());
        crowd.spawn(async move {
            // Who cannot connect at the moment tries again.
            while let Ok(stream) = TcpStream::connect(&host).await {
                let _ = arrived.try_send(());
                let _ = annoy(kind, stream, &host).await;
            }
        });
    }
    for _ in 0..CROWD {
        arrivals.recv().await.unwrap();
    }
    crowd
}

async fn annoy(kind: Kind, mut stream: TcpStream, host: &str) -> std::io::Result<()> {
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    match kind {
        Kind::Silent => {}
        Kind::ByteByByte => {
            for byte in ask("/api/chats").bytes().take(20) {
                stream.write_u8(byte).await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Kind::AgainAndAgain => loop {
            stream.write_all(ask("/login").as_bytes()).await?;
            if stream.read(&mut [0; 16 * 1024]).await? == 0 {
                return Ok(());
            }
        },
        Kind::HalfOpenStream => stream.write_all(ask("/api/events").as_bytes()).await?,
        Kind::SlowLogin => {
            let head = format!(
                "POST /api/login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 70\r\n\r\ntoken="
            );
            stream.write_all(head.as_bytes()).await?;
        }
    }
    // Nothing is said any more, until the other side has enough of it.
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}
