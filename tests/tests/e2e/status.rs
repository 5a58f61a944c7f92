use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::{Command, until};
use serde_json::Value;

use crate::setup::World;

/// The status, when it has what `look` looks for.
fn status<R>(world: &World, what: &str, look: impl Fn(&Value) -> Option<R>) -> R {
    let mut found = None;
    until(what, || {
        let asked = Command::new(&world.home, &["status", "--json"]).start().wait();
        asked.expect_code(0);
        found = look(&serde_json::from_str(&asked.stdout).unwrap());
        found.is_some()
    });
    found.unwrap()
}

fn text(world: &World) -> String {
    let asked = Command::new(&world.home, &["status"]).start().wait();
    asked.expect_code(0);
    asked.stdout
}

#[test]
fn without_a_gateway_the_status_says_so_with_69() {
    let world = World::new();
    let asked = Command::new(&world.home, &["status"]).start().wait();
    let error = &asked.expect_code(69).stderr;
    assert!(
        error.contains("no gateway runs on") && error.contains("miniclaw gateway"),
        "{error}"
    );
    assert_eq!(asked.stdout, "");
    let asked = Command::new(&world.home, &["status", "--json"]).start().wait();
    assert!(asked.expect_code(69).stderr.contains("no gateway runs on"));
    let told: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(told, serde_json::json!({ "running": false }));
}

#[test]
fn a_gateway_that_is_well_tells_its_channels_providers_and_counts() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let heard = status(&world, "what the channel heard", |status| {
        assert_eq!(status["pid"], gateway.pid());
        // Minutes that are over: at most one may be by now.
        assert!(
            status["minutes"]
                .as_array()
                .is_some_and(|minutes| minutes.len() <= 1),
            "{status}"
        );
        status["channels"][0]["heard_ms"].as_u64()
    });
    assert!(heard < 60_000, "{heard}");
    let text = text(&world);
    for line in [
        "channel telegram: running, version ",
        ", account @fake_bot",
        "  heard its platform ",
        "provider model: running, plugin openai, version ",
        "queue: 0 messages wait, 0 turns under way, 0 dead letters",
        "received 1, ",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("outage") && !text.contains("last error"), "{text}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_gateway_that_answers_is_told_of_though_nobody_else_can_read_its_spool() {
    let world = World::new();
    let gateway = world.start();
    let spool = world.home.miniclaw().join("state/spool.db");
    let aside = spool.with_extension("aside");
    std::fs::rename(&spool, &aside).unwrap();
    std::fs::write(&spool, "no database").unwrap();
    let text = text(&world);
    assert!(
        text.contains("channel telegram: running") && text.contains("used today: not known: "),
        "{text}"
    );
    std::fs::rename(&aside, &spool).unwrap();
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_is_told_with_its_reason_and_its_end() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.on("getUpdates").answer(Answer::bad_gateway());
    world.telegram.inject(8, 666, "ends the poll");
    status(&world, "the outage", |status| {
        let outage = &status["channels"][0]["outage"];
        let reason = outage["reason"].as_str()?;
        assert!(reason.contains("502"), "{reason}");
        outage["over_ms"].is_null().then_some(())
    });
    assert!(text(&world).contains("  outage for "), "{}", text(&world));
    world.telegram.clear_rules();
    world.telegram.inject(8, 666, "ends the first poll that is well");
    status(&world, "the end of the outage", |status| {
        status["channels"][0]["outage"]["over_ms"].as_u64()
    });
    assert!(text(&world).contains("  last outage over "), "{}", text(&world));
    gateway.stop().expect_code(0);
}

#[test]
fn a_pause_is_told_with_its_reason() {
    let world = World::with(|config| config.with("/delivery/max_waiting", 10.into()));
    world.telegram.on("sendMessage").answer(Answer::bad_gateway());
    let gateway = world.start();
    world.flood(100..160, 1);
    status(&world, "a full outbox", |status| {
        (status["channels"][0]["replies_waiting"] == 60).then_some(())
    });
    world.flood(200..201, 1);
    let reason = status(&world, "the pause", |status| {
        let channel = &status["channels"][0];
        (channel["state"] == "paused").then(|| channel["reason"].as_str().map(str::to_owned))
    });
    assert_eq!(reason.as_deref(), Some("too many replies wait to be sent"));
    gateway.kill();
}

#[test]
fn a_bot_that_hears_nobody_and_one_in_a_foreign_group_say_why() {
    let world = World::with(|config| config.with("/channels/telegram/allow_from", serde_json::json!([])));
    let gateway = world.start();
    gateway.wait_for_line("Allow list is empty");
    let why = "  nobody may write: `allow_from` is empty, and `pairing` is off\n";
    assert!(text(&world).contains(why), "{}", text(&world));
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[crate::setup::USER]);
    world.home.write_config(&config.text());
    gateway.hang_up();
    gateway.wait_for_line("Configuration reloaded");
    world.telegram.inject(-200, crate::setup::USER, "anybody?");
    status(&world, "the group", |status| {
        (status["channels"][0]["groups_not_heard"][0]["group"] == "-200").then_some(())
    });
    let text = text(&world);
    assert!(
        text.contains(" ago in group -200, which is not in `channels.telegram.groups.allow`"),
        "{text}"
    );
    assert!(!text.contains("nobody may write"), "{text}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_flood_wait_is_told_with_the_replies_that_it_holds_up() {
    let world = World::new();
    let gateway = world.start();
    world
        .telegram
        .on("sendMessage")
        .times(1)
        .answer(Answer::too_many(30));
    world.telegram.inject(7, crate::setup::USER, "hi");
    let left = status(&world, "the flood wait", |status| {
        let wait = &status["channels"][0]["flood_wait"];
        assert!(
            wait.is_null() || status["channels"][0]["replies_waiting"] == 1,
            "{status}"
        );
        wait["left_ms"].as_u64()
    });
    assert!(left > 5_000 && left <= 31_000, "{left}");
    let text = text(&world);
    assert!(
        text.contains("  flood wait of the platform: sends to a chat wait for "),
        "{text}"
    );
    assert!(text.contains("  1 reply waits"), "{text}");
    gateway.kill();
}

#[test]
fn the_last_error_of_a_provider_is_told() {
    let world = World::with(|config| config.with("/agent/retries", 0.into()));
    let gateway = world.start();
    world.model.fail(1, Fault::status(500));
    world.telegram.inject(7, crate::setup::USER, "hi");
    world.telegram.wait_for_replies_to(7, 1);
    let error = status(&world, "the error", |status| {
        status["providers"][0]["last_error"]["error"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(error.contains("500"), "{error}");
    gateway.stop().expect_code(0);
}
