//! Bodies of `multipart/form-data`, as far as a bot's uploads go.

use serde_json::{Map, Value};

use super::ledger::Upload;
use crate::http::Request;

/// The boundary of a request that has such a body.
pub(super) fn boundary(request: &Request) -> Option<&str> {
    let kind = request.header("content-type")?;
    let boundary = kind
        .strip_prefix("multipart/form-data")?
        .split_once("boundary=")?
        .1;
    Some(boundary.trim_matches('"'))
}

/// The fields and the file of a body; `None` where it is not well-formed.
pub(super) fn read(body: &[u8], boundary: &str) -> Option<(Value, Option<Upload>)> {
    let (mut fields, mut file) = (Map::new(), None);
    let delimiter = format!("--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(delimiter.as_slice())?;
    let delimiter = [b"\r\n", delimiter.as_slice()].concat();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let head_end = find(part, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&part[..head_end]).ok()?;
        let part = &part[head_end + 4..];
        let end = find(part, &delimiter)?;
        let name = parameter(head, "name")?;
        match parameter(head, "filename") {
            Some(file_name) => {
                file = Some(Upload {
                    field: name,
                    name: file_name,
                    media_type: header(head, "content-type").unwrap_or_default().to_owned(),
                    bytes: part[..end].to_vec(),
                });
            }
            None => {
                let text = std::str::from_utf8(&part[..end]).ok()?;
                fields.insert(name.clone(), field(&name, text));
            }
        }
        rest = &part[end + delimiter.len()..];
    }
    rest.starts_with(b"--").then_some((Value::Object(fields), file))
}

/// All fields are texts; Telegram reads those that are none by what it expects.
fn field(name: &str, text: &str) -> Value {
    match name {
        "chat_id" | "caption" | "parse_mode" | "title" | "performer" => text.into(),
        _ => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A parameter of the disposition.
fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = header(head, "content-disposition")?;
    let (_, value) = disposition.split_once(&format!("; {name}=\""))?;
    Some(value.split_once('"')?.0.to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_the_file_are_found() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n\
            --b\r\nContent-Disposition: form-data; name=\"message_thread_id\"\r\n\r\n3\r\n\
            --b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\
            Content-Type: image/png\r\n\r\n\r\n--\0\r\n--b--\r\n";
        let (fields, file) = read(body.as_bytes(), "b").unwrap();
        assert_eq!(
            fields,
            serde_json::json!({ "chat_id": "7", "message_thread_id": 3 })
        );
        let file = file.unwrap();
        assert_eq!((file.field.as_str(), file.name.as_str()), ("photo", "a.png"));
        assert_eq!(
            (file.media_type.as_str(), file.bytes.as_slice()),
            ("image/png", &b"\r\n--\0"[..])
        );
        assert!(read(&body.as_bytes()[..body.len() - 5], "b").is_none());
    }
}
