//! Requests of HTTP/1.1, read strictly: what is not plain at once is refused, and read no further.

use std::hint::black_box;

/// Largest head of a request, in bytes.
const HEAD_CAP: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS: usize = 64;
/// Largest update, in bytes.
pub(super) const BODY_CAP: usize = 16 * 1024 * 1024;

/// Telegram's proof that a request is its own.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// What a request must be.
pub(super) struct Rules {
    pub(super) path: String,
    pub(super) secret: String,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq)]
pub(super) enum Head {
    /// Not all of a head yet.
    Incomplete,
    /// No delivery of Telegram; the status that says why.
    Refused(u16),
    /// A delivery whose body is still to be read.
    Delivery(Delivery),
}

/// A request that brings an update.
#[derive(Debug, PartialEq)]
pub(super) struct Delivery {
    /// Where the body begins, and how long it is.
    pub(super) start: usize,
    pub(super) length: usize,
    /// Whether another request may follow.
    pub(super) keep_alive: bool,
    /// Whether the body waits for a sign.
    pub(super) expects_continue: bool,
}

/// The headers that count; a second one of the same name makes the request ambiguous.
#[derive(Default)]
struct Known<'a> {
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    secret: Option<&'a [u8]>,
    connection: Option<&'a [u8]>,
    expect: Option<&'a [u8]>,
}

/// Reads the head of a request.
pub(super) fn read(input: &[u8], rules: &Rules) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let start = match request.parse(input) {
        Ok(httparse::Status::Complete(start)) if start <= HEAD_CAP => start,
        Ok(httparse::Status::Partial) if input.len() < HEAD_CAP => return Head::Incomplete,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Head::Refused(431),
        Err(_) => return Head::Refused(400),
    };
    let Some(known) = Known::of(request.headers) else {
        return Head::Refused(400);
    };
    let target = request.path.unwrap_or_default();
    let method = request.method.unwrap_or_default();
    match check(target, method, &known, rules) {
        Ok(length) => Head::Delivery(Delivery {
            start,
            length,
            keep_alive: request.version == Some(1) && !known.closes(),
            expects_continue: known.expect.is_some(),
        }),
        Err(status) => Head::Refused(status),
    }
}

/// The length of the body, or the status of the refusal. Who does not know the secret learns of nothing behind it.
fn check(target: &str, method: &str, known: &Known<'_>, rules: &Rules) -> Result<usize, u16> {
    if target.split('?').next() != Some(&rules.path) {
        return Err(404);
    }
    if method != "POST" {
        return Err(405);
    }
    let secret = known.secret.ok_or(401u16)?;
    if !same(secret, rules.secret.as_bytes()) {
        return Err(403);
    }
    if known.coding.is_some() {
        return Err(411);
    }
    let length = number(known.length.ok_or(411u16)?).ok_or(400u16)?;
    if length > BODY_CAP {
        return Err(413);
    }
    Ok(length)
}

