//! Twenty secrets in one configuration, and everything that is written, shown or said searched for each of them.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::{Answer, Injection};
use miniclaw_tests::gateway::write_private;
use miniclaw_tests::http::Reply;
use miniclaw_tests::tls_front::TlsFront;
use miniclaw_tests::{Command, Gateway};
use serde_json::{Value, json};

use crate::setup::{USER, World};

const COUNT: usize = 20;
const FALLBACKS: [&str; 6] = ["anthropic", "gemini", "ollama", "redirected", "tls", "refused"];

/// The `n`th secret: of letters alone where a token has to be one, otherwise with what an address would escape.
fn canary(n: usize) -> String {
    match n {
        1 | 2 | 4 | 5 | 6 => format!("Canary{n:02}CanaryCanaryCanaryCanary{n:02}_-"),
        _ => format!("cnry{n:02}+/=&key of a%bird{n:02}"),
    }
}

/// As a bot's token.
fn token(n: usize) -> String {
    format!("12345678{n}:{}", canary(n))
}

/// What a secret may look like by the time it leaks.
fn forms(n: usize) -> Vec<String> {
    let secret = canary(n);
    let mut escaped = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    let base64 =
        [secret.clone(), format!("user:{secret}"), token(n)].map(|text| BASE64_STANDARD.encode(text));
    let quoted = serde_json::to_string(&secret).unwrap();
    let quoted = quoted.trim_matches('"').to_owned();
    let form_escaped = escaped.replace("%20", "+");
    [secret, escaped, form_escaped, quoted]
        .into_iter()
        .chain(base64)
        .collect()
}

/// What was found, without the secrets.
#[derive(Default)]
struct Leaks(Vec<String>);

impl Leaks {
    fn look(&mut self, place: &str, text: &str) {
        for n in 1..=COUNT {
            for (form, needle) in forms(n).iter().enumerate() {
                if let Some(at) = text.find(needle.as_str()) {
                    let line = text[..at].lines().count();
                    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
                    let before = &text[text.floor_char_boundary(start.max(at.saturating_sub(300)))..at];
                    self.0.push(format!(
                        "secret {n} (form {form}) in {place}, line {line}, after: {before:?}"
                    ));
                }
            }
        }
    }

    fn look_at_files(&mut self, path: &Path, except: &Path) {
        for entry in path.read_dir().unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.look_at_files(&path, except);
            } else if path != except && path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                self.look(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            }
        }
    }
}

fn openai(base_url: &str, model: &str, key: usize) -> Value {
    json!({ "plugin": "openai", "settings": { "base_url": base_url, "model": model, "api_key": canary(key) } })
}

/// A gateway's configuration with all of them.
fn write_config(world: &World, tls: &TlsFront) {
    let (telegram, model) = (&world.telegram, &world.model);
    let file = world.home.root().join("query-secret");
    write_private(&file, canary(13).as_bytes());
    let bot = |n: usize| {
        json!({ "plugin": "telegram", "allow_from": [USER],
        "settings": { "token": token(n), "api_url": telegram.url() } })
    };
    let mut proxied = bot(2);
    proxied["settings"]["proxy"] = json!(format!("http://user:{}@127.0.0.1:1", escaped(3)));
    let mut hooked = bot(4);
    hooked["settings"]["mode"] = json!("webhook");
    hooked["settings"]["webhook"] = json!({ "url": "https://bot.example.org/hook", "listen": "127.0.0.1:0",
        "secret_token": canary(5) });
    let script = "read line; echo \"$line $API_TOKEN\" >&2; echo \"$line $API_TOKEN\"; exit 3";
    let exec = json!({ "plugin": "exec", "allow_from": ["42"], "settings": {
        "command": ["/bin/sh", "-c", script],
        "env": { "API_TOKEN": canary(9) },
        "options": { "server": "${env:CANARY_7}", "password": canary(8) } } });
    let mut first = openai(&model.base_url(), "m-first", 10);
    first["settings"]["headers"] = json!({ "x-custom": "${env:CANARY_11}", "x-api-key": canary(12) });
    first["settings"]["query"] = json!({ "sig": format!("${{file:{}}}", file.display()) });
    let other = |plugin: &str, key: usize| {
        json!({ "plugin": plugin, "settings": {
        "base_url": model.url(), "model": format!("m-{plugin}"), "api_key": canary(key) } })
    };
    let mut gemini = other("gemini", 15);
    gemini["settings"]["headers"] = json!({ "authorization": canary(16) });
    let config = miniclaw_tests::ConfigFile::default()
        .channel("telegram", bot(1))
        .channel("proxied", proxied)
        .channel("hooked", hooked)
        .channel("wrong", bot(6))
        .channel("exec", exec)
        .provider("anthropic", other("anthropic", 14))
        .provider("gemini", gemini)
        .provider("ollama", other("ollama", 17))
        .provider("redirected", openai(&model.base_url(), "m-redirected", 18))
        .provider("tls", openai(&format!("{}/v1", tls.url()), "m-tls", 19))
        .provider("refused", openai("http://127.0.0.1:1/v1", "m-refused", 20))
        .provider("first", first)
        .with("/routes", json!([{ "provider": "first", "fallback": FALLBACKS }]))
        .with("/agent/retries", json!(0));
    world.home.write_config(&config.text());
}

