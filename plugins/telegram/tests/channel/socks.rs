//! A SOCKS5 proxy (RFC 1928, 1929) that leads to one place, wherever it is asked to go.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Starts the proxy; it takes `user` and `pass-word` alone.
pub(crate) async fn start(goal: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lead(stream, goal.clone()));
        }
    });
    address
}

async fn lead(mut client: TcpStream, goal: String) -> Option<()> {
    let [_version, count] = read(&mut client).await?;
    skip(&mut client, count).await?;
    client.write_all(&[5, 2]).await.ok()?;
    let [_version, length] = read(&mut client).await?;
    let user = skip(&mut client, length).await?;
    let [length] = read(&mut client).await?;
    let password = skip(&mut client, length).await?;
    if (user.as_slice(), password.as_slice()) != (b"user", b"pass-word") {
        return client.write_all(&[1, 1]).await.ok();
    }
    client.write_all(&[1, 0]).await.ok()?;
    // The name of a host: the proxy looks it up.
    let [5, 1, 0, 3, length] = read(&mut client).await? else {
        return None;
    };
    skip(&mut client, length + 2).await?;
    let mut server = TcpStream::connect(goal).await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}

async fn read<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

async fn skip(client: &mut TcpStream, length: u8) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
