//! The Telegram channel with a webhook, and on its way there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use miniclaw_tests::fake_telegram::{Answer, TOKEN};
use miniclaw_tests::tls_front::authority;
use miniclaw_tests::{Command, ConfigFile, Gateway, TlsFront};
use serde_json::json;

use crate::phrases::READY;
use crate::setup::{USER, World, texts};

const SECRET: &str = "webhook-secret";

/// A world whose channel has a webhook at a port that was free a moment ago.
struct Hooked {
    world: World,
    listen: SocketAddr,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn hooked(config: ConfigFile, listen: SocketAddr) -> ConfigFile {
    config
        .with("/channels/telegram/settings/mode", json!("webhook"))
        .with(
            "/channels/telegram/settings/webhook",
            json!({ "url": format!("http://{listen}/in"), "listen": listen.to_string(), "secret_token": SECRET }),
        )
}

impl Hooked {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(change: impl FnOnce(ConfigFile) -> ConfigFile) -> Self {
        let listen = free_address();
        let world = World::with(|config| change(hooked(config, listen)));
        Self { world, listen }
    }

    /// Starts the gateway and waits until Telegram has its webhook.
    fn start(&self) -> Gateway {
        let gateway = Gateway::start(&self.world.home, &[]);
        gateway.wait_for_line("Telegram delivers to the webhook");
        gateway
    }

