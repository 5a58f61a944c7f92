//! The built-in channel of Telegram in a process of its own, in the sandbox.

use std::io::Read as _;
use std::net::TcpListener;

use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::{ConfigFile, DEADLINE, FakeModel, Gateway, Home, procfs, until};
use serde_json::json;

use crate::phrases::READY;
use crate::setup::World;

/// First bytes of a TLS connection: a record of a handshake, and what it holds is a ClientHello.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

#[test]
fn telegram_in_a_sandbox_answers_and_outlives_the_end_of_its_process() {
    let world = World::with(|config| {
        config
            .with("/channels/telegram/isolation", json!("process"))
            .with("/gateway/restart_backoff", json!("1ms"))
    });
    let gateway = world.start();
    gateway.wait_for_line(READY);
    assert_eq!(world.say(7, "hello", 1), "re: hello [n=1]");
    let children = procfs::children(gateway.pid());
    let [child] = children[..] else {
        panic!("{children:?}")
    };
    // The token stands in no place that other users of the machine can see.
    assert!(
        !std::fs::read_to_string(format!("/proc/{child}/cmdline"))
            .unwrap()
            .contains(TOKEN)
    );
    miniclaw_tests::ward::kill_host(child);
    assert_eq!(world.say(7, "still there?", 2), "re: still there? [n=3]");
    let finished = gateway.stop();
    finished.expect_code(0);
    assert!(
        !finished.stderr.contains(TOKEN) && finished.stderr.contains("SIGKILL"),
        "{}",
        finished.stderr
    );
}

/// The roots that certificates are held against are built in, so that no server of a test is trusted: what is seen is that
/// the sandbox lets the client speak TLS, and that it trusts nobody it should not.
#[test]
fn telegram_in_a_sandbox_speaks_tls_and_believes_no_server_without_a_certificate() {
    let (home, model) = (Home::empty(), FakeModel::start());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = json!({ "token": TOKEN, "api_url": format!("https://localhost:{}", address.port()) });
    let entry =
        json!({ "plugin": "telegram", "isolation": "process", "allow_from": [42], "settings": settings });
    home.write_config(
        &ConfigFile::default()
            .model(&model)
            .channel("telegram", entry)
            .text(),
    );
    let gateway = Gateway::start(&home, &[]);
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    until("a connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut client, _) = accepted.unwrap();
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut record = [0; 6];
    client.read_exact(&mut record).unwrap();
    assert_eq!((record[0], record[5]), (HANDSHAKE, CLIENT_HELLO), "{record:?}");
    let mut rest = vec![0; usize::from(u16::from_be_bytes([record[3], record[4]])) - 1];
    client.read_exact(&mut rest).unwrap();
    assert!(
        rest.windows(9).any(|name| name == b"localhost"),
        "no name of the server"
    );
    assert!(!rest.windows(8).any(|bytes| bytes == &TOKEN.as_bytes()[..8]));
    // An answer in the clear is no answer.
    std::io::Write::write_all(&mut client, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    drop(client);
    gateway.wait_for_line("Plugin is restarted");
    assert!(gateway.is_running());
    gateway.stop().expect_code(0);
}
