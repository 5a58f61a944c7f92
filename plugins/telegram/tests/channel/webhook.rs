mod refused;

use std::net::SocketAddr;

use miniclaw_plugin_api::testkit::{ChannelKit, Receiving};
use miniclaw_plugin_api::{Cause, Error, Outcome};
use miniclaw_telegram::Telegram;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fake_api::{Answer, FakeApi};
use crate::{TOKEN, assert_no_token, within};

const SECRET: &str = "the-secret";
const URL: &str = "http://127.0.0.1:9/in";

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn update(id: i64, chat: i64) -> String {
    let update = json!({ "update_id": id, "message": { "message_id": id, "date": 1, "text": format!("text {id}"),
        "chat": { "id": chat, "type": "private" }, "from": { "id": 42, "first_name": "Ann" } } });
    update.to_string()
}

fn info(url: &str, pending: u64, error_date: i64) -> Answer {
    Answer::Ok(
        json!({ "url": url, "pending_update_count": pending, "last_error_date": error_date,
        "last_error_message": "Connection refused" }),
    )
}

struct Hooked {
    kit: ChannelKit,
    address: SocketAddr,
    receiving: Option<Receiving>,
}

impl Hooked {
    /// A channel whose webhook is set.
    async fn start(api: &FakeApi) -> Self {
        let address = free_address();
        let kit = ChannelKit::new::<Telegram>(
            json!({ "token": TOKEN, "api_url": api.url(), "mode": "webhook",
            "webhook": { "url": URL, "listen": address.to_string(), "secret_token": SECRET, "max_connections": 7 } }),
        );
        kit.start().await.unwrap();
        api.call("getMe").await;
        let receiving = Some(kit.receive(None));
        Self {
            kit,
            address,
            receiving,
        }
    }

    async fn ended(&mut self) -> Result<(), Error> {
        within(self.receiving.take().unwrap().ended()).await
    }

