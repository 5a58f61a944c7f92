//! A changed configuration that is taken up while the gateway runs.

use std::path::Path;

use miniclaw_tests::fake_telegram::{FakeTelegram, Injection, TOKEN};
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, ConfigFile, FakeModel, Gateway, procfs, until};
use serde_json::{Value, json};

use crate::setup::{USER, World};

mod together;

/// Of another bot.
const OTHER: &str = "987654321:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

fn standard(world: &World) -> ConfigFile {
    ConfigFile::standard(&world.telegram, &world.model, &[USER])
}

fn without_telegram(world: &World) -> ConfigFile {
    ConfigFile::default().model(&world.model)
}

fn reload(world: &World) -> Finished {
    Command::new(&world.home, &["reload", "--json"]).run()
}

/// Takes a configuration up as a whole; returns what the command says.
fn take_up(world: &World, config: &ConfigFile) -> Value {
    world.home.write_config(&config.text());
    let reloaded = reload(world);
    reloaded.expect_code(0);
    serde_json::from_str(&reloaded.stdout).unwrap()
}

fn texts(telegram: &FakeTelegram, chat: i64) -> Vec<String> {
    let sent = telegram.sent_to(chat);
    sent.into_iter().map(|sent| sent.text).collect()
}

fn outcome<'a>(taken: &'a Value, instance: &str) -> &'a str {
    let instances = taken["instances"].as_array().unwrap();
    let found = instances.iter().find(|change| change["instance"] == instance);
    found.map_or("", |change| change["outcome"].as_str().unwrap())
}

#[test]
fn a_channel_that_is_new_answers_and_the_others_do_not_notice() {
    let world = World::new();
    let gateway = world.start();
    let second = FakeTelegram::start();
    let taken = take_up(
        &world,
        &standard(&world).telegram("second", &second, OTHER, &[USER]),
    );
    assert!(
        outcome(&taken, "second").starts_with("running telegram"),
        "{taken}"
    );
    assert_eq!(taken["instances"].as_array().map(Vec::len), Some(1));
    second.inject_to(OTHER, &Injection::text(9, USER, "new here"));
    assert!(
        second.wait_for_replies_to(9, 1)[0]
            .text
            .starts_with("re: new here")
    );
    assert!(world.say(7, "old here", 1).starts_with("re: old here"));
    assert_eq!(gateway.lines_with("Plugin running plugin=telegram").len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_channel_that_goes_and_comes_back_loses_and_doubles_nothing() {
    let world = World::with(|config| {
        config
            .with("/gateway/shutdown_timeout", json!("300ms"))
            .with("/gateway/max_concurrent_turns", json!(2))
    });
    let gateway = world.start();
    world.model.hold();
    world.flood(10..14, 5);
    world.model.wait_for_in_flight(2);
    let waits = || {
        gateway
            .lines_with("waits for a channel that is not configured")
            .len()
    };
    until("all messages to be taken", || world.telegram.unconfirmed() == 0);
    let short = without_telegram(&world)
        .with("/gateway/shutdown_timeout", json!("300ms"))
        .with("/gateway/max_concurrent_turns", json!(2));
    let taken = take_up(&world, &short);
    assert!(outcome(&taken, "telegram").starts_with("removed"), "{taken}");
    assert_eq!(world.telegram.sent_count(), 0);
    world.model.release();
    until("the answers to what waits", || waits() >= 20);
    assert_eq!(world.telegram.sent_count(), 0);
    take_up(&world, &standard(&world));
    world.wait_for_flood(10..14, 5);
    for chat in 10..14 {
        let texts = texts(&world.telegram, chat);
        let expected: Vec<String> = (0..5).map(|n| format!("re: chat {chat} message {n} ")).collect();
        assert_eq!(texts.len(), 5, "{texts:?}");
        for (text, expected) in texts.iter().zip(&expected) {
            assert!(text.starts_with(expected.trim_end()), "{texts:?}");
        }
    }
    assert!(world.say(7, "and on", 1).starts_with("re: and on"));
    gateway.stop().expect_code(0);
}

#[test]
fn what_is_under_way_on_a_removed_channel_is_answered_first() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.telegram.inject(7, USER, "almost too late");
    world.model.wait_for_in_flight(1);
    world.home.write_config(&without_telegram(&world).text());
    let reloading = Command::new(&world.home, &["reload"]).start();
    gateway.wait_for_line("These turns end first");
    world.model.release();
    reloading.wait().expect_code(0);
    assert!(texts(&world.telegram, 7)[0].starts_with("re: almost too late"));
    gateway.stop().expect_code(0);
}

#[test]
fn routes_models_and_prompts_hold_for_the_next_turn() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "one", 1);
    let other = FakeModel::start();
    let entry = |model: &FakeModel| json!({ "plugin": "openai", "settings": { "base_url": model.base_url(), "model": "bigger", "api_key": "sk-other-0123456789" } });
    let config = standard(&world)
        .with("/providers/other", entry(&other))
        .with("/routes", json!([{ "chat": "8", "provider": "other" }]))
        .with("/model", json!("sharper"))
        .with("/agent/system_prompt", json!("Speak like a pirate."))
        .with("/sessions/history", json!(2));
    let taken = take_up(&world, &config);
    assert!(outcome(&taken, "other").starts_with("running openai"), "{taken}");
    assert_eq!(taken["next_start"], json!([]));
    world.say(7, "two", 2);
    world.say(8, "three", 1);
    let asked = world.model.asked();
    assert_eq!(
        (asked[0].model.as_str(), asked[1].model.as_str()),
        ("fake", "sharper")
    );
    assert!(asked[1].messages[0].content.contains("pirate"), "{asked:?}");
    assert_eq!(other.asked()[0].model, "bigger");
    // And back: the provider is asked no more, and ends.
    let taken = take_up(&world, &standard(&world));
    assert!(outcome(&taken, "other").starts_with("removed"), "{taken}");
    world.say(8, "four", 2);
    assert_eq!((world.model.asked().len(), other.asked().len()), (3, 1));
    gateway.wait_for_line("Plugin removed");
    gateway.stop().expect_code(0);
}

