//! `miniclaw models` and `miniclaw providers`.

use std::net::TcpListener;

use miniclaw_tests::config::{API_KEY, ConfigFile};
use miniclaw_tests::fake_model::{FakeModel, Fault};
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::http::Reply;
use miniclaw_tests::{Command, Home};
use serde_json::{Value, json};

fn run(home: &Home, arguments: &[&str]) -> Finished {
    let finished = Command::new(home, arguments).run();
    let output = format!("{}{}", finished.stdout, finished.stderr);
    assert!(!output.contains(API_KEY), "{output}");
    finished
}

fn json(finished: &Finished, code: i32) -> Value {
    serde_json::from_str(&finished.expect_code(code).stdout).unwrap()
}

/// The fake model as `good`, and what else is given.
fn home(model: &FakeModel, others: &[(&str, Value)]) -> Home {
    let good = openai(&model.base_url(), "fake");
    let config = ConfigFile::default().with("/providers/good", good);
    let config = others.iter().fold(config, |config, (name, entry)| {
        config.with(&format!("/providers/{name}"), entry.clone())
    });
    Home::with(&config.with("/provider", json!("good")))
}

fn openai(base_url: &str, model: &str) -> Value {
    json!({ "plugin": "openai", "settings": { "base_url": base_url, "model": model, "api_key": API_KEY } })
}

/// An address at which nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

