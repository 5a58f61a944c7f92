//! The web chat of a real gateway, with a browser's requests.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::{Browser, Command, ConfigFile, Crowd, FakeModel, Gateway, Home};
use serde_json::{Value, json};

use crate::phrases::READY;

/// Between the pieces of an answer: long enough to be killed in the middle.
const SLOWLY: Duration = Duration::from_millis(700);
const ANSWER: &str = "The first part of it, the second part of it, the third part of it.";

/// A gateway whose only channel is the web chat.
struct Chat {
    model: FakeModel,
    home: Home,
}

impl Chat {
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// With further keys of the channel's entry.
    fn with(more: Value) -> Self {
        let model = FakeModel::start();
        let mut entry = json!({ "plugin": "webchat", "settings": { "listen": "127.0.0.1:0" } });
        entry
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let config = ConfigFile::default().model(&model).channel("web", entry);
        Self {
            home: Home::with(&config),
            model,
        }
    }

    fn start(&self) -> Gateway {
        let gateway = Gateway::start(&self.home, &[]);
        gateway.wait_for_line(READY);
        gateway
    }

    /// The page's address, and the token that logs in there.
    fn link(&self) -> (String, String) {
        let printed = Command::new(&self.home, &["web", "--json"]).run();
        printed.expect_code(0);
        let link: Value = serde_json::from_str(&printed.stdout).unwrap();
        assert_eq!(link["valid_s"], 600);
        let url = link["url"].as_str().unwrap();
        let (base, token) = url.split_once("/login?token=").unwrap();
        (base.to_owned(), token.to_owned())
    }

    fn browser(&self) -> Browser {
        let (base, token) = self.link();
        let browser = Browser::log_in(&base, &token);
        assert_eq!(Browser::stranger(&base).get("/api/chats").0, 401);
        browser
    }
}

#[test]
fn message_of_the_page_is_answered_while_the_answer_is_written() {
    let chat = Chat::new();
    chat.model.answer_with(|_| ANSWER.to_owned());
    chat.model
        .fail_about("slow", Fault::Paced(Duration::from_millis(200)));
    let gateway = chat.start();
    let browser = chat.browser();
    let mut events = browser.events(0);
    let said = json!({ "id": "a-1", "text": "slow" });
    let accepted = browser.post("/api/chats/c-1/messages", &said);
    assert_eq!(accepted, (202, json!({ "verdict": "accepted" })));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|text| text != ANSWER) {
        let message = events.message();
        match message["role"].as_str() {
            Some("user") => assert_eq!(message["text"], "slow"),
            _ => seen.push(message["text"].as_str().unwrap().to_owned()),
        }
    }
    assert!(
        seen.len() > 2,
        "it was never shown while it was written: {seen:?}"
    );
    let begins = |text: &String| ANSWER.starts_with(text.trim_end_matches(" …"));
    assert!(seen.iter().all(begins), "{seen:?}");
    let again = browser.post("/api/chats/c-1/messages", &said);
    assert_eq!(again, (202, json!({ "verdict": "duplicate" })));
    assert_eq!(browser.texts("c-1"), ["slow", ANSWER]);
    let (status, sessions) = browser.get("/api/sessions");
    assert_eq!(status, 200);
    assert!(sessions.to_string().contains("web_c-1"), "{sessions}");
    assert_eq!(browser.get("/api/status").0, 200);
    assert_eq!(browser.get("/api/sessions/web_c-1").0, 200);
    gateway.stop().expect_code(0);
    assert_eq!(events.name(), "bye");
}

#[test]
fn answer_that_a_kill_cut_stands_there_once_after_the_restart() {
    let chat = Chat::new();
    chat.model.answer_with(|_| ANSWER.to_owned());
    chat.model.fail_about("slow", Fault::Paced(SLOWLY));
    let gateway = chat.start();
    let browser = chat.browser();
    let mut events = browser.events(0);
    let said = json!({ "id": "a-1", "text": "slow" });
    assert_eq!(browser.post("/api/chats/c-1/messages", &said).0, 202);
    while events.message()["role"] != "agent" {}
    gateway.kill();
    let gateway = chat.start();
    // The login is still good, only the port is another one.
    let (base, _) = chat.link();
    let browser = browser.moved_to(&base);
    let mut events = browser.events(0);
    while events.message()["text"] != ANSWER {}
    assert_eq!(
        browser.post("/api/chats/c-1/messages", &said),
        (202, json!({ "verdict": "duplicate" }))
    );
    assert_eq!(browser.texts("c-1"), ["slow", ANSWER]);
    gateway.stop().expect_code(0);
}

#[test]
fn web_chat_works_in_a_sandbox_of_its_own() {
    let allow = json!({ "allow": ["listen", "observe"] });
    let chat = Chat::with(json!({ "isolation": "process", "sandbox": allow }));
    let gateway = chat.start();
    let browser = chat.browser();
    let mut events = browser.events(0);
    let said = json!({ "id": "a-1", "text": "hello" });
    assert_eq!(browser.post("/api/chats/c-1/messages", &said).0, 202);
    while events.message()["text"] != "re: hello [n=1]" {}
    assert_eq!(browser.get("/api/status").0, 200);
    gateway.stop().expect_code(0);
    assert_eq!(events.name(), "bye");
}

#[test]
fn owner_gets_in_beside_two_hundred_connections_of_strangers() {
    let chat = Chat::new();
    let gateway = chat.start();
    let browser = chat.browser();
    let (base, token) = chat.link();
    let address = base.strip_prefix("http://").unwrap();
    let _crowd = Crowd::gather(address, 200, b"GET /api/events HTTP/1.1\r\nHo");
    let begun = Instant::now();
    assert_eq!(browser.get("/api/chats").0, 200);
    let other = Browser::log_in(&base, &token);
    assert_eq!(other.get("/api/status").0, 200);
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    let mut events = other.events(0);
    let said = json!({ "id": "a-1", "text": "hello" });
    assert_eq!(browser.post("/api/chats/c-1/messages", &said).0, 202);
    while events.message()["text"] != "re: hello [n=1]" {}
    gateway.stop().expect_code(0);
}
