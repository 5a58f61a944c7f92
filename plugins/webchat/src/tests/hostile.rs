//! Requests that nobody honest sends. None is accepted, and none changes anything.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use miniclaw_plugin_api::{ChatRef, OutboundMessage};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::browser::Answer;
use super::*;

/// Generated requests.
const REQUESTS: u32 = 1_500;

/// What a hostile request gets wrong; everything else of it is right.
#[derive(Clone, Debug)]
enum Wrong {
    Cookie(String),
    Origin(Option<String>),
    Host(Vec<String>),
    Site(String),
    Target(String),
    Method(String),
    Media(Option<String>),
    Traversal(String),
    Token(String),
    LongHead(usize),
    ManyHeaders(usize),
    LongBody(usize),
    Framing(String),
    Bytes(Vec<u8>),
}

/// What requests are made with.
#[derive(Clone)]
struct Known {
    host: String,
    port: String,
    cookie: String,
    used: String,
}

fn foreign_hosts(port: &str) -> Vec<String> {
    let names = [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "xlocalhost",
        "localhost.",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "user@127.0.0.1",
        "127.0.0.1@evil.example",
        "127.0.0.1,evil.example",
        "127.0.0.1%00",
        "127.0.0.1/evil",
        "",
    ];
    let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
    hosts.extend(
        [
            "127.0.0.1",
            "localhost",
            "127.0.0.1:",
            "localhost:80",
            "127.0.0.1:99999",
            "evil.example",
            "",
        ]
        .map(str::to_owned),
    );
    hosts.push(format!("127.0.0.1:{port}0"));
    hosts.push(format!("127.0.0.1:0{port}"));
    hosts.push(format!("127.0.0.1:{port}:{port}"));
    hosts
}

fn foreign_origins(host: &str, port: &str) -> Vec<Option<String>> {
    let mut origins: Vec<Option<String>> = foreign_hosts(port)
        .into_iter()
        .filter(|foreign| !foreign.is_empty())
        .flat_map(|foreign| [format!("http://{foreign}"), format!("https://{foreign}")])
        .map(Some)
        .collect();
    origins.push(None);
    let odd = [
        "null".into(),
        String::new(),
        host.to_owned(),
        format!("https://{host}"),
        format!("http://{host}/"),
        format!("HTTP://{host}"),
        format!("http://localhost:{port}"),
        format!("http://{host} http://evil.example"),
        format!("http://evil.example, http://{host}"),
        "file://".into(),
        "chrome-extension://abc".into(),
    ];
    origins.extend(odd.into_iter().map(Some));
    origins
}

fn traversals() -> Vec<String> {
    let ups = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "%252e%252e",
        "..%2f",
        "..%5c",
        "..\\",
        "%c0%ae%c0%ae",
        "..;",
        "....//",
        "%00",
        "%2f%2f",
    ];
    let files = [
        "etc/passwd",
        "Cargo.toml",
        "chats.db",
        "src/lib.rs",
        "app.js%00.html",
        "index.html/..",
        "login.html",
    ];
    let bases = [
        "/",
        "/api/",
        "/api/chats/",
        "/api/sessions/../",
        "/app.js/",
        "/static/",
        "//",
        "/page/",
    ];
    let mut paths = Vec::new();
    for base in bases {
        for up in ups {
            for file in files {
                paths.push(format!("{base}{up}/{up}/{file}"));
            }
        }
    }
    paths
}

