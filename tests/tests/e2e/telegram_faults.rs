use std::time::{Duration, Instant};

use miniclaw_tests::Gateway;
use miniclaw_tests::fake_telegram::{Answer, TOKEN};
use serde_json::json;

use crate::phrases::BOT_FATHER;
use crate::setup::{USER, World, texts};

const OTHER_TOKEN: &str = "987654321:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

#[test]
fn a_channel_with_a_bad_token_fails_with_a_hint_and_its_sibling_answers() {
    let world = World::new();
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]).telegram(
        "broken",
        &world.telegram,
        OTHER_TOKEN,
        &[USER],
    );
    world.home.write_config(&config.text());
    world.telegram.revoke(OTHER_TOKEN);
    let gateway = world.start();
    let hint = gateway.wait_for_line(BOT_FATHER);
    assert!(hint.contains("broken"), "{hint}");
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let log = gateway.stop().expect_code(0).stderr.clone();
    assert!(!log.contains(OTHER_TOKEN), "{log}");
}

#[test]
fn a_token_of_the_wrong_shape_is_refused_before_any_request() {
    let world =
        World::with(|config| config.with("/channels/telegram/settings/token", json!("12345:tooshort")));
    let gateway = Gateway::start(&world.home, &[]);
    gateway.wait_for_line(BOT_FATHER);
    gateway.stop();
    assert!(world.telegram.ledger().polls.is_empty());
    assert!(world.telegram.ledger().calls.is_empty());
}

#[test]
fn a_token_that_is_revoked_while_running_fails_the_channel_and_not_the_gateway() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "hi", 1);
    world.telegram.revoke(TOKEN);
    gateway.wait_for_line(BOT_FATHER);
    assert!(gateway.is_running());
    gateway.stop();
}

#[test]
fn markup_that_telegram_refuses_is_sent_as_plain_text() {
    let world = World::new();
    world.model.answer_with(|_| "this is **bold**".to_owned());
    let refusal = Answer::error(400, "Bad Request: can't parse entities: unsupported start tag");
    world.telegram.on("sendMessage").with_markup().answer(refusal);
    let gateway = world.start();
    let text = world.say(7, "hi", 1);
    assert!(text.contains("bold"), "{text}");
    let sent = world.telegram.sent_to(7).remove(0);
    assert_eq!(sent.parse_mode, None);
    gateway.stop().expect_code(0);
}

