use serde_json::{Value, json};

use super::*;
use crate::http::Client;

struct Bot(Client);

impl Bot {
    fn new(telegram: &FakeTelegram) -> Self {
        Self(Client::connect(telegram.url()).unwrap())
    }

    fn call(&mut self, method: &str, body: Value) -> (u16, Value) {
        let (status, answer) = self
            .0
            .post(&format!("/bot{TOKEN}/{method}"), &body.to_string())
            .unwrap();
        (status, serde_json::from_str(&answer).unwrap())
    }

    fn begin_poll(&mut self, offset: i64) {
        let body = json!({ "offset": offset, "timeout": 25 }).to_string();
        self.0.send(&format!("/bot{TOKEN}/getUpdates"), &body).unwrap();
    }
}

fn texts(answer: &Value) -> Vec<&str> {
    let updates = answer["result"].as_array().unwrap();
    updates
        .iter()
        .map(|update| update["message"]["text"].as_str().unwrap())
        .collect()
}

#[test]
fn the_bot_is_named_by_its_token() {
    let telegram = FakeTelegram::start();
    let (status, answer) = Bot::new(&telegram).call("getMe", json!({}));
    assert_eq!((status, &answer["result"]["id"]), (200, &json!(123_456_789)));
}

#[test]
fn tokens_that_are_revoked_or_misshapen_are_refused() {
    let telegram = FakeTelegram::start();
    telegram.revoke(TOKEN);
    let mut bot = Bot::new(&telegram);
    let (status, answer) = bot.call("getMe", json!({}));
    assert_eq!((status, &answer["description"]), (401, &json!("Unauthorized")));
    assert_eq!(bot.0.post("/bot12:short/getMe", "{}").unwrap().0, 404);
}

#[test]
fn an_offset_deletes_everything_below_it() {
    let telegram = FakeTelegram::start();
    for text in ["one", "two", "three"] {
        telegram.inject(7, 42, text);
    }
    let mut bot = Bot::new(&telegram);
    let (_, answer) = bot.call("getUpdates", json!({ "limit": 2 }));
    assert_eq!(texts(&answer), ["one", "two"]);
    let second = answer["result"][1]["update_id"].as_i64().unwrap();
    let (_, answer) = bot.call("getUpdates", json!({ "offset": second }));
    assert_eq!(texts(&answer), ["two", "three"]);
    let (_, answer) = bot.call("getUpdates", json!({ "offset": second + 2, "timeout": 0 }));
    assert_eq!(texts(&answer), [""; 0]);
    assert_eq!(telegram.unconfirmed(), 0);
}

#[test]
fn a_long_poll_ends_with_the_first_message() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    bot.begin_poll(0);
    telegram.wait("an open poll", |ledger| (ledger.open_polls == 1).then_some(()));
    telegram.inject(7, 42, "hi \u{1f600} \"quoted\"\n");
    let (status, answer) = bot.0.receive().unwrap();
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(texts(&answer), ["hi \u{1f600} \"quoted\"\n"]);
    telegram.wait_for_silence();
}

#[test]
fn a_second_poller_is_served_and_the_older_one_gets_a_conflict() {
    let telegram = FakeTelegram::start();
    let (mut older, mut newer) = (Bot::new(&telegram), Bot::new(&telegram));
    older.begin_poll(0);
    telegram.wait("an open poll", |ledger| (ledger.open_polls == 1).then_some(()));
    newer.begin_poll(0);
    assert_eq!(older.0.receive().unwrap().0, 409);
    telegram.inject(7, 42, "hi");
    assert_eq!(newer.0.receive().unwrap().0, 200);
}

#[test]
fn a_poll_ends_with_its_connection_though_the_ledger_was_cleared() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    bot.begin_poll(0);
    telegram.wait("an open poll", |ledger| (ledger.open_polls == 1).then_some(()));
    telegram.clear_ledger();
    drop(bot);
    telegram.wait_for_silence();
    assert_eq!(telegram.ledger().open_polls, 0);
}

