use std::time::{Duration, Instant};

use miniclaw_tests::chance::Chance;
use miniclaw_tests::{Crowd, procfs, until};

use super::{address, ask, get, observed};
use crate::phrases::READY;

const METHODS: [&str; 12] = [
    "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "GET\t", "PROPFIND", "", "GETT",
];
const TARGETS: [&str; 24] = [
    "/",
    "/metrics/",
    "//metrics",
    "/metrics?",
    "/metrics?x=1",
    "/../metrics",
    "/./livez",
    "/livez/../metrics",
    "/%6detrics",
    "/livez%00",
    "/readyz;x",
    "/readyz?format=xml",
    "/readyz?format=json&format=json",
    "/admin",
    "/.git/config",
    "/etc/passwd",
    "/../../etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "*",
    "metrics",
    "http://127.0.0.1/metrics",
    "http://evil.example/livez",
    "/livez%23x",
    "/METRICS",
];
const HEADERS: [&str; 16] = [
    "Host: evil.example",
    "Host: evil.example:80",
    "Host: 127.0.0.1:1",
    "Host: 127.0.0.1.evil.example",
    "Host: ",
    "Origin: null",
    "Origin: http://evil.example",
    "Transfer-Encoding: chunked",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 1, 2",
    "Upgrade: websocket",
    "Host: [::2]",
    "Host: localhost.",
    "Bad Header: x",
    "Content-Length: 99999999999999999999",
];

/// A request that is wrong in at least one way.
fn hostile(chance: &mut Chance, address: &str, number: usize) -> Vec<u8> {
    let pick = |chance: &mut Chance, of: &[&'static str]| of[chance.below(of.len() as u64) as usize];
    let host = format!("Host: {address}");
    let (mut method, mut target, mut headers) = ("GET", "/metrics", vec![host.clone()]);
    match number % 6 {
        0 => method = pick(chance, &METHODS),
        1 => target = pick(chance, &TARGETS),
        2 => {
            let header = pick(chance, &HEADERS);
            if header.starts_with("Host") && chance.below(2) == 0 {
                headers.clear();
            }
            headers.push(header.to_owned());
        }
        3 => {
            headers = vec![format!(
                "{host}\r\nX: {}",
                "x".repeat(9_000 + chance.below(9_000) as usize)
            )]
        }
        4 => headers.extend((0..70 + chance.below(100)).map(|n| format!("X-{n}: y"))),
        _ => {
            let noise: Vec<u8> = (0..chance.below(400)).map(|_| chance.below(256) as u8).collect();
            return [noise.as_slice(), b"\r\n\r\n"].concat();
        }
    }
    if number.is_multiple_of(7) {
        target = pick(chance, &TARGETS);
    }
    format!(
        "{method} {target} HTTP/1.1\r\n{}\r\n\r\nhello",
        headers.join("\r\n")
    )
    .into_bytes()
}

#[test]
fn of_a_thousand_hostile_requests_none_is_answered() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    let mut chance = Chance::seeded(9464);
    for number in 0..1_200 {
        let request = hostile(&mut chance, &address, number);
        let (status, head, _) = ask(&address, &request);
        let text = String::from_utf8_lossy(&request);
        assert!(status == 0 || (400..600).contains(&status), "{head}\nto\n{text}");
    }
    assert_eq!(get(&address, "/livez").0, 200);
    assert_eq!(world.say(7, "still there?", 1), "re: still there? [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn connections_that_say_nothing_are_ended_and_use_up_no_more_than_their_places() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line(READY);
    let before = procfs::open_files(gateway.pid());
    let silent: Vec<_> = (0..50)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    // The oldest of them give way.
    assert_eq!(get(&address, "/livez").0, 200);
    until("those that gave way to be closed", || {
        procfs::open_files(gateway.pid()) < before + 40
    });
    drop(silent);
    gateway.stop().expect_code(0);
}

/// What each connection of a crowd says, before it says nothing any more.
const BEGINNINGS: [&str; 3] = [
    "",
    "GET /livez HTTP/1.1\r\nHo",
    "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
];

/// Within which a prober is answered.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_prober_is_answered_beside_two_hundred_connections_of_each_kind() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    for beginning in BEGINNINGS {
        let crowd = Crowd::gather(&address, 200, beginning.as_bytes());
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(get(&address, "/livez").0, 200);
            assert!(begun.elapsed() < SOON, "{beginning:?}: {:?}", begun.elapsed());
        }
        drop(crowd);
    }
    gateway.stop().expect_code(0);
}