#[test]
fn the_wait_that_telegram_asks_for_is_kept() {
    let world = World::new();
    world
        .telegram
        .on("sendMessage")
        .chat(7)
        .times(1)
        .answer(Answer::too_many(2));
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let calls = world.telegram.ledger().calls_of("sendMessage");
    assert_eq!(calls.len(), 2);
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(2));
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_while_polling_is_waited_out() {
    let world = World::new();
    world
        .telegram
        .on("getUpdates")
        .times(3)
        .answer(Answer::bad_gateway());
    let gateway = world.start();
    world
        .telegram
        .wait("further polls", |ledger| (ledger.polls.len() > 3).then_some(()));
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn dropped_connections_while_polling_are_waited_out() {
    let world = World::new();
    world.telegram.on("getUpdates").times(3).close();
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn a_poll_that_is_swallowed_deafens_the_channel_for_three_polls_at_most() {
    let world = World::with(|config| config.with("/channels/telegram/settings/poll_timeout", json!(1)));
    let gateway = world.start();
    world.say(7, "hi", 1);
    world.telegram.on("getUpdates").times(1).black_hole();
    let polls = world.telegram.ledger().polls.len();
    world.telegram.wait("the poll that is swallowed", |ledger| {
        (ledger.polls.len() > polls).then_some(())
    });
    let swallowed = Instant::now();
    assert!(world.say(7, "are you deaf", 2).starts_with("re: are you deaf"));
    // Three polls, a second for the way, a second until the restart, and the time that a busy machine takes.
    assert!(
        swallowed.elapsed() < Duration::from_secs(7),
        "{:?}",
        swallowed.elapsed()
    );
    assert_eq!(gateway.lines_with("heard nothing").len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_at_the_start_is_waited_out() {
    let world = World::new();
    world.telegram.on("*").times(2).answer(Answer::bad_gateway());
    let gateway = Gateway::start(&world.home, &[]);
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_of_everything_ends_with_every_message_answered() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.flood(100..105, 2);
    world.model.wait_for_in_flight(5);
    world.telegram.on("*").answer(Answer::bad_gateway());
    world.model.release();
    world.telegram.wait_for_calls("sendMessage", 5);
    world.telegram.clear_rules();
    world.wait_for_flood(100..105, 2);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 10);
}

#[test]
fn a_reply_that_telegram_refuses_for_good_does_not_block_its_chat() {
    let world = World::new();
    let refusal = Answer::error(403, "Forbidden: bot was blocked by the user");
    world.telegram.on("sendMessage").chat(7).times(1).answer(refusal);
    let gateway = world.start();
    world.telegram.inject(7, USER, "lost");
    world.telegram.wait_for_calls("sendMessage", 1);
    assert_eq!(world.say(8, "other chat", 1), "re: other chat [n=1]");
    assert!(world.say(7, "back again", 1).starts_with("re: back again"));
    assert_eq!(world.telegram.ledger().calls_of("sendMessage").len(), 3);
    gateway.stop().expect_code(0);
}

#[test]
fn a_send_that_may_have_happened_is_repeated_once_at_most() {
    let world = World::new();
    world.telegram.on("sendMessage").times(1).accepted().close();
    let gateway = world.start();
    world.telegram.inject(7, USER, "hi");
    world.telegram.wait("a send that was answered", |ledger| {
        ledger
            .calls_of("sendMessage")
            .iter()
            .any(|call| call.status == Some(200))
            .then_some(())
    });
    assert_eq!(texts(&world.telegram.sent_to(7)), ["re: hi [n=1]"; 2]);
    assert!(world.say(7, "next", 3).starts_with("re: next"));
    gateway.stop().expect_code(0);
}

#[test]
fn the_loss_of_every_channel_is_told_once_and_the_gateway_runs_on() {
    let world = World::new();
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]).telegram(
        "other",
        &world.telegram,
        OTHER_TOKEN,
        &[USER],
    );
    world.home.write_config(&config.text());
    let gateway = world.start();
    gateway.wait_for_line("Gateway ready");
    world.telegram.revoke(OTHER_TOKEN);
    gateway.wait_for_lines(BOT_FATHER, 1);
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    assert!(gateway.lines_with("No channel is left").is_empty());
    world.telegram.revoke(TOKEN);
    gateway.wait_for_lines(BOT_FATHER, 2);
    let told = gateway.wait_for_line("No channel is left");
    assert!(told.contains("ERROR") && gateway.is_running(), "{told}");
    let log = gateway.stop().stderr.clone();
    assert_eq!(log.matches("No channel is left").count(), 1, "{log}");
}

#[test]
fn a_start_without_any_channel_is_told_once_and_so_is_the_first_one_that_is_back() {
    let world = World::new();
    world.telegram.on("*").answer(Answer::bad_gateway());
    let gateway = Gateway::start(&world.home, &[]);
    let told = gateway.wait_for_line("no channel runs");
    assert!(told.contains("ERROR"), "{told}");
    world.telegram.clear_rules();
    let back = gateway.wait_for_line("A channel runs again");
    assert!(back.contains("INFO"), "{back}");
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let log = gateway.stop().expect_code(0).stderr.clone();
    assert_eq!(
        log.matches("no channel").count() + log.matches("No channel").count(),
        1,
        "{log}"
    );
    assert_eq!(log.matches("runs again").count(), 1, "{log}");
}
