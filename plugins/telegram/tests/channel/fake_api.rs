//! A Bot API that answers as it is told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use crate::within;

pub(crate) struct FakeApi {
    url: String,
    shared: Arc<Shared>,
    calls: tokio::sync::Mutex<mpsc::UnboundedReceiver<Call>>,
}

/// How one call is answered.
pub(crate) enum Answer {
    /// `{"ok":true}` with this result.
    Ok(Value),
    /// A refusal with this code and description, and perhaps parameters.
    Refused(u16, &'static str, Value),
    /// This status and body, whatever they mean.
    Raw(u16, String),
    /// The connection is cut after the request was read.
    Cut,
    /// No answer comes.
    Hang,
}

struct Call {
    method: String,
    body: Value,
}

struct Shared {
    script: Mutex<HashMap<String, VecDeque<Answer>>>,
    scripted: Notify,
    /// What the last request told a proxy.
    authorization: Mutex<Option<String>>,
    calls: mpsc::UnboundedSender<Call>,
}

impl FakeApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            script: Mutex::default(),
            scripted: Notify::new(),
            authorization: Mutex::default(),
            calls: sender,
        });
        let accepting = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, accepting.clone()));
            }
        });
        Self {
            url,
            shared,
            calls: tokio::sync::Mutex::new(calls),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Adds an answer to those that `method` gives, each once, before it falls back to its default.
    pub(crate) fn answer(&self, method: &str, answer: Answer) {
        let mut script = self.shared.script.lock().unwrap();
        script.entry(method.to_owned()).or_default().push_back(answer);
        self.shared.scripted.notify_waiters();
    }

    /// Method and body of the next call.
    pub(crate) async fn next(&self) -> (String, Value) {
        let call = self.calls.lock().await.recv().await.unwrap();
        (call.method, call.body)
    }

    /// The body of the next call, which must be one of `method`.
    pub(crate) async fn call(&self, method: &str) -> Value {
        let call = within(async { self.calls.lock().await.recv().await })
            .await
            .unwrap();
        assert_eq!(call.method, method, "{}", call.body);
        call.body
    }

    /// What the last request proved itself by to a proxy.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.shared.authorization.lock().unwrap().clone()
    }

    /// The calls so far that nobody asked for.
    pub(crate) async fn unasked(&self) -> Vec<String> {
        let mut calls = self.calls.lock().await;
        std::iter::from_fn(|| calls.try_recv().ok())
            .map(|call| call.method)
            .collect()
    }
}

impl Shared {
    async fn next(&self, method: &str) -> Answer {
        loop {
            let scripted = self.scripted.notified();
            let next = self
                .script
                .lock()
                .unwrap()
                .get_mut(method)
                .and_then(VecDeque::pop_front);
            match (next, method) {
                (Some(answer), _) => return answer,
                // As the real one does, it holds a poll until there is something.
                (None, "getUpdates") => scripted.await,
                (None, "getMe") => {
                    let me = json!({ "id": 99, "is_bot": true, "first_name": "My", "username": "my_bot" });
                    return Answer::Ok(me);
                }
                (None, method) if method.starts_with("send") && method != "sendChatAction" => {
                    return Answer::Ok(json!({ "message_id": 1000, "text": "…" }));
                }
                (None, _) => return Answer::Ok(json!(true)),
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some((path, body, authorization)) = read_request(&mut stream).await {
        *shared.authorization.lock().unwrap() = authorization;
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        let confirming = body["timeout"] == 0;
        let call = Call {
            method: method.clone(),
            body,
        };
        let _ = shared.calls.send(call);
        let answer = match confirming {
            true => Answer::Ok(json!([])),
            false => shared.next(&method).await,
        };
        let (status, body) = match answer {
            Answer::Ok(result) => (200, json!({ "ok": true, "result": result }).to_string()),
            Answer::Refused(code, description, parameters) => {
                let body = json!({ "ok": false, "error_code": code, "description": description, "parameters": parameters });
                (code, body.to_string())
            }
            Answer::Raw(status, body) => (status, body),
            Answer::Cut => return,
            Answer::Hang => std::future::pending().await,
        };
        let response = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, Value, Option<String>)> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut boundary, mut authorization) = (0, None, None);
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-type" => {
                boundary = value
                    .split_once("boundary=")
                    .map(|(_, boundary)| boundary.to_owned());
            }
            "proxy-authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = match boundary {
        Some(boundary) => form(&String::from_utf8_lossy(&body), &boundary),
        None => serde_json::from_slice(&body).unwrap_or_default(),
    };
    Some((path, body, authorization))
}

/// The fields of a form as texts; those of a file as its name, its type and its bytes.
fn form(body: &str, boundary: &str) -> Value {
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter).filter(|part| part.contains("name="));
    let fields = parts.map(|part| {
        let (head, content) = part.trim_start().split_once("\r\n\r\n").unwrap();
        let content = content.strip_suffix("\r\n").unwrap();
        let after = |key: &str| Some(head.split_once(key)?.1.split(['"', '\r']).next()?.to_owned());
        let value = match after("filename=\"") {
            Some(name) => json!([name, after("Content-Type: "), content]),
            None => content.into(),
        };
        (after("name=\"").unwrap(), value)
    });
    Value::Object(fields.collect())
}
