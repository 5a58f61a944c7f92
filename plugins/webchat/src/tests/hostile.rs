//! Requests that nobody honest sends. None is accepted, and none changes anything.

mod crowd;
mod requests;

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
use requests::{Known, wrong};

/// Generated requests.
const REQUESTS: u32 = 1_500;

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