#[test]
fn a_turn_ends_with_the_provider_that_it_began_with() {
    let world = World::new();
    let gateway = world.start();
    let other = FakeModel::start();
    world.model.hold();
    world.telegram.inject(7, USER, "who answers?");
    world.model.wait_for_in_flight(1);
    let entry = json!({ "plugin": "openai", "settings": { "base_url": other.base_url(), "api_key": "sk-other-0123456789" } });
    let config = ConfigFile::default()
        .telegram("telegram", &world.telegram, TOKEN, &[USER])
        .provider("other", entry);
    take_up(&world, &config);
    world.model.release();
    assert!(
        world.telegram.wait_for_replies_to(7, 1)[0]
            .text
            .starts_with("re: who answers?")
    );
    assert!(other.asked().is_empty());
    world.say(7, "and now?", 2);
    assert_eq!(other.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn terms_and_bounds_hold_at_once() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "free", 1);
    let config = standard(&world)
        .with("/limits/conversation_tokens_per_day", json!(1))
        .with(
            "/providers/model/prices",
            json!({ "*": { "input": 1.0, "output": 2.0 } }),
        )
        .with("/gateway/max_message_bytes", json!(2_048))
        .with("/delivery/max_concurrent_sends", json!(1))
        .with("/log/level", json!("debug"));
    let taken = take_up(&world, &config);
    assert_eq!(
        (&taken["instances"], &taken["next_start"]),
        (&json!([]), &json!([]))
    );
    assert!(world.say(7, "refused", 2).contains("tokens for today"));
    assert!(
        world
            .say(7, &"x".repeat(3_000), 3)
            .contains("longer than the 2 KiB")
    );
    gateway.wait_for_line("DEBUG");
    assert_eq!(world.model.asked().len(), 1);
    take_up(&world, &standard(&world).with("/log/level", json!("error")));
    assert!(world.say(7, "free again", 4).starts_with("re: free again"));
    gateway.stop().expect_code(0);
}