fn wrong(known: &Known) -> impl Strategy<Value = Wrong> + use<> {
    let (name, value) = known.cookie.split_once('=').unwrap();
    let (name, value) = (name.to_owned(), value.to_owned());
    let cookies = vec![
        String::new(),
        "=".into(),
        name.clone(),
        format!("{name}="),
        format!("{name}={}", known.used),
        format!("x{name}={value}"),
        format!("{name}x={value}"),
        format!("{}={value}", name.to_uppercase()),
        format!("{name}={value}0"),
        format!("{name}={}", &value[1..]),
        format!(
            "{name}={}",
            value
                .to_uppercase()
                .replace(|char: char| char.is_ascii_digit(), "A")
        ),
        format!("{name}=\"{value}\""),
        format!("miniclaw_1={value}"),
        format!("{name}={}", "0".repeat(64)),
        format!("{name}=' OR 1=1 --"),
        format!("{name}={value} {name}"),
    ];
    let tokens = vec![
        String::new(),
        known.used.clone(),
        "0".repeat(64),
        "f".repeat(64),
        "' OR '1'='1".into(),
        "%00".into(),
        "../../etc/passwd".into(),
        format!("{}&token={}", "0".repeat(64), known.used),
        known.used.to_uppercase(),
        "x".repeat(5000),
    ];
    let hosts: Vec<Vec<String>> = foreign_hosts(&known.port)
        .into_iter()
        .map(|host| vec![host])
        .chain([
            vec![],
            vec![known.host.clone(), known.host.clone()],
            vec![known.host.clone(), "evil.example".into()],
            vec!["evil.example".into(), known.host.clone()],
        ])
        .collect();
    let own = known.host.clone();
    let targets = vec![
        format!("http://{own}/api/chats"),
        "http://evil.example/api/chats".into(),
        format!("http://evil.example@{own}/"),
        "*".into(),
        own.clone(),
        "evil.example:443".into(),
        "api/chats".into(),
        "".into(),
        format!("https://{own}/"),
        "//evil.example/../api/chats?".into(),
    ];
    let methods = [
        "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "get", "PROPFIND",
        "G\u{e9}T", "POST\tX", "",
    ];
    let media = vec![
        None,
        Some("text/plain".into()),
        Some("application/x-www-form-urlencoded".into()),
        Some("multipart/form-data; boundary=x".into()),
        Some("application/jsonp".into()),
        Some("application/json, text/plain".into()),
        Some(String::new()),
        Some("text/plain; application/json".into()),
    ];
    let framings = [
        "Content-Length: -1",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding : chunked",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
        "Content Length: 5",
        ": x",
        "X: \0",
        " folded: x",
    ];
    let sites = [
        "cross-site",
        "same-site",
        "CROSS-SITE",
        "none",
        "",
        "same-origin, cross-site",
        "odd",
    ];
    let text = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    prop_oneof![
        prop::sample::select(cookies).prop_map(Wrong::Cookie),
        "[0-9a-f]{64}".prop_map(move |value| Wrong::Cookie(format!("{name}={value}"))),
        prop::sample::select(foreign_origins(&known.host, &known.port)).prop_map(Wrong::Origin),
        prop::sample::select(hosts).prop_map(Wrong::Host),
        prop::sample::select(text(&sites)).prop_map(Wrong::Site),
        prop::sample::select(targets).prop_map(Wrong::Target),
        prop::sample::select(text(&methods)).prop_map(Wrong::Method),
        prop::sample::select(media).prop_map(Wrong::Media),
        prop::sample::select(traversals()).prop_map(Wrong::Traversal),
        prop::sample::select(tokens).prop_map(Wrong::Token),
        "[0-9a-f]{64}".prop_map(Wrong::Token),
        (16_500usize..80_000).prop_map(Wrong::LongHead),
        (65usize..400).prop_map(Wrong::ManyHeaders),
        (65_537usize..200_000).prop_map(Wrong::LongBody),
        prop::sample::select(text(&framings)).prop_map(Wrong::Framing),
        prop::collection::vec(any::<u8>(), 1..400).prop_map(Wrong::Bytes),
    ]
}