#[test]
fn messages_get_ascending_ids_in_each_chat_and_stand_in_the_ledger() {
    let telegram = FakeTelegram::start();
    let asked = telegram.inject(7, 42, "question");
    let mut bot = Bot::new(&telegram);
    let body = json!({ "chat_id": 7, "text": "<b>a</b> &lt; b", "parse_mode": "HTML",
        "reply_parameters": { "message_id": asked }, "link_preview_options": { "is_disabled": true } });
    let (status, answer) = bot.call("sendMessage", body);
    assert_eq!(
        (status, &answer["result"]["message_id"]),
        (200, &json!(asked + 1))
    );
    let (_, answer) = bot.call("SendMessage", json!({ "chat_id": "8", "text": "x" }));
    assert_eq!(answer["result"]["message_id"], 1);
    let sent = telegram.wait_for_replies(2);
    assert_eq!((sent[0].text.as_str(), sent[0].reply_to), ("a < b", Some(asked)));
    assert!(sent[0].preview_disabled && !sent[1].preview_disabled);
    assert_eq!(telegram.sent_to(8).len(), 1);
}

#[test]
fn texts_that_telegram_would_refuse_are_refused() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    let emoji = "\u{1f600}";
    let cases = [
        (json!({ "chat_id": 7, "text": " " }), "text is empty"),
        (json!({ "chat_id": 7 }), "text is empty"),
        (json!({ "text": "x" }), "chat not found"),
        (json!({ "chat_id": 7, "text": emoji.repeat(2049) }), "too long"),
        (
            json!({ "chat_id": 7, "text": "<div>", "parse_mode": "HTML" }),
            "can't parse entities",
        ),
    ];
    for (body, reason) in cases {
        let (status, answer) = bot.call("sendMessage", body);
        assert_eq!(status, 400);
        let description = answer["description"].as_str().unwrap();
        assert!(description.contains(reason), "{description}");
    }
    let longest =
        json!({ "chat_id": 7, "text": format!("<b>{}</b>", emoji.repeat(2048)), "parse_mode": "HTML" });
    assert_eq!(bot.call("sendMessage", longest).0, 200);
    assert_eq!(telegram.ledger().calls_of("sendMessage").len(), 6);
}

#[test]
fn messages_can_be_edited_and_deleted_where_they_stand() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    bot.call("sendMessage", json!({ "chat_id": 7, "text": "a" }));
    let edit = json!({ "chat_id": 7, "message_id": 1, "text": "b" });
    assert_eq!(bot.call("editMessageText", edit.clone()).0, 200);
    assert_eq!(telegram.standing(7, 1).as_deref(), Some("b"));
    let (status, answer) = bot.call("editMessageText", edit);
    let description = answer["description"].as_str().unwrap();
    assert!(
        status == 400 && description.starts_with("Bad Request: message is not modified"),
        "{description}"
    );
    let bold = json!({ "chat_id": 7, "message_id": 1, "text": "<b>b</b>", "parse_mode": "HTML" });
    assert_eq!(bot.call("editMessageText", bold).0, 200);
    let edits = telegram.ledger().edits_of(7, 1);
    assert!(edits.len() == 2 && edits[0].at <= edits[1].at, "{edits:?}");
    let gone = json!({ "chat_id": 7, "message_id": 9, "text": "b" });
    let (_, answer) = bot.call("editMessageText", gone);
    assert_eq!(answer["description"], "Bad Request: message to edit not found");
    let delete = json!({ "chat_id": 7, "message_id": 1 });
    assert_eq!(bot.call("deleteMessage", delete.clone()).0, 200);
    assert_eq!(bot.call("deleteMessage", delete).0, 400);
}

