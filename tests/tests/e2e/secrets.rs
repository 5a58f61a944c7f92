mod canaries;

use miniclaw_tests::config::API_KEY;
use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::{Answer, TOKEN};
use miniclaw_tests::{Command, Gateway};
use serde_json::json;

use crate::setup::{USER, World};

/// The part of the token that opens the bot.
fn secret_half() -> &'static str {
    TOKEN.split(':').nth(1).unwrap()
}

#[test]
fn no_token_and_no_key_reaches_any_log_or_file() {
    let world = World::with(|config| {
        config
            .with("/agent/retries", json!(1))
            .with("/agent/first_chunk_timeout", json!("500ms"))
    });
    world.telegram.on("getUpdates").times(1).close();
    world
        .telegram
        .on("sendMessage")
        .times(1)
        .answer(Answer::bad_gateway());
    world.model.fail(1, Fault::status(500));
    let gateway = Gateway::start(&world.home, &["-vv"]);
    world.say(7, "very private words", 1);
    world.model.fail(2, Fault::Hang);
    world.say(7, "more", 2);
    world.telegram.revoke(TOKEN);
    gateway.wait_for_line(crate::phrases::BOT_FATHER);
    let finished = gateway.stop();
    for output in [&finished.stdout, &finished.stderr] {
        assert!(!output.contains(secret_half()), "the token is in the log");
        assert!(!output.contains(API_KEY), "the key is in the log");
    }
    // What people write may be traced, and nothing above that.
    let mut above = finished.stderr.lines().filter(|line| !line.contains("TRACE"));
    assert!(
        above.all(|line| !line.contains("very private words")),
        "a message is in the log"
    );
    std::fs::remove_file(world.home.config()).unwrap();
    assert!(!world.home.holds(secret_half()) && !world.home.holds(API_KEY));
}

#[test]
fn secrets_from_files_and_environment_work_like_those_in_the_configuration() {
    let world = World::with(|config| {
        config
            .with("/channels/telegram/settings/token", json!("${env:BOT_TOKEN}"))
            .with("/providers/model/settings/api_key", json!("${file:KEY_FILE}"))
    });
    let key = world.home.root().join("key");
    miniclaw_tests::gateway::write_private(&key, format!("{API_KEY}\n").as_bytes());
    let text = std::fs::read_to_string(world.home.config()).unwrap();
    world
        .home
        .write_config(&text.replace("KEY_FILE", key.to_str().unwrap()));
    let gateway = Command::new(&world.home, &["gateway"])
        .env("BOT_TOKEN", TOKEN)
        .start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let asked = world.model.asked().remove(0);
    assert_eq!(asked.authorization, Some(format!("Bearer {API_KEY}")));
    gateway.stop().expect_code(0);
}

#[test]
fn the_short_keys_of_the_configuration_are_enough() {
    let world = World::new();
    let config = json!({
        "telegram_token": TOKEN,
        "allow_from": [USER],
        "provider": "model",
        "model": "fake",
        "providers": { "model": { "plugin": "openai", "settings": { "base_url": world.model.base_url() } } },
    });
    world.home.write_config(&config.to_string());
    // Without a way to name another server, the short form can only be checked.
    let finished = Command::new(&world.home, &["config", "validate"]).run();
    finished.expect_code(0);
}