#[test]
fn what_cannot_change_is_named_until_the_next_start() {
    let world = World::new();
    let gateway = world.start();
    let config = standard(&world)
        .with("/workspace_path", json!("elsewhere"))
        .with("/log/format", json!("json"));
    for _ in 0..2 {
        let taken = take_up(&world, &config);
        assert_eq!(
            taken["next_start"],
            json!(["log.format", "workspace_path"]),
            "{taken}"
        );
    }
    let line = gateway.wait_for_line("take effect at the next start");
    assert!(line.contains("workspace_path"), "{line}");
    world.say(7, "here", 1);
    assert!(!world.home.miniclaw().join("elsewhere").exists());
    gateway.stop().expect_code(0);
}

#[test]
fn a_secret_in_a_file_is_read_again() {
    let world = World::new();
    let file = world.home.root().join("key");
    let write = |key: &str| miniclaw_tests::gateway::write_private(&file, key.as_bytes());
    write("sk-first-0123456789abcdef");
    let config = standard(&world).with(
        "/providers/model/settings/api_key",
        json!(format!("${{file:{}}}", file.display())),
    );
    world.home.write_config(&config.text());
    let gateway = world.start();
    world.say(7, "one", 1);
    write("sk-second-0123456789abcdef");
    let taken = take_up(&world, &config);
    assert!(outcome(&taken, "model").starts_with("running"), "{taken}");
    world.say(7, "two", 2);
    let keys: Vec<_> = world
        .model
        .asked()
        .into_iter()
        .map(|asked| asked.authorization)
        .collect();
    assert!(keys[0].as_deref().is_some_and(|key| key.contains("sk-first")));
    assert!(keys[1].as_deref().is_some_and(|key| key.contains("sk-second")));
    gateway.stop().expect_code(0);
}

/// What is written, and what of it is told.
fn bad_ones(world: &World) -> Vec<(String, &'static str, &'static str)> {
    let with = |path: &str, value: Value| standard(world).with(path, value).text();
    vec![
        ("{ this is no JSON".into(), "config.json:1:3", "double quotes"),
        (with("/modle", json!("x")), "modle", "model"),
        (
            with("/gateway/max_pending", json!("many")),
            "gateway.max_pending",
            "whole number",
        ),
        (
            with("/sessions/history", json!(-1)),
            "sessions.history",
            "out of range",
        ),
        (
            with("/routes", json!([{ "provider": "nobody" }])),
            "routes[0].provider",
            "nobody",
        ),
        (
            with("/channels/irc", json!({})),
            "channels.irc.plugin",
            "not known",
        ),
        (
            with("/channels/telegram/settings/token", json!("abc")),
            "settings.token",
            "@BotFather",
        ),
        (
            with("/channels/telegram/settings/proxy", json!("ftp://x")),
            "settings.proxy",
            "http",
        ),
        (
            with("/channels/telegram/settings/token", json!("${env:NOT_THERE}")),
            "settings.token",
            "NOT_THERE",
        ),
        (
            with("/plugins/paths", json!(["/nowhere"])),
            "plugins.paths",
            "does not exist",
        ),
        (with("/log/level", json!("loud")), "log.level", "a level such as"),
        (
            with("/plugins/trusted_keys", json!(["/nowhere.pub"])),
            "plugins.trusted_keys[0]",
            "/nowhere.pub",
        ),
    ]
}

#[test]
fn a_bad_configuration_changes_nothing_and_says_what_to_do() {
    let world = World::new();
    let gateway = world.start();
    for (n, (text, place, advice)) in bad_ones(&world).into_iter().enumerate() {
        world.home.write_config(&text);
        let refused = Command::new(&world.home, &["reload"]).run();
        refused.expect_code(1);
        assert!(refused.stderr.contains(place), "{place}: {}", refused.stderr);
        assert!(refused.stderr.contains(advice), "{advice}: {}", refused.stderr);
        assert!(refused.stderr.contains("config.json:"), "{}", refused.stderr);
        let told: Value = serde_json::from_str(&reload(&world).stdout).unwrap();
        assert_eq!(told["instances"], json!([]));
        assert!(told["errors"][0]["line"].is_u64(), "{told}");
        assert!(
            world
                .say(7, "still there?", n + 1)
                .starts_with("re: still there?")
        );
    }
    std::fs::remove_file(world.home.config()).unwrap();
    let refused = Command::new(&world.home, &["reload"]).run();
    refused.expect_code(1);
    assert!(refused.stderr.contains("the file is gone"), "{}", refused.stderr);
    assert_eq!(gateway.lines_with("Configuration reloaded").len(), 0);
    assert_eq!(gateway.lines_with("Plugin running").len(), 2);
    gateway.stop().expect_code(0);
}