#[test]
fn rules_apply_as_often_as_they_say_and_only_where_they_say() {
    let telegram = FakeTelegram::start();
    telegram
        .on("sendMessage")
        .chat(7)
        .times(1)
        .answer(Answer::too_many(3));
    telegram
        .on("sendMessage")
        .with_markup()
        .answer(Answer::bad_gateway());
    let mut bot = Bot::new(&telegram);
    let plain = |chat: i64| json!({ "chat_id": chat, "text": "x" });
    assert_eq!(bot.call("sendMessage", plain(8)).0, 200);
    let (status, answer) = bot.call("sendMessage", plain(7));
    assert_eq!((status, &answer["parameters"]["retry_after"]), (429, &json!(3)));
    assert_eq!(bot.call("sendMessage", plain(7)).0, 200);
    let marked = json!({ "chat_id": 8, "text": "x", "parse_mode": "HTML" }).to_string();
    let path = format!("/bot{TOKEN}/sendMessage");
    assert_eq!(bot.0.post(&path, &marked).unwrap().0, 502);
    telegram.clear_rules();
    assert_eq!(bot.0.post(&path, &marked).unwrap().0, 200);
    assert_eq!(telegram.wait_for_replies(3).len(), 3);
}

#[test]
fn a_rule_that_skips_calls_applies_to_those_after_them() {
    let telegram = FakeTelegram::start();
    let rule = telegram.on("sendMessage").chat(7);
    rule.skipping(1).times(1).answer(Answer::migrated(-1007));
    let mut bot = Bot::new(&telegram);
    let mut send = |chat: i64| bot.call("sendMessage", json!({ "chat_id": chat, "text": "x" }));
    assert_eq!((send(7).0, send(8).0), (200, 200));
    assert_eq!(send(7).1["parameters"]["migrate_to_chat_id"], -1007);
    assert_eq!(send(7).0, 200);
}

#[test]
fn answers_that_are_none_reach_the_client_as_such() {
    let telegram = FakeTelegram::start();
    for reply in [
        Reply::Reset,
        Reply::shortened("application/json", b"{", 9),
        Reply::bytes("no HTTP", crate::http::End::Cut),
    ] {
        telegram.on("getMe").times(1).answer(reply.clone().into());
        let mut bot = Bot::new(&telegram);
        assert!(
            bot.0.post(&format!("/bot{TOKEN}/getMe"), "").is_err(),
            "{reply:?}"
        );
    }
}

#[test]
fn an_ambiguous_send_stands_in_the_chat_without_an_answer() {
    let telegram = FakeTelegram::start();
    telegram.on("sendMessage").times(1).accepted().close();
    let mut bot = Bot::new(&telegram);
    let path = format!("/bot{TOKEN}/sendMessage");
    assert!(bot.0.post(&path, r#"{"chat_id":7,"text":"x"}"#).is_err());
    assert_eq!(telegram.wait_for_replies_to(7, 1).len(), 1);
    assert_eq!(telegram.wait_for_calls("sendMessage", 1)[0].status, None);
}

#[test]
fn the_hook_brings_the_next_message_in() {
    let telegram = FakeTelegram::start();
    telegram.set_on_sent(Some(Box::new(|sent| {
        Some(Injection::text(sent.chat, 42, format!("after {}", sent.text)))
    })));
    let mut bot = Bot::new(&telegram);
    bot.call("sendMessage", json!({ "chat_id": 7, "text": "x" }));
    let (_, answer) = bot.call("getUpdates", json!({}));
    assert_eq!(texts(&answer), ["after x"]);
}

#[test]
fn unknown_methods_and_broken_parameters_get_an_error_envelope() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    assert_eq!(bot.call("sendDice", json!({})).0, 404);
    let path = format!("/bot{TOKEN}/sendMessage");
    assert_eq!(bot.0.post(&path, "{").unwrap().0, 400);
    assert_eq!(bot.0.post("/elsewhere", "").unwrap().0, 404);
}

/// Answers one request after the other, each over a connection of its own; their texts.
fn hook(statuses: &'static [u16]) -> (String, std::thread::JoinHandle<Vec<String>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let serve = move || {
        let answer = |status: &u16| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}}") {
                let mut some = [0; 1024];
                let count = stream.read(&mut some).unwrap();
                request.extend_from_slice(&some[..count]);
            }
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        };
        statuses.iter().map(answer).collect()
    };
    (url, std::thread::spawn(serve))
}

