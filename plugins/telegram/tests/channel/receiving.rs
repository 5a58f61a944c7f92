mod refused;

use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_plugin_api::{Cause, Error, Outcome, Verdict};
use serde_json::{Value, json};

use crate::fake_api::{Answer, FakeApi};
use crate::{assert_no_token, started, within};

fn update(id: i64, text: &str) -> Value {
    json!({ "update_id": id, "message": { "message_id": id * 10, "date": 1, "text": text,
        "chat": { "id": 7, "type": "private" }, "from": { "id": 42, "first_name": "Ann" } } })
}

fn updates(list: &[(i64, &str)]) -> Answer {
    Answer::Ok(list.iter().map(|(id, text)| update(*id, text)).collect())
}

fn warnings(kit: &ChannelKit) -> Vec<String> {
    let log = kit.log();
    log.into_iter()
        .filter(|line| line.starts_with("2 miniclaw_telegram"))
        .collect()
}

#[tokio::test]
async fn updates_are_confirmed_only_after_the_verdict() {
    let api = FakeApi::start().await;
    api.answer("getUpdates", updates(&[(5, "one"), (6, "two")]));
    let kit = started(&api).await;
    let receiving = kit.receive(None);

    let poll = api.call("getUpdates").await;
    assert_eq!((&poll["offset"], &poll["timeout"]), (&Value::Null, &json!(25)));
    let allowed = json!([
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "callback_query"
    ]);
    assert_eq!(poll["allowed_updates"], allowed);

    let emitted = within(kit.emitted()).await;
    let texts: Vec<_> = emitted.messages.iter().map(|message| message.text()).collect();
    assert_eq!(
        (texts.as_slice(), emitted.cursor.as_ref()),
        (["one".to_owned(), "two".to_owned()].as_slice(), None)
    );
    assert!(api.unasked().await.is_empty());
    emitted.answer(&[Verdict::Accepted, Verdict::Ignored]);

    let poll = api.call("getUpdates").await;
    assert_eq!(poll["offset"], 7);
    assert_eq!(poll["allowed_updates"], allowed);
    assert_eq!(kit.progress(), 1);
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
    assert_no_token(&kit);
}

#[tokio::test]
async fn stop_confirms_what_was_accepted_last() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let receiving = kit.receive(None);
    api.call("getUpdates").await;
    api.answer("getUpdates", updates(&[(5, "one")]));
    let emitted = within(kit.emitted()).await;
    kit.stop_receiving().await.unwrap();
    emitted.accept();
    within(receiving.ended()).await.unwrap();

    let mut polls = vec![api.call("getUpdates").await];
    if polls[0]["timeout"] != 0 {
        // The poll that was cut short by the stop.
        polls.push(api.call("getUpdates").await);
    }
    let last = polls.last().unwrap();
    assert_eq!(
        (&last["offset"], &last["timeout"], &last["limit"]),
        (&json!(6), &json!(0), &json!(1))
    );

    let receiving = kit.receive(None);
    assert_eq!(api.call("getUpdates").await["offset"], 6);
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
    assert!(api.unasked().await.is_empty());
}

#[tokio::test]
async fn busy_host_leaves_the_offset() {
    let api = FakeApi::start().await;
    api.answer("getUpdates", updates(&[(5, "one")]));
    let kit = started(&api).await;
    let receiving = kit.receive(None);
    within(kit.emitted())
        .await
        .refuse(Error::transient("full").because(Cause::Busy));
    assert_eq!(within(receiving.ended()).await.unwrap_err().cause, Cause::Busy);
    assert_eq!(api.call("getUpdates").await["offset"], Value::Null);
    assert!(api.unasked().await.is_empty());

    api.answer("getUpdates", updates(&[(5, "one")]));
    let receiving = kit.receive(None);
    assert_eq!(api.call("getUpdates").await["offset"], Value::Null);
    within(kit.emitted()).await.accept();
    assert_eq!(api.call("getUpdates").await["offset"], 6);
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
}

#[tokio::test]
async fn host_that_gives_no_verdict_does_not_hold_up_the_stop() {
    let api = FakeApi::start().await;
    api.answer("getUpdates", updates(&[(5, "one")]));
    let kit = started(&api).await;
    let receiving = kit.receive(None);
    let _unanswered = within(kit.emitted()).await;
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
    api.call("getUpdates").await;
    assert!(api.unasked().await.is_empty());
}

#[tokio::test]
async fn garbage_between_good_updates_is_confirmed_with_them() {
    let api = FakeApi::start().await;
    let (one, two) = (update(5, "one"), update(8, r"tw\ud800"));
    let two = two.to_string().replace(r"\\ud800", r"\ud800");
    let deep = "[".repeat(3000) + &"]".repeat(3000);
    let body = format!(
        r#"{{"ok":true,"result":[{one},{{"update_id":6,"message":{deep}}},{{"update_id":7,"story":1e999}},{two}]}}"#
    );
    api.answer("getUpdates", Answer::Raw(200, body));
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    let emitted = within(kit.emitted()).await;
    let texts: Vec<_> = emitted.messages.iter().map(|message| message.text()).collect();
    assert_eq!(texts, ["one", "tw\u{fffd}"]);
    emitted.accept();
    assert_eq!(api.call("getUpdates").await["offset"], 9);
    let skipped = kit
        .log()
        .iter()
        .filter(|line| line.contains("Update skipped"))
        .count();
    assert_eq!(skipped, 2);
}