fn escaped(n: usize) -> String {
    forms(n).swap_remove(1)
}

fn command(world: &World, arguments: &[&str]) -> Command {
    Command::new(&world.home, arguments)
        .env("CANARY_7", canary(7))
        .env("CANARY_11", canary(11))
}

/// Every server answers with the secret that it got, and refuses it.
fn echo_secrets(world: &World) {
    let refusal = |status: u16, n: usize| {
        let message = format!("Incorrect API key provided: {}. Also {}", canary(n), escaped(n));
        let body = json!({ "error": { "message": message, "type": "invalid_request_error", "code": message,
            "status": "UNAUTHENTICATED" } });
        Fault::Answer(Reply::json(status, body.to_string()))
    };
    let model = &world.model;
    model.fail_model("m-first", refusal(401, 10));
    model.fail_model("m-anthropic", refusal(400, 14));
    model.fail_model("m-gemini", refusal(403, 15));
    model.fail_model("m-ollama", refusal(500, 17));
    let elsewhere = format!("http://127.0.0.1:1/?key={}", escaped(18));
    model.fail_model(
        "m-redirected",
        Fault::Answer(Reply::json(302, canary(18)).with_header("location", elsewhere)),
    );
}

fn start(world: &World) -> Gateway {
    let polls = world.telegram.ledger().polls.len();
    let gateway = command(world, &["gateway"]).env("MINICLAW_LOG", "trace").start();
    world.telegram.wait("the first poll", |ledger| {
        (ledger.polls.len() > polls).then_some(())
    });
    gateway
}

#[test]
fn none_of_twenty_secrets_leaks_anywhere() {
    let world = World::new();
    let tls = TlsFront::before(&world.model.base_url());
    write_config(&world, &tls);
    let (telegram, model) = (&world.telegram, &world.model);
    telegram.revoke(&token(6));
    let gateway = start(&world);
    let say = |text: &str| telegram.inject_to(&token(1), &Injection::text(7, USER, text));
    say("a good answer");
    telegram.wait_for_replies_to(7, 1);
    echo_secrets(&world);
    say("all fail");
    telegram.wait_for_replies_to(7, 2);
    // A platform that says the secret, too: a reply that is a dead letter by it.
    telegram.on("sendMessage").answer(Answer::error(
        400,
        &format!("Bad Request: no chat for {}", token(1)),
    ));
    say("a dead letter");
    gateway.wait_for_line(crate::phrases::DEAD_LETTER);
    telegram.clear_rules();
    telegram
        .on("getUpdates")
        .times(1)
        .answer(Answer::error(502, &format!("Bad Gateway for {}", token(1))));
    say("after trouble");
    telegram.wait_for_replies_to(7, 3);
    let mut leaks = Leaks::default();
    look_at_commands(&world, &mut leaks);
    let killed = gateway.kill();
    let gateway = start(&world);
    say("after a kill");
    telegram.wait_for_replies_to(7, 4);
    let stopped = gateway.stop();
    for (name, output) in [("the first log", &killed), ("the second log", &stopped)] {
        leaks.look(name, &output.stderr);
        leaks.look(&format!("{name}, stdout"), &output.stdout);
    }
    for sent in telegram.ledger().sent {
        leaks.look("a reply", &sent.text);
    }
    leaks.look_at_files(&world.home.miniclaw(), &world.home.config());
    // That the secrets are in use, so that there was something to leak.
    assert_eq!(
        model.asked()[0].authorization,
        Some(format!("Bearer {}", canary(10)))
    );
    assert!(killed.stderr.contains("TRACE hyper") && killed.stderr.contains("[redacted]"));
    assert!(leaks.0.is_empty(), "{}", leaks.0.join("\n"));
}

fn look_at_commands(world: &World, leaks: &mut Leaks) {
    let commands: [&[&str]; 17] = [
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "validate"],
        &["status"],
        &["status", "--json"],
        &["providers", "check", "--json"],
        &["providers", "check"],
        &["models"],
        &["trace", "1"],
        &["trace", "3", "--json"],
        &["trace", "5"],
        &["queue", "list"],
        &["queue", "list", "--json"],
        &["sessions", "show", "telegram_7"],
        &["sessions", "list"],
        &["plugin", "list"],
        &["agent", "-m", "all fail"],
    ];
    for arguments in commands {
        let finished = command(world, arguments).env("MINICLAW_LOG", "trace").run();
        let name = arguments.join(" ");
        leaks.look(&format!("stdout of `{name}`"), &finished.stdout);
        leaks.look(&format!("stderr of `{name}`"), &finished.stderr);
    }
}