#[test]
fn a_webhook_gets_each_update_until_it_takes_it_and_those_of_a_chat_in_order() {
    let telegram = FakeTelegram::start();
    let (url, served) = hook(&[503, 200, 200]);
    let mut bot = Bot::new(&telegram);
    let set = json!({ "url": url, "secret_token": "s-1", "max_connections": 5 });
    assert_eq!(bot.call("setWebhook", set).0, 200);
    telegram.wait_for_webhook();
    telegram.inject(7, 42, "one");
    telegram.inject(7, 42, "two");
    telegram.wait("two deliveries that were taken", |ledger| {
        let taken = ledger.deliveries.iter().filter(|one| one.status == Some(200));
        (taken.count() == 2).then_some(())
    });
    let requests = served.join().unwrap();
    let said = |text: &str| format!("\"text\":\"{text}\"");
    for (request, text) in requests.iter().zip(["one", "one", "two"]) {
        assert!(request.starts_with("POST /in HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("X-Telegram-Bot-Api-Secret-Token: s-1\r\n"),
            "{request}"
        );
        assert!(request.contains(&said(text)), "{request}");
    }
    let (_, info) = bot.call("getWebhookInfo", json!({}));
    let info = &info["result"];
    assert_eq!(
        (&info["url"], &info["pending_update_count"]),
        (&json!(url), &json!(0))
    );
    assert!(
        info["last_error_message"].as_str().unwrap().contains("503"),
        "{info}"
    );
}

#[test]
fn nobody_polls_beside_a_webhook_and_what_waits_outlives_it() {
    let telegram = FakeTelegram::start();
    telegram.on("webhook").close();
    let (mut bot, mut poller) = (Bot::new(&telegram), Bot::new(&telegram));
    poller.begin_poll(0);
    telegram.wait("an open poll", |ledger| (ledger.open_polls == 1).then_some(()));
    assert_eq!(
        bot.call("setWebhook", json!({ "url": "http://127.0.0.1:9/" })).0,
        200
    );
    assert_eq!(poller.0.receive().unwrap().0, 409);
    telegram.inject(7, 42, "waits");
    let (status, answer) = bot.call("getUpdates", json!({}));
    assert!(
        status == 409 && answer["description"].as_str().unwrap().contains("webhook"),
        "{answer}"
    );
    bot.call("deleteWebhook", json!({ "drop_pending_updates": false }));
    assert_eq!(texts(&bot.call("getUpdates", json!({})).1), ["waits"]);
    bot.call("deleteWebhook", json!({ "drop_pending_updates": true }));
    assert_eq!(telegram.unconfirmed(), 0);
}

#[test]
fn webhooks_commands_and_answers_to_buttons_that_telegram_would_refuse_are_refused() {
    let telegram = FakeTelegram::start();
    let mut bot = Bot::new(&telegram);
    let command = |name: &str| json!({ "commands": [{ "command": name, "description": "d" }] });
    for (method, body, status) in [
        ("setWebhook", json!({ "url": "bot.example.org" }), 400),
        (
            "setWebhook",
            json!({ "url": "http://h/", "secret_token": "a b" }),
            400,
        ),
        (
            "setWebhook",
            json!({ "url": "http://h/", "max_connections": 101 }),
            400,
        ),
        ("setMyCommands", command("new"), 200),
        ("setMyCommands", command("New"), 400),
        ("setMyCommands", json!({}), 400),
        ("answerCallbackQuery", json!({ "callback_query_id": "7" }), 200),
        ("answerCallbackQuery", json!({}), 400),
    ] {
        assert_eq!(bot.call(method, body.clone()).0, status, "{method} {body}");
    }
    assert_eq!(
        telegram.ledger().calls_of("setMyCommands")[0].body,
        command("new").to_string()
    );
}