#[test]
fn without_a_gateway_there_is_nobody_to_reload() {
    let world = World::new();
    world.home.write_config("{ this is no JSON");
    let refused = Command::new(&world.home, &["reload"]).run();
    refused.expect_code(69);
    assert!(refused.stderr.contains("no gateway runs"), "{}", refused.stderr);
}

#[test]
fn an_instance_that_does_not_start_is_told_and_the_others_run() {
    let world = World::new();
    let gateway = world.start();
    let second = FakeTelegram::start();
    second.revoke(OTHER);
    world.home.write_config(
        &standard(&world)
            .telegram("second", &second, OTHER, &[USER])
            .text(),
    );
    let reloaded = Command::new(&world.home, &["reload"]).run();
    reloaded.expect_code(1);
    assert!(reloaded.stdout.contains("second: failed: "), "{reloaded:?}");
    assert!(world.say(7, "still there?", 1).starts_with("re: still there?"));
    gateway.stop().expect_code(0);
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).map_or(0, Iterator::count)
}

/// Each has another prompt and another model, every second one a channel and a provider more.
fn alternate(world: &World, second: &FakeTelegram, n: usize) -> ConfigFile {
    let config = standard(world)
        .with("/agent/system_prompt", json!(format!("Prompt {n}.")))
        .with("/providers/model/settings/model", json!(format!("fake-{n}")));
    if n.is_multiple_of(2) {
        return config;
    }
    let echo = json!({ "plugin": "echo" });
    config
        .telegram("second", second, OTHER, &[USER])
        .with("/providers/spare", echo)
}

#[test]
fn twenty_reloads_under_load_lose_nothing_and_leave_nothing_behind() {
    let world = World::new();
    let gateway = world.start();
    let second = FakeTelegram::start();
    for n in [1, 2] {
        take_up(&world, &alternate(&world, &second, n));
    }
    let settled = |gateway: &Gateway| (threads(gateway.pid()), procfs::open_files(gateway.pid()));
    // Connections to servers are kept for a while: as many as such a load needs are there from now on.
    world.flood(30..50, 10);
    world.wait_for_flood(30..50, 10);
    let before = settled(&gateway);
    world.flood(10..30, 10);
    for n in 1..=20 {
        take_up(&world, &alternate(&world, &second, n));
    }
    world.wait_for_flood(10..30, 10);
    for chat in 10..30 {
        let texts = texts(&world.telegram, chat);
        assert_eq!(texts.len(), 10, "{texts:?}");
        for (n, text) in texts.iter().enumerate() {
            assert!(
                text.starts_with(&format!("re: chat {chat} message {n}")),
                "{texts:?}"
            );
        }
    }
    until("threads and files as before", || {
        let (threads, files) = settled(&gateway);
        threads <= before.0 + 2 && files <= before.1 + 8
    });
    gateway.stop().expect_code(0);
}

#[test]
fn a_channel_that_changes_its_plugin_goes_and_comes_back_with_what_waits() {
    let world = World::with(|config| config.with("/gateway/shutdown_timeout", json!("300ms")));
    let gateway = world.start();
    world.model.hold();
    world.telegram.inject(7, USER, "who will send it?");
    world.model.wait_for_in_flight(1);
    let config = ConfigFile::default()
        .model(&world.model)
        .channel("telegram", json!({ "plugin": "console" }))
        .with("/gateway/shutdown_timeout", json!("300ms"));
    let taken = take_up(&world, &config);
    assert!(
        outcome(&taken, "telegram").starts_with("running console"),
        "{taken}"
    );
    assert_eq!(world.telegram.sent_count(), 0);
    let config = standard(&world).with("/gateway/shutdown_timeout", json!("300ms"));
    let taken = take_up(&world, &config);
    assert!(
        outcome(&taken, "telegram").starts_with("running telegram"),
        "{taken}"
    );
    world.model.release();
    assert!(
        world.telegram.wait_for_replies_to(7, 1)[0]
            .text
            .starts_with("re: who will send it?")
    );
    gateway.stop().expect_code(0);
}