impl Wrong {
    /// The bytes of a request that is right but for this.
    fn request(&self, known: &Known) -> Vec<u8> {
        let body = r#"{"id":"evil-1","text":"evil"}"#;
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let json = "Content-Type: application/json\r\n";
        let (host, cookie) = (
            format!("Host: {}\r\n", known.host),
            format!("Cookie: {}\r\n", known.cookie),
        );
        let origin = format!("Origin: http://{}\r\n", known.host);
        let say = "/api/chats/evil/messages";
        let post = |method: &str, target: &str, headers: &str, body: &str| {
            format!(
                "{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let whole = |extra: &str, body: &str| {
            post("POST", say, &format!("{host}{cookie}{origin}{json}{extra}"), body)
        };
        let text = match self {
            Self::Cookie(cookie) => post(
                "POST",
                say,
                &format!("{host}Cookie: {cookie}\r\n{origin}{json}"),
                body,
            ),
            Self::Origin(origin) => {
                let origin = origin
                    .iter()
                    .map(|origin| format!("Origin: {origin}\r\n"))
                    .collect::<String>();
                post("POST", say, &format!("{host}{cookie}{origin}{json}"), body)
            }
            Self::Host(hosts) => {
                let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
                post("POST", say, &format!("{hosts}{cookie}{origin}{json}"), body)
            }
            Self::Site(site) => whole(&format!("Sec-Fetch-Site: {site}\r\n"), body),
            Self::Target(target) => {
                format!("GET {target} HTTP/1.1\r\n{host}{cookie}Connection: close\r\n\r\n")
            }
            Self::Method(method) => post(method, say, &format!("{host}{cookie}{origin}{json}"), body),
            Self::Media(media) => {
                let media: String = media
                    .iter()
                    .map(|media| format!("Content-Type: {media}\r\n"))
                    .collect();
                post("POST", say, &format!("{host}{cookie}{origin}{media}"), body)
            }
            Self::Traversal(path) => {
                format!("GET {path} HTTP/1.1\r\n{host}{cookie}Connection: close\r\n\r\n")
            }
            Self::Token(token) => post(
                "POST",
                "/api/login",
                &format!("{host}{origin}{form}"),
                &format!("token={token}"),
            ),
            Self::LongHead(length) => whole(&format!("X-Long: {}\r\n", "x".repeat(*length)), body),
            Self::ManyHeaders(count) => whole(&"X: y\r\n".repeat(*count), body),
            Self::LongBody(length) => whole(
                "",
                &format!(r#"{{"id":"evil-1","text":"{}"}}"#, "x".repeat(*length)),
            ),
            Self::Framing(framing) => {
                format!(
                    "POST {say} HTTP/1.1\r\n{host}{cookie}{origin}{json}{framing}\r\nConnection: close\r\n\r\nevil!"
                )
            }
            Self::Bytes(bytes) => return [bytes.as_slice(), b"\r\n\r\n"].concat(),
        };
        text.into_bytes()
    }
}

#[test]
fn none_of_a_thousand_hostile_requests_is_accepted_or_changes_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (gateway, known, browser) = runtime.block_on(besieged());
    let before = runtime.block_on(shown(&browser));
    let answers = attack(&runtime, &known, &browser);
    assert!(answers.values().sum::<u32>() >= REQUESTS, "{answers:?}");
    for status in [400, 401, 403, 404, 405, 413, 415, 421, 431] {
        assert!(answers.contains_key(&status), "never {status}: {answers:?}");
    }
    runtime.block_on(async {
        assert_eq!(before, shown(&browser).await);
        still_serves(&gateway, &browser).await;
        let log = gateway.kit.log().join("\n");
        let value = known.cookie.split_once('=').unwrap().1;
        assert!(!log.contains(value) && !log.contains(&known.used), "{log}");
        gateway.stop().await;
    });
}

/// A gateway with one message, and what an attacker may know of it.
async fn besieged() -> (Gateway, Known, Browser) {
    let gateway = Gateway::start().await;
    let (base, used) = gateway.link().await;
    let mut browser = Browser::new(&base);
    browser.log_in(&used).await;
    let known = Known {
        host: browser.host.clone(),
        port: browser.host.rsplit(':').next().unwrap().to_owned(),
        cookie: browser.cookie.clone().unwrap(),
        used,
    };
    let mine = OutboundMessage::new(ChatRef::new("c-1"), "mine");
    gateway.kit.send(mine).await.unwrap();
    (gateway, known, browser)
}

async fn shown(browser: &Browser) -> (Value, Value) {
    (
        browser.json("/api/chats").await,
        browser.json("/api/chats/c-1/messages").await,
    )
}

/// How often each status was answered; 0 stands for none.
fn attack(runtime: &Runtime, known: &Known, browser: &Browser) -> BTreeMap<u16, u32> {
    let config = Config {
        cases: REQUESTS,
        failure_persistence: None,
        ..Config::default()
    };
    let answers = RefCell::new(BTreeMap::<u16, u32>::new());
    let run = TestRunner::new(config).run(&wrong(known), |wrong| {
        let bytes = runtime.block_on(browser.bytes(&wrong.request(known)));
        let answer = Answer::read(&String::from_utf8_lossy(&bytes));
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        *answers.borrow_mut().entry(status).or_default() += 1;
        prop_assert!(
            status == 0 || (400..600).contains(&status),
            "{:?}: {:?}",
            wrong,
            answer
        );
        if let Some(answer) = answer {
            prop_assert_eq!(answer.header("set-cookie"), None);
            prop_assert_eq!(answer.header("access-control-allow-origin"), None);
            prop_assert!(
                !answer.body.contains("mine") && !answer.body.contains("evil"),
                "{:?}",
                answer
            );
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    answers.into_inner()
}

/// Nothing was handed over before, or it would be the first to come.
async fn still_serves(gateway: &Gateway, browser: &Browser) {
    let accept = async {
        let emitted = gateway.kit.emitted().await;
        assert_eq!(emitted.messages[0].text(), "honest");
        emitted.accept();
    };
    let body = json!({ "id": "a-1", "text": "honest" });
    let (answer, ()) = tokio::join!(browser.post("/api/chats/c-1/messages", &body), accept);
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_off_and_hold_nobody_up() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let head = format!("GET /api/chats HTTP/1.1\r\nHost: {}\r\n", browser.host);
    let body = format!(
        "POST /api/chats/c-1/messages HTTP/1.1\r\n{}Origin: http://{}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{{",
        browser.headers(),
        browser.host
    );
    let begun = Instant::now();
    let slow = (0..60).map(|n| {
        let (browser, bytes) = (
            browser.clone(),
            if n % 3 == 0 { body.clone() } else { head.clone() },
        );
        tokio::spawn(async move { browser.bytes(bytes.as_bytes()).await })
    });
    let slow: Vec<_> = slow.collect();
    assert_eq!(browser.get("/api/chats").await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for one in slow {
        let bytes = one.await.unwrap();
        let answer = Answer::read(&String::from_utf8_lossy(&bytes));
        assert!(answer.is_none_or(|answer| answer.status == 408));
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(browser.get("/api/chats").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_and_streams_have_a_bound() {
    let gateway = Gateway::start().await;
    let browser = gateway.browser().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(browser.events("", "").await);
    }
    assert_eq!(browser.get("/api/events").await.status, 503);
    assert_eq!(browser.get("/api/chats").await.status, 200);
    streams.pop();
    let mut connections = Vec::new();
    for _ in 0..100 {
        connections.push(tokio::net::TcpStream::connect(&browser.host).await.unwrap());
    }
    // They say nothing, so that their places are free again soon.
    assert_eq!(browser.get("/api/chats").await.status, 200);
    gateway.stop().await;
}