    /// Posts an update with these headers; the status of the answer.
    fn post(&self, line: &str, headers: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(self.listen).unwrap();
        let length = body.len();
        let wire = format!(
            "{line} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(wire.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn a_message_that_telegram_delivers_is_answered_and_nobody_polls() {
    let hooked = Hooked::new();
    let gateway = hooked.start();
    assert_eq!(hooked.world.say(7, "hello", 1), "re: hello [n=1]");
    assert_eq!(hooked.world.say(7, "again", 2), "re: again [n=3]");
    let log = gateway.stop().expect_code(0).stderr.clone();
    assert!(!log.contains(SECRET) && !log.contains(TOKEN), "{log}");
    let ledger = hooked.world.telegram.ledger();
    assert!(ledger.polls.is_empty(), "{}", ledger.summary());
    assert_eq!(ledger.deliveries.len(), 2);
    assert_eq!(hooked.world.telegram.unconfirmed(), 0);
    let set = &ledger.calls_of("setWebhook")[0];
    assert!(
        set.body.contains("callback_query") && set.body.contains(SECRET),
        "{}",
        set.body
    );
}

#[test]
fn a_kill_between_the_delivery_and_the_reply_loses_nothing() {
    let hooked = Hooked::new();
    let gateway = hooked.start();
    hooked.world.model.hold();
    hooked.world.telegram.inject(7, USER, "hello");
    hooked.world.model.wait_for_in_flight(1);
    hooked.world.telegram.wait("a confirmed delivery", |ledger| {
        ledger
            .deliveries
            .iter()
            .any(|one| one.status == Some(200))
            .then_some(())
    });
    gateway.kill();
    hooked.world.model.release();
    assert_eq!(hooked.world.telegram.unconfirmed(), 0);
    let gateway = hooked.start();
    let replies = hooked.world.telegram.wait_for_replies_to(7, 1);
    assert_eq!(texts(&replies), ["re: hello [n=1]"]);
    gateway.stop().expect_code(0);
}

#[test]
fn an_update_whose_confirmation_was_lost_is_delivered_again_and_answered_once() {
    let hooked = Hooked::new();
    let lost = Answer::error(502, "Bad Gateway");
    hooked
        .world
        .telegram
        .on("webhook")
        .times(2)
        .accepted()
        .answer(lost);
    let gateway = hooked.start();
    assert_eq!(hooked.world.say(7, "hello", 1), "re: hello [n=1]");
    assert_eq!(hooked.world.say(7, "again", 2), "re: again [n=3]");
    gateway.stop().expect_code(0);
    assert_eq!(hooked.world.telegram.ledger().deliveries.len(), 4);
    assert_eq!(hooked.world.telegram.sent_to(7).len(), 2);
}

#[test]
fn whoever_does_not_know_the_secret_is_refused_and_heard_by_nobody() {
    let hooked = Hooked::new();
    let gateway = hooked.start();
    let forged = format!(
        r#"{{"update_id":1,"message":{{"message_id":1,"date":1,"text":"forged","chat":{{"id":7,"type":"private"}},"from":{{"id":{USER}}}}}}}"#
    );
    let header = |secret: &str| format!("X-Telegram-Bot-Api-Secret-Token: {secret}\r\n");
    assert_eq!(hooked.post("POST /in", "", &forged), 401);
    assert_eq!(hooked.post("POST /in", &header("webhook-secre"), &forged), 403);
    assert_eq!(hooked.post("POST /", &header(SECRET), &forged), 404);
    assert_eq!(hooked.post("PUT /in", &header(SECRET), &forged), 405);
    assert_eq!(hooked.post("POST /in", &header(SECRET), "no JSON"), 200);
    assert_eq!(hooked.world.say(7, "hello", 1), "re: hello [n=1]");
    gateway.stop().expect_code(0);
    assert_eq!(hooked.world.model.asked().len(), 1);
}

#[test]
fn what_a_full_gateway_does_not_take_is_delivered_again_in_order() {
    let hooked = Hooked::with(|config| config.with("/gateway/max_pending", json!(2)));
    let gateway = hooked.start();
    hooked.world.model.hold();
    hooked.world.flood(100..103, 3);
    hooked
        .world
        .telegram
        .wait("a delivery that is refused", |ledger| {
            ledger
                .deliveries
                .iter()
                .any(|one| one.status != Some(200))
                .then_some(())
        });
    hooked.world.model.release();
    hooked.world.wait_for_flood(100..103, 3);
    gateway.stop().expect_code(0);
    for chat in 100..103 {
        let answered = crate::setup::first_answers(&hooked.world.telegram.sent_to(chat)).join("; ");
        let expected: Vec<_> = (0..3).map(|index| crate::setup::line(chat, index)).collect();
        assert_eq!(answered, expected.join("; "));
    }
}

#[test]
fn the_mode_can_change_to_the_webhook_and_back_with_messages_waiting() {
    let world = World::new();
    let listen = free_address();
    let polls = ConfigFile::standard(&world.telegram, &world.model, &[USER]);
    let gateway = world.start();
    assert_eq!(world.say(7, "one", 1), "re: one [n=1]");
    gateway.stop().expect_code(0);

    world.telegram.inject(7, USER, "two");
    world.home.write_config(&hooked(polls.clone(), listen).text());
    let gateway = Gateway::start(&world.home, &[]);
    assert_eq!(world.telegram.wait_for_replies_to(7, 2)[1].text, "re: two [n=3]");
    gateway.stop().expect_code(0);

    world.telegram.inject(7, USER, "three");
    world.home.write_config(&polls.text());
    let gateway = world.start();
    assert_eq!(
        world.telegram.wait_for_replies_to(7, 3)[2].text,
        "re: three [n=5]"
    );
    gateway.stop().expect_code(0);
    let removed = &world.telegram.ledger().calls_of("deleteWebhook")[0];
    assert!(
        removed.body.contains(r#""drop_pending_updates":false"#),
        "{}",
        removed.body
    );
    assert_eq!(world.telegram.sent_to(7).len(), 3);
}

#[test]
fn in_a_sandbox_the_webhook_needs_leave_to_listen() {
    let isolated = |config: ConfigFile| config.with("/channels/telegram/isolation", json!("process"));
    let refused = Hooked::with(isolated);
    let gateway = Gateway::start(&refused.world.home, &[]);
    let line = gateway.wait_for_line("cannot listen at");
    assert!(line.contains("sandbox.allow"), "{line}");
    gateway.stop().expect_code(0);

    let granted =
        Hooked::with(|config| isolated(config).with("/channels/telegram/sandbox/allow", json!(["listen"])));
    let gateway = granted.start();
    assert_eq!(granted.world.say(7, "hello", 1), "re: hello [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn an_authority_of_the_settings_is_trusted_and_a_proxy_is_never_shown() {
    let world = World::new();
    let front = TlsFront::before(world.telegram.url());
    let config = ConfigFile::standard(&world.telegram, &world.model, &[USER])
        .with("/channels/telegram/settings/api_url", json!(front.url()))
        .with("/channels/telegram/settings/ca_file", json!(authority()));
    world.home.write_config(&config.text());
    let gateway = world.start();
    gateway.wait_for_line(READY);
    assert_eq!(world.say(7, "hello", 1), "re: hello [n=1]");
    gateway.stop().expect_code(0);
    assert!(front.handshakes().done > 0);

    let proxied = config.with(
        "/channels/telegram/settings/proxy",
        json!("http://user:pass-word@127.0.0.1:9"),
    );
    world.home.write_config(&proxied.text());
    let shown = Command::new(&world.home, &["config", "show"]).run();
    let shown = &shown.expect_code(0).stdout;
    assert!(shown.contains("proxy") && !shown.contains("pass-word"), "{shown}");
    let gateway = Gateway::start(&world.home, &[]);
    gateway.wait_for_line("the proxy of `proxy` does not answer");
    assert!(!gateway.stop().stderr.contains("pass-word"));
}

#[test]
fn the_commands_are_offered_on_telegram_once_a_start_and_a_failure_disturbs_nothing() {
    let world = World::new();
    let gateway = world.start();
    let offered = &world.telegram.wait_for_calls("setMyCommands", 1)[0];
    assert_eq!(offered.status, Some(200));
    for command in ["new", "stop"] {
        assert!(
            offered.body.contains(&format!(r#""command":"{command}""#)),
            "{}",
            offered.body
        );
    }
    gateway.stop().expect_code(0);

    world.telegram.on("setMyCommands").answer(Answer::bad_gateway());
    let gateway = world.start();
    gateway.wait_for_line("The list of commands could not be registered");
    assert_eq!(world.say(7, "hello", 1), "re: hello [n=1]");
    gateway.stop().expect_code(0);
    let ledger = world.telegram.ledger();
    let calls = ledger.calls_of("setMyCommands");
    assert_eq!(calls.len(), 2);
}