impl<'a> Known<'a> {
    fn of(headers: &[httparse::Header<'a>]) -> Option<Self> {
        let mut known = Self::default();
        for header in headers {
            let place = match header.name.to_ascii_lowercase().as_str() {
                "content-length" => &mut known.length,
                "transfer-encoding" => &mut known.coding,
                SECRET_HEADER => &mut known.secret,
                "connection" => &mut known.connection,
                "expect" => &mut known.expect,
                _ => continue,
            };
            if place.replace(header.value).is_some() {
                return None;
            }
        }
        Some(known)
    }

    fn closes(&self) -> bool {
        let words = self.connection.unwrap_or_default().split(|byte| *byte == b',');
        let mut words = words.map(<[u8]>::trim_ascii);
        words.any(|word| word.eq_ignore_ascii_case(b"close"))
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let plain = (1..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// Compares in a time that depends on the lengths alone.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let differences = given
        .iter()
        .zip(expected)
        .fold(0u8, |all, (a, b)| black_box(all | (a ^ b)));
    black_box(differences) == 0 && given.len() == expected.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> Rules {
        Rules {
            path: "/in".to_owned(),
            secret: "secret-1".to_owned(),
        }
    }

    fn request(line: &str, headers: &[&str]) -> String {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("{line}\r\n{headers}\r\n")
    }

    const LINE: &str = "POST /in HTTP/1.1";
    const SECRET: &str = "X-Telegram-Bot-Api-Secret-Token: secret-1";
    const LENGTH: &str = "Content-Length: 12";

    #[test]
    fn delivery_is_known_by_its_path_method_secret_and_length() {
        let input = request(LINE, &["Host: h", SECRET, LENGTH]);
        let expected = Delivery {
            start: input.len(),
            length: 12,
            keep_alive: true,
            expects_continue: false,
        };
        assert_eq!(read(input.as_bytes(), &rules()), Head::Delivery(expected));
        for end in 0..input.len() {
            assert_eq!(
                read(&input.as_bytes()[..end], &rules()),
                Head::Incomplete,
                "{end}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused_by_its_status() {
        let large = format!("Content-Length: {}", BODY_CAP + 1);
        let long = format!("X: {}", "x".repeat(HEAD_CAP));
        let cases: [(&str, &[&str], u16); 17] = [
            ("POST /else HTTP/1.1", &[SECRET, LENGTH], 404),
            ("POST /in/ HTTP/1.1", &[SECRET, LENGTH], 404),
            ("POST /%69n HTTP/1.1", &[SECRET, LENGTH], 404),
            ("GET /in HTTP/1.1", &[SECRET, LENGTH], 405),
            ("post /in HTTP/1.1", &[SECRET, LENGTH], 405),
            (LINE, &[LENGTH], 401),
            (LINE, &["X-Telegram-Bot-Api-Secret-Token: secret-2", LENGTH], 403),
            (LINE, &["X-Telegram-Bot-Api-Secret-Token: secret", LENGTH], 403),
            (LINE, &["X-Telegram-Bot-Api-Secret-Token:", LENGTH], 403),
            (LINE, &[SECRET], 411),
            (LINE, &[SECRET, LENGTH, "Transfer-Encoding: chunked"], 411),
            (LINE, &[SECRET, &large], 413),
            (LINE, &[SECRET, "Content-Length: +1"], 400),
            (LINE, &[SECRET, LENGTH, LENGTH], 400),
            (LINE, &[SECRET, SECRET, LENGTH], 400),
            ("POST /in", &[SECRET, LENGTH], 400),
            (LINE, &[&long], 431),
        ];
        for (line, headers, status) in cases {
            let input = request(line, headers);
            assert_eq!(read(input.as_bytes(), &rules()), Head::Refused(status), "{line}");
        }
        let many = ["A: b"; HEADERS + 1];
        assert_eq!(
            read(request(LINE, &many).as_bytes(), &rules()),
            Head::Refused(431)
        );
        assert_eq!(read(&[b'x'; HEAD_CAP], &rules()), Head::Refused(431));
    }

    #[test]
    fn connection_ends_where_the_client_says_so() {
        for (line, header, expected) in [
            (LINE, "Connection: keep-alive", true),
            (LINE, "Connection: TE, Close", false),
            ("POST /in?x=1 HTTP/1.0", "A: b", false),
        ] {
            let input = request(line, &[SECRET, LENGTH, header, "Expect: 100-continue"]);
            let Head::Delivery(delivery) = read(input.as_bytes(), &rules()) else {
                panic!("{header}");
            };
            assert_eq!((delivery.keep_alive, delivery.expects_continue), (expected, true));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_pass_without_the_secret(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(!matches!(read(&bytes, &rules()), Head::Delivery(_)));
        }

        #[test]
        fn no_change_of_a_byte_breaks_a_bound(at in 0usize..100, byte in any::<u8>(), cut in 0usize..200) {
            let mut input = request(LINE, &["Host: h", SECRET, LENGTH]).into_bytes();
            let at = at % input.len();
            input[at] = byte;
            input.truncate(input.len().saturating_sub(cut % input.len()));
            if let Head::Delivery(delivery) = read(&input, &rules()) {
                prop_assert!(delivery.start <= input.len() && delivery.length <= BODY_CAP);
            }
        }

        #[test]
        fn secrets_are_the_same_where_they_are_equal(a in "[ab]{0,3}", b in "[ab]{0,3}") {
            prop_assert_eq!(same(a.as_bytes(), b.as_bytes()), a == b);
        }
    }
}