    /// A connection, as soon as somebody listens.
    async fn connect(&self) -> Client {
        let connected = async {
            loop {
                match TcpStream::connect(self.address).await {
                    Ok(stream) => break Client(stream),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        within(connected).await
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, line: &str, secret: Option<&str>, body: &str) {
        let secret = secret.map(|secret| format!("X-Telegram-Bot-Api-Secret-Token: {secret}\r\n"));
        let head = format!(
            "{line} HTTP/1.1\r\nHost: h\r\n{}Content-Length: {}\r\n\r\n",
            secret.unwrap_or_default(),
            body.len()
        );
        self.0.write_all(head.as_bytes()).await.unwrap();
        self.0.write_all(body.as_bytes()).await.unwrap();
    }

    async fn deliver(&mut self, body: &str) {
        self.send("POST /in", Some(SECRET), body).await;
    }

    /// The status of the next answer; 0 where none comes.
    async fn status(&mut self) -> u16 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if within(self.0.read(&mut byte)).await.unwrap_or(0) == 0 {
                return 0;
            }
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Waits until the webhook is set and looked at.
async fn is_set(api: &FakeApi) -> Value {
    let set = api.call("setWebhook").await;
    api.call("getWebhookInfo").await;
    set
}

#[tokio::test]
async fn webhook_is_set_and_an_update_is_confirmed_only_after_the_verdict() {
    let api = FakeApi::start().await;
    api.answer("getWebhookInfo", info(URL, 0, 0));
    let mut hooked = Hooked::start(&api).await;
    let allowed = json!([
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "callback_query"
    ]);
    let expected =
        json!({ "url": URL, "secret_token": SECRET, "allowed_updates": allowed, "max_connections": 7 });
    assert_eq!(is_set(&api).await, expected);

    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    let emitted = within(hooked.kit.emitted()).await;
    assert_eq!(emitted.messages[0].text(), "text 5");
    // Nothing may be there before the verdict: whatever came would be read by `status` below as well.
    let mut early = [0];
    assert!(client.0.try_read(&mut early).is_err());
    emitted.accept();
    assert_eq!(client.status().await, 200);

    client.deliver(&update(6, 7)).await;
    within(hooked.kit.emitted()).await.accept();
    assert_eq!(client.status().await, 200);
    assert!(hooked.kit.progress() > 0);

    hooked.kit.stop_receiving().await.unwrap();
    hooked.ended().await.unwrap();
    assert!(TcpStream::connect(hooked.address).await.is_err());
    assert!(!hooked.kit.log().iter().any(|line| line.contains(SECRET)));
    assert_no_token(&hooked.kit);
}

#[tokio::test]
async fn requests_that_are_not_of_telegram_are_refused_and_reach_nobody() {
    let api = FakeApi::start().await;
    let hooked = Hooked::start(&api).await;
    api.call("setWebhook").await;
    for (line, secret, status) in [
        ("POST /in", None, 401),
        ("POST /in", Some("another"), 403),
        ("POST /", Some(SECRET), 404),
        ("GET /in", Some(SECRET), 405),
        ("POST  /in", Some(SECRET), 400),
    ] {
        let mut client = hooked.connect().await;
        client.send(line, secret, &"x".repeat(200_000)).await;
        assert_eq!(client.status().await, status, "{line}");
        assert_eq!(client.status().await, 0, "the connection goes on");
    }
    let mut client = hooked.connect().await;
    let large = format!(
        "POST /in HTTP/1.1\r\nX-Telegram-Bot-Api-Secret-Token: {SECRET}\r\nContent-Length: 16777217\r\n\r\n"
    );
    client.0.write_all(large.as_bytes()).await.unwrap();
    assert_eq!(client.status().await, 413);

    let mut client = hooked.connect().await;
    client.deliver(&"x".repeat(17 << 20)).await;
    assert_eq!(client.status().await, 413);
    assert_eq!(client.0.read(&mut [0]).await.unwrap(), 0);

    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    let emitted = within(hooked.kit.emitted()).await;
    assert_eq!(emitted.messages.len(), 1);
}

#[tokio::test]
async fn what_waits_together_is_handed_over_in_the_order_of_its_ids() {
    let api = FakeApi::start().await;
    let hooked = Hooked::start(&api).await;
    let mut first = hooked.connect().await;
    first.deliver(&update(1, 7)).await;
    let blocking = within(hooked.kit.emitted()).await;
    let mut clients = Vec::new();
    for id in [9, 3, 6] {
        let mut client = hooked.connect().await;
        client.deliver(&update(id, id)).await;
        clients.push(client);
    }
    // As a fourth request is answered, the three before it were read: connections take turns on one thread.
    let mut other = hooked.connect().await;
    other.send("GET /in", None, "").await;
    assert_eq!(other.status().await, 405);
    blocking.accept();
    assert_eq!(first.status().await, 200);
    let emitted = within(hooked.kit.emitted()).await;
    let ids: Vec<_> = emitted
        .messages
        .iter()
        .map(|message| message.id.clone())
        .collect();
    assert_eq!(ids, ["3", "6", "9"]);
    emitted.accept();
    for mut client in clients {
        assert_eq!(client.status().await, 200);
    }
}

#[tokio::test]
async fn busy_host_makes_telegram_deliver_again() {
    let api = FakeApi::start().await;
    api.answer("getWebhookInfo", info(URL, 0, 0));
    let mut hooked = Hooked::start(&api).await;
    is_set(&api).await;
    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    let busy = Error::transient("full").because(Cause::Busy);
    within(hooked.kit.emitted()).await.refuse(busy);
    assert_eq!(client.status().await, 503);
    assert_eq!(hooked.ended().await.unwrap_err().cause, Cause::Busy);

    // What was set stays set.
    api.answer("getWebhookInfo", info(URL, 1, 0));
    hooked.receiving = Some(hooked.kit.receive(None));
    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    within(hooked.kit.emitted()).await.accept();
    assert_eq!(client.status().await, 200);
    let rest = api.unasked().await;
    assert!(rest.iter().all(|method| method == "getWebhookInfo"), "{rest:?}");
}

#[tokio::test]
async fn stop_in_the_middle_of_a_delivery_confirms_nothing_that_is_not_on_disk() {
    let api = FakeApi::start().await;
    let mut hooked = Hooked::start(&api).await;
    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    let _unanswered = within(hooked.kit.emitted()).await;
    hooked.kit.stop_receiving().await.unwrap();
    assert_eq!(client.status().await, 503);
    hooked.ended().await.unwrap();
}

#[tokio::test]
async fn verdict_that_comes_after_the_stop_still_confirms() {
    let api = FakeApi::start().await;
    let mut hooked = Hooked::start(&api).await;
    let mut client = hooked.connect().await;
    client.deliver(&update(5, 7)).await;
    let emitted = within(hooked.kit.emitted()).await;
    hooked.kit.stop_receiving().await.unwrap();
    emitted.accept();
    assert_eq!(client.status().await, 200);
    hooked.ended().await.unwrap();
}

#[tokio::test]
async fn updates_that_cannot_be_read_are_confirmed_and_counted() {
    let api = FakeApi::start().await;
    let hooked = Hooked::start(&api).await;
    let mut client = hooked.connect().await;
    for body in ["no JSON \u{fffd}", "", r#"{"update_id":5,"message":[]}"#, "[1]"] {
        client.deliver(body).await;
        assert_eq!(client.status().await, 200, "{body}");
    }
    let log = hooked.kit.log();
    let skipped = log.iter().filter(|line| line.contains("Update skipped"));
    assert_eq!(skipped.count(), 4);
}

#[tokio::test]
async fn refused_webhook_is_told_with_what_telegram_said() {
    let api = FakeApi::start().await;
    let refusal = "Bad Request: bad webhook: Failed to resolve host: Name or service not known";
    api.answer("setWebhook", Answer::Refused(400, refusal, Value::Null));
    let mut hooked = Hooked::start(&api).await;
    let (name, data) = within(hooked.kit.event()).await;
    assert_eq!(name, "outage");
    assert!(data["reason"].as_str().unwrap().contains(refusal), "{data}");
    hooked.kit.stop_receiving().await.unwrap();
    hooked.ended().await.unwrap();
}

#[tokio::test]
async fn revoked_token_and_a_taken_port_end_receiving() {
    let api = FakeApi::start().await;
    api.answer("setWebhook", Answer::Refused(401, "Unauthorized", Value::Null));
    let mut hooked = Hooked::start(&api).await;
    assert_eq!(hooked.ended().await.unwrap_err().cause, Cause::Auth);

    let _taken = tokio::net::TcpListener::bind(hooked.address).await.unwrap();
    hooked.receiving = Some(hooked.kit.receive(None));
    let error = hooked.ended().await.unwrap_err();
    assert!(matches!(error.outcome, Outcome::Transient { .. }), "{error:?}");
    let place = format!("settings.webhook.listen: cannot listen at {}", hooked.address);
    assert!(error.message.starts_with(&place), "{error}");
}

#[tokio::test]
async fn address_of_another_machine_is_told_with_its_key() {
    let api = FakeApi::start().await;
    // One that is kept for documentation.
    let webhook = json!({ "url": URL, "listen": "192.0.2.1:8443" });
    let settings = json!({ "token": TOKEN, "api_url": api.url(), "mode": "webhook", "webhook": webhook });
    let kit = ChannelKit::new::<Telegram>(settings);
    kit.start().await.unwrap();
    let error = within(kit.receive(None).ended()).await.unwrap_err();
    assert!(error.message.contains("settings.webhook.listen: "), "{error}");
    assert!(
        error.message.ends_with("give an address of this machine"),
        "{error}"
    );
}

#[tokio::test]
async fn requests_that_come_in_one_piece_or_byte_by_byte_are_answered_one_by_one() {
    let api = FakeApi::start().await;
    let hooked = Hooked::start(&api).await;
    let mut wire = Vec::new();
    for id in [5, 6, 7] {
        let body = update(id, 7);
        let head = format!(
            "POST /in HTTP/1.1\r\nx-telegram-bot-api-secret-token:{SECRET}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // Some clients end a body with a line of its own, which is no part of it.
        wire.extend_from_slice(format!("{head}{body}\r\n").as_bytes());
    }
    for size in [wire.len(), 1] {
        let mut client = hooked.connect().await;
        let Client(stream) = &mut client;
        let (mut reader, mut writer) = stream.split();
        let send = async {
            for piece in wire.chunks(size) {
                writer.write_all(piece).await.unwrap();
            }
        };
        let answer = async {
            let mut texts = Vec::new();
            for _ in 0..3 {
                let emitted = within(hooked.kit.emitted()).await;
                texts.extend(emitted.messages.iter().map(|message| message.text()));
                emitted.accept();
                let mut said = [0; 38];
                within(reader.read_exact(&mut said)).await.unwrap();
                assert_eq!(&said, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
            texts
        };
        let (texts, ()) = tokio::join!(answer, send);
        assert_eq!(texts, ["text 5", "text 6", "text 7"]);
    }
}