#[test]
fn models_are_listed_with_the_configured_one_marked_and_failures_named() {
    let model = FakeModel::start();
    let ollama = json!({ "plugin": "ollama", "settings": { "base_url": model.url(), "model": "other" } });
    let home = home(&model, &[("local", ollama), ("gone", openai(&nowhere(), "fake"))]);
    let finished = run(&home, &["models"]);
    let text = &finished.expect_code(0).stdout;
    assert!(text.contains("good (openai): 1 model\n"), "{text}");
    assert!(text.contains("\n* fake "), "{text}");
    assert!(text.contains("gone (openai): cannot connect to "), "{text}");
    assert!(text.contains("\n  fake "), "{text}");
    assert!(
        text.contains("the configured model `other` is not among them"),
        "{text}"
    );

    let told = json(&run(&home, &["models", "--json"]), 0);
    let names: Vec<&str> = told["providers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["provider"].as_str())
        .collect();
    assert_eq!(names, ["gone", "good", "local"]);
    assert_eq!(told["providers"][1]["models"][0]["configured"], true);
    assert!(told["providers"][0]["error"].is_string() && told["providers"][0]["models"].is_null());
}

#[test]
fn models_of_nobody_are_an_error() {
    let model = FakeModel::start();
    let home = home(&model, &[("gone", openai(&nowhere(), "fake"))]);
    let finished = run(&home, &["models", "--provider", "gone"]);
    assert!(
        finished.expect_code(1).stdout.contains("connection refused"),
        "{}",
        finished.stdout
    );
    let finished = run(&home, &["models", "--provider", "echo"]);
    assert!(
        finished
            .expect_code(1)
            .stdout
            .contains("does not support `models`"),
        "{}",
        finished.stdout
    );
    let finished = run(&home, &["models", "--provider", "nobody"]);
    assert!(
        finished
            .expect_code(1)
            .stderr
            .contains("no provider is called `nobody`; there are `anthropic`"),
        "{}",
        finished.stderr
    );
}

#[test]
fn providers_are_listed_without_their_secrets_and_with_what_uses_them() {
    let model = FakeModel::start();
    let secret = openai("https://user:pass-word@models.example/v1?key=hidden", "m-1");
    let config = ConfigFile::default()
        .with("/providers/good", openai(&model.base_url(), "fake"))
        .with("/providers/spare", secret)
        .with("/provider", json!("good"))
        .with("/channels/console", json!({}))
        .with(
            "/routes",
            json!([{ "command": "deep", "model": "m-3" }, { "channel": "console", "provider": "ollama", "fallback": ["spare/m-2"] }]),
        );
    let home = Home::with(&config);
    let text = run(&home, &["providers", "list"]).expect_code(0).stdout.clone();
    assert!(text.contains("default"), "{text}");
    assert!(
        text.contains(
            "spare  openai  m-1  https://models.example/v1  fallback of routes[1] (channel console)"
        ),
        "{text}"
    );
    assert!(
        text.contains("ollama  ollama  llama3.2  http://127.0.0.1:11434  routes[1] (channel console)"),
        "{text}"
    );
    assert!(!text.contains("pass-word") && !text.contains("hidden"), "{text}");
    let told = json(&run(&home, &["providers", "list", "--json"]), 0);
    assert_eq!(told["providers"][0]["used_by"], json!(["default"]));
}

#[test]
fn a_provider_that_answers_is_told_with_its_times() {
    let model = FakeModel::start();
    model.answer_with(|_| "ok".into());
    let home = home(&model, &[]);
    let text = run(&home, &["providers", "check"]).expect_code(0).stdout.clone();
    assert!(text.starts_with("good: ok: `fake` answered in "), "{text}");
    assert!(text.contains("it said: ok"), "{text}");
    let told = json(&run(&home, &["providers", "check", "good", "--json"]), 0);
    let good = &told["providers"][0];
    assert_eq!((&good["ok"], &good["answer"]), (&json!(true), &json!("ok")));
    assert!(good["first_ms"].as_u64() <= good["total_ms"].as_u64(), "{good}");
    assert_eq!(model.asked()[0].last_user(), "Reply with the word ok.");
}

/// What `providers check` says where the fake model fails like this.
fn failed(fault: Option<Fault>) -> (String, Value) {
    let model = FakeModel::start();
    if let Some(fault) = fault {
        model.fail_about("", fault);
    }
    let home = Home::with(
        &ConfigFile::default()
            .with("/providers/model", openai(&model.base_url(), "fkae"))
            .with("/agent/first_chunk_timeout", json!("300ms")),
    );
    let text = run(&home, &["providers", "check"]).expect_code(1).stdout.clone();
    let mut told = json(&run(&home, &["providers", "check", "--json"]), 1);
    (text, told["providers"][0].take())
}

#[test]
fn a_wrong_key_says_which_setting_it_is() {
    let (text, told) = failed(Some(Fault::status(401)));
    assert!(text.contains("`providers.model.settings.api_key`"), "{text}");
    assert_eq!((&told["ok"], &told["cause"]), (&json!(false), &json!("auth")));
}

#[test]
fn an_empty_account_is_no_wrong_key_and_no_haste() {
    let body = r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
    let (text, told) = failed(Some(Fault::Answer(Reply::json(429, body))));
    assert!(text.contains("its account is empty"), "{text}");
    assert_eq!(told["cause"], "auth");
}

#[test]
fn an_unknown_model_gets_names_that_may_have_been_meant() {
    let body = r#"{"error":{"message":"the model `fkae` does not exist","code":"model_not_found"}}"#;
    let (text, told) = failed(Some(Fault::Answer(Reply::json(404, body))));
    assert!(
        text.contains("the server does not know `fkae`, it has `fake`"),
        "{text}"
    );
    assert_eq!(told["similar"], json!(["fake"]));
}

#[test]
fn a_slow_server_is_given_up_at_the_deadline() {
    let (text, told) = failed(Some(Fault::Hang));
    assert!(text.contains("`agent.first_chunk_timeout`"), "{text}");
    assert_eq!(told["cause"], "timeout");
}

#[test]
fn a_server_that_is_not_there_is_named_with_its_address() {
    let model = FakeModel::start();
    let home = home(&model, &[("gone", openai(&nowhere(), "fake"))]);
    let text = run(&home, &["providers", "check"]).expect_code(1).stdout.clone();
    assert!(text.contains("good: ok: "), "{text}");
    assert!(
        text.contains("gone: failed: cannot connect to http://127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains("start the server, or set `providers.gone.settings.base_url`"),
        "{text}"
    );
}

#[test]
fn providers_of_a_process_of_their_own_are_asked_as_well() {
    let model = FakeModel::start();
    let mut entry = openai(&model.base_url(), "fake");
    entry["isolation"] = json!("process");
    let home = home(&model, &[("apart", entry)]);
    let text = run(&home, &["providers", "check", "apart"])
        .expect_code(0)
        .stdout
        .clone();
    assert!(text.starts_with("apart: ok: "), "{text}");
    let text = run(&home, &["models", "--provider", "apart"])
        .expect_code(0)
        .stdout
        .clone();
    assert!(text.contains("* fake"), "{text}");
}
