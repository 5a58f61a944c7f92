//! Reading requests out of a buffer.

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Request line and headers.
    head: String,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Request {
    /// `GET`, `POST`, …
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// What follows the `?`; empty where there is none.
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// The value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Whether the client wants to send more on this connection.
    pub fn keep_alive(&self) -> bool {
        self.header("connection")
            .is_none_or(|value| !value.eq_ignore_ascii_case("close"))
    }

    fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// Takes one request off the front of `input`; `Ok(None)` means that more bytes are needed.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn take(input: &mut Vec<u8>) -> Result<Option<Request>, &'static str> {
    let Some(head_end) = find(input, b"\r\n\r\n") else {
        return if input.len() > 64 * 1024 {
            Err("the head is too long")
        } else {
            Ok(None)
        };
    };
    let head = std::str::from_utf8(&input[..head_end]).map_err(|_| "the head is not UTF-8")?;
    let start = head_end + 4;
    let chunked =
        header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let (body, end) = if chunked {
        let Some(found) = dechunk(&input[start..])? else {
            return Ok(None);
        };
        (found.0, start + found.1)
    } else {
        let length: usize = match header(head, "content-length") {
            Some(value) => value.parse().map_err(|_| "the length is no number")?,
            None => 0,
        };
        if input.len() < start + length {
            return Ok(None);
        }
        (input[start..start + length].to_vec(), start + length)
    };
    let request = Request {
        head: head.to_owned(),
        body,
    };
    input.drain(..end);
    Ok(Some(request))
}

/// The joined chunks and how many bytes they took.
fn dechunk(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&input[at..], b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&input[at..at + line])
            .ok()
            .and_then(|line| line.split(';').next())
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .ok_or("a chunk has no size")?;
        at += line + 2;
        if input.len() < at + size + 2 {
            return Ok(None);
        }
        body.extend_from_slice(&input[at..at + size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_only_with_its_whole_body() {
        let whole = b"POST /a/b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET";
        for cut in 0..whole.len() - 3 {
            assert_eq!(take(&mut whole[..cut].to_vec()), Ok(None), "{cut}");
        }
        let mut input = whole.to_vec();
        let request = take(&mut input).unwrap().unwrap();
        assert_eq!(
            (request.method(), request.path(), request.query()),
            ("POST", "/a/b", "x=1")
        );
        assert_eq!(request.header("HOST"), Some("h"));
        assert_eq!(
            (request.body.as_slice(), input.as_slice()),
            (&b"hello"[..], &b"GET"[..])
        );
        assert!(request.keep_alive());
    }

    #[test]
    fn chunks_are_joined() {
        let whole =
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(take(&mut whole[..cut].to_vec()), Ok(None), "{cut}");
        }
        let request = take(&mut whole.to_vec()).unwrap().unwrap();
        assert_eq!(request.body, b"abcde");
    }

    #[test]
    fn nonsense_is_refused() {
        let mut no_number = b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_vec();
        assert!(take(&mut no_number).is_err());
        assert!(take(&mut vec![b'x'; 70_000]).is_err());
    }
}
