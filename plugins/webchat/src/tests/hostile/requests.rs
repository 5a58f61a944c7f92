//! Requests that are right but for one thing.

use proptest::prelude::*;

/// What a hostile request gets wrong; everything else of it is right.
#[derive(Clone, Debug)]
pub(super) enum Wrong {
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
pub(super) struct Known {
    pub(super) host: String,
    pub(super) port: String,
    pub(super) cookie: String,
    pub(super) used: String,
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

pub(super) fn wrong(known: &Known) -> impl Strategy<Value = Wrong> + use<> {
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
        "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "post", "get", "PROPFIND", "G\u{e9}T",
        "POST\tX", "",
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
    pub(super) fn request(&self, known: &Known) -> Vec<u8> {
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