#[tokio::test]
async fn updates_that_say_nothing_are_confirmed_too() {
    let api = FakeApi::start().await;
    api.answer("getUpdates", Answer::Ok(json!([{ "update_id": 5, "poll": {} }])));
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    assert_eq!(api.call("getUpdates").await["offset"], 6);
}

#[tokio::test]
async fn ids_that_start_anew_below_are_followed() {
    let api = FakeApi::start().await;
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    for (id, offset) in [
        (900, Value::Null),
        (20, json!(901)),
        (20, json!(21)),
        (22, json!(21)),
    ] {
        assert_eq!(api.call("getUpdates").await["offset"], offset);
        api.answer("getUpdates", updates(&[(id, "hi")]));
        within(kit.emitted()).await.accept();
    }
    assert_eq!(api.call("getUpdates").await["offset"], 23);
}

#[tokio::test]
async fn revoked_token_ends_receiving_for_good() {
    let api = FakeApi::start().await;
    api.answer("getUpdates", Answer::Refused(401, "Unauthorized", Value::Null));
    let kit = started(&api).await;
    let error = within(kit.receive(None).ended()).await.unwrap_err();
    assert_eq!((error.outcome, error.cause), (Outcome::Permanent, Cause::Auth));
    assert!(error.message.contains("@BotFather"), "{error}");
    assert_no_token(&kit);
}

#[tokio::test]
async fn outage_is_waited_out_and_told_of_once() {
    let api = FakeApi::start().await;
    for answer in [
        Answer::Raw(502, "<html>bad gateway</html>".to_owned()),
        Answer::Raw(200, r#"{"ok":true,"result":[{"#.to_owned()),
        Answer::Cut,
        updates(&[(5, "one")]),
    ] {
        api.answer("getUpdates", answer);
    }
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    within(kit.emitted()).await.accept();
    assert_eq!(warnings(&kit).len(), 1, "{:?}", kit.log());
    assert!(
        kit.log()
            .iter()
            .any(|line| line.contains("Telegram answers again"))
    );
    assert_eq!(kit.progress(), 1);
    assert_no_token(&kit);
}

#[tokio::test]
async fn wait_that_telegram_asks_for_is_kept_to() {
    let api = FakeApi::start().await;
    api.answer(
        "getUpdates",
        Answer::Refused(429, "Too Many Requests", json!({ "retry_after": 1 })),
    );
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    let asked = std::time::Instant::now();
    api.call("getUpdates").await;
    assert!(asked.elapsed().as_millis() >= 900, "{:?}", asked.elapsed());
    assert_eq!(warnings(&kit).len(), 1);
}

#[tokio::test]
async fn wait_for_another_poller_ends_with_a_stop() {
    let api = FakeApi::start().await;
    let conflict = "Conflict: terminated by other getUpdates request";
    api.answer("getUpdates", Answer::Refused(409, conflict, Value::Null));
    let kit = started(&api).await;
    let receiving = kit.receive(None);
    within(async {
        while warnings(&kit).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(
        warnings(&kit)[0].contains("Another program polls"),
        "{:?}",
        kit.log()
    );
    kit.stop_receiving().await.unwrap();
    within(receiving.ended()).await.unwrap();
    assert_eq!(api.unasked().await, ["getUpdates"]);
}

#[tokio::test]
async fn pressed_button_is_released_once_the_host_has_the_press() {
    let api = FakeApi::start().await;
    let press = json!({ "update_id": 5, "callback_query": { "id": "77", "from": { "id": 42 }, "data": "tea",
        "message": { "message_id": 1, "chat": { "id": 7, "type": "private" } } } });
    api.answer("getUpdates", Answer::Ok(json!([press])));
    api.answer(
        "answerCallbackQuery",
        Answer::Refused(400, "Bad Request: query is too old", Value::Null),
    );
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    api.call("getUpdates").await;
    let emitted = within(kit.emitted()).await;
    assert_eq!(
        (
            emitted.messages[0].id.as_str(),
            emitted.messages[0].text().as_str()
        ),
        ("callback-77", "tea")
    );
    assert!(api.unasked().await.is_empty());
    emitted.accept();
    let (mut polls, mut released) = (0, 0);
    for _ in 0..2 {
        match within(api.next()).await {
            (method, body) if method == "answerCallbackQuery" => {
                assert_eq!(body, json!({ "callback_query_id": "77" }));
                released += 1;
            }
            (method, _) => polls += usize::from(method == "getUpdates"),
        }
    }
    assert_eq!((polls, released), (1, 1));
    assert!(warnings(&kit).is_empty(), "{:?}", kit.log());
}

#[tokio::test]
async fn outage_is_told_with_its_reason_and_so_is_its_end() {
    let api = FakeApi::start().await;
    let wait = json!({ "retry_after": 1 });
    api.answer(
        "getUpdates",
        Answer::Refused(429, "Too Many Requests: retry after 1", wait),
    );
    let kit = started(&api).await;
    let _receiving = kit.receive(None);
    let (name, data) = within(kit.event()).await;
    assert_eq!(
        (name.as_str(), &data["reason"]),
        (
            "outage",
            &json!("telegram asks to wait 1 s: Too Many Requests: retry after 1 (429)")
        )
    );
    api.answer("getUpdates", updates(&[]));
    assert_eq!(within(kit.event()).await.0, "recovered");
}
