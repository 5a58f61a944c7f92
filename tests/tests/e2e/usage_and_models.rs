use std::time::Duration;

use miniclaw_tests::fake_model::{FakeModel, Fault, standard_answer};
use miniclaw_tests::fake_telegram::FakeTelegram;
use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, ConfigFile, Home};
use serde_json::{Value, json};

use crate::setup::{USER, World};

fn run(home: &Home, arguments: &[&str]) -> Finished {
    Command::new(home, arguments).run()
}

/// Waits for an answer that holds `part`: a kill may repeat the send that it interrupted.
fn hear(world: &World, chat: i64, text: &str, part: &str) -> String {
    let before = world.telegram.sent_to(chat).len();
    world.telegram.inject(chat, USER, text);
    world.telegram.wait(part, |ledger| {
        let sent = ledger.sent.iter().filter(|sent| sent.chat == chat).skip(before);
        let mut texts = sent.map(|sent| sent.text.clone());
        texts.find(|text| text.contains(part))
    })
}

fn shown(world: &World, key: &str) -> (String, Value) {
    let text = run(&world.home, &["sessions", "show", key])
        .expect_code(0)
        .stdout
        .clone();
    let json = run(&world.home, &["sessions", "show", key, "--json"]);
    (text, serde_json::from_str(&json.expect_code(0).stdout).unwrap())
}

#[test]
fn what_a_conversation_used_is_known_after_a_kill() {
    let world = World::with(|config| {
        config.with(
            "/providers/model/prices",
            json!({ "*": { "input": 1000, "output": 2000 } }),
        )
    });
    let gateway = world.start();
    world.say(7, "hi", 1);
    gateway.kill();
    let gateway = world.start();
    hear(&world, 7, "again", "re: again");
    let (text, json) = shown(&world, "telegram_7");
    assert!(
        text.contains("used in total: 2 requests, ") && text.contains(" USD"),
        "{text}"
    );
    let total = &json["usage"]["total"];
    assert_eq!(total["requests"], 2, "{json}");
    assert_eq!(json["usage"]["models"][0]["model"], "fake", "{json}");
    let status = run(&world.home, &["status"]).expect_code(0).stdout.clone();
    assert!(status.contains("used today: 2 requests, "), "{status}");
    let tokens = |name: &str| total[name].as_u64().unwrap();
    assert_eq!(
        total["cost_micros"].as_u64(),
        Some(1_000 * tokens("input_tokens") + 2_000 * tokens("output_tokens"))
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_conversation_that_used_its_tokens_is_told_when_it_goes_on_and_others_are_answered() {
    let world = World::with(|config| config.with("/limits/conversation_tokens_per_day", json!(1)));
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let refusal = "This conversation has used its 1 tokens for today; it goes on at 00:00 UTC.";
    assert_eq!(world.say(7, "more", 2), refusal);
    assert_eq!(world.say(8, "hi", 1), "re: hi [n=1]");
    gateway.kill();
    let gateway = world.start();
    hear(&world, 7, "still?", refusal);
    assert_eq!(world.model.asked().len(), 2);
    gateway.stop().expect_code(0);
}

#[test]
fn requests_at_once_and_in_a_minute_are_bounded_and_who_finds_no_place_is_told() {
    let world = World::with(|config| config.with("/providers/model/max_concurrent_requests", json!(1)));
    world.model.set_delay(Duration::from_millis(20));
    let gateway = world.start();
    world.flood(100..105, 2);
    world.wait_for_flood(100..105, 2);
    assert_eq!(world.model.most_in_flight(), 1);
    gateway.stop().expect_code(0);

    let world = World::with(|config| {
        config
            .with("/providers/model/requests_per_minute", json!(1))
            .with("/agent/turn_timeout", json!("5s"))
    });
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let told = world.say(8, "hi", 1);
    assert!(told.contains("too many questions wait for it"), "{told}");
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_long_conversation_is_summed_up_and_goes_on_after_a_kill() {
    let world = World::with(|config| config.with("/providers/model/context_tokens", json!(400)));
    world.model.answer_with(
        |asked| match asked.messages[0].content.starts_with("You sum up") {
            true => "Ada likes tea.".into(),
            false => standard_answer(asked),
        },
    );
    let gateway = world.start();
    let summed =
        |asked: &miniclaw_tests::fake_model::Asked| asked.messages[0].content.starts_with("You sum up");
    let mut said = 0;
    while !world.model.asked().iter().any(summed) {
        said += 1;
        assert!(said < 20, "nothing was summed up");
        let text = format!("tell me more about the tea of Ada, number {said}");
        hear(&world, 7, &text, &format!("number {said}"));
    }
    let before = "[Summary of our conversation so far: Ada likes tea.]\n";
    let knows = |text: &str, part: &str| {
        hear(&world, 7, text, part);
        let asked = world.model.asked();
        let asked = asked
            .iter()
            .rfind(|asked| asked.last_user().ends_with(text))
            .unwrap()
            .clone();
        let first = asked.users().next().unwrap().to_owned();
        assert!(first.starts_with(before), "{asked:?}");
        assert!(asked.users().count() <= said, "{asked:?}");
    };
    knows("what do I like?", "what do I like?");
    gateway.kill();
    let gateway = world.start();
    knows("and now?", "and now?");
    let (text, _) = shown(&world, "telegram_7");
    assert!(
        text.contains("] summary of ") && text.contains("Ada likes tea."),
        "{text}"
    );
    let status = hear(&world, 7, "/status", "Conversation: ");
    assert!(status.contains("and a summary of "), "{status}");
    hear(&world, 7, "/new", "This is a new conversation.");
    assert_eq!(hear(&world, 7, "fresh", "re: fresh"), "re: fresh [n=1]");
    gateway.stop().expect_code(0);
}

#[test]
fn a_conversation_that_cannot_be_summed_up_goes_on_without_its_oldest_messages() {
    let world = World::with(|config| config.with("/providers/model/context_tokens", json!(400)));
    world.model.fail_about("\nAssistant: ", Fault::Empty);
    let gateway = world.start();
    for number in 1..=12 {
        let text = format!("tell me more about the tea of Ada, number {number}");
        hear(&world, 7, &text, &format!("number {number}"));
    }
    let asked = world.model.asked();
    let summaries = asked
        .iter()
        .filter(|asked| asked.last_user().contains("\nAssistant: "));
    assert_eq!(summaries.count(), 1, "{asked:?}");
    let last: Vec<_> = asked.last().unwrap().users().collect();
    assert!(
        last.len() < 12 && last.last().unwrap().ends_with("number 12"),
        "{last:?}"
    );
    gateway.wait_for_line("Conversation cannot be summed up");
    gateway.stop().expect_code(0);
}

#[test]
fn a_model_that_was_chosen_outlives_a_new_conversation_and_a_kill() {
    let world = World::new();
    let gateway = world.start();
    let chosen = world.say(7, "/model other", 1);
    assert!(
        chosen.contains("This conversation's model is other (provider model)"),
        "{chosen}"
    );
    world.say(7, "/new", 2);
    world.say(7, "one", 3);
    gateway.kill();
    let gateway = world.start();
    hear(&world, 7, "two", "re: two");
    hear(&world, 8, "three", "re: three");
    let back = hear(&world, 7, "/model default", "default model");
    assert!(back.contains("fake (provider model)"), "{back}");
    hear(&world, 7, "four", "re: four");
    let model = |text: &str| {
        let asked = world.model.asked();
        asked
            .iter()
            .rfind(|asked| asked.last_user() == text)
            .unwrap()
            .model
            .clone()
    };
    assert_eq!(
        ["one", "two", "three", "four"].map(model),
        ["other", "other", "fake", "fake"]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn who_is_no_admin_chooses_no_model() {
    let world = World::with(|config| config.with("/channels/telegram/admins", json!([USER + 1])));
    let gateway = world.start();
    assert_eq!(
        world.say(7, "/model other", 1),
        "Only an admin can choose the model here."
    );
    assert!(world.say(7, "/model", 2).contains("Model: fake (provider model)"));
    world.say(7, "hi", 3);
    assert_eq!(world.model.asked()[0].model, "fake");
    gateway.stop().expect_code(0);
}

#[test]
fn a_command_may_have_a_model_of_its_own() {
    let world =
        World::with(|config| config.with("/routes", json!([{ "command": "/draw", "model": "painter" }])));
    let gateway = world.start();
    world.say(7, "/draw a cat", 1);
    world.say(7, "what is it?", 2);
    let models: Vec<_> = world.model.asked().into_iter().map(|asked| asked.model).collect();
    assert_eq!(models, ["painter", "fake"]);
    gateway.stop().expect_code(0);
}

#[test]
fn status_and_help_tell_what_there_is() {
    let world = World::with(|config| {
        config
            .with("/limits/conversation_tokens_per_day", json!(50_000))
            .with("/providers/model/context_tokens", json!(4_096))
    });
    let gateway = world.start();
    world.say(7, "hi", 1);
    let status = world.say(7, "/status", 2);
    for part in [
        "Model: fake (provider model)",
        "Conversation: 2 messages, about ",
        " of 4,096 tokens",
        "Today: 1 request, ",
        "In total: 1 request, ",
        "Left today for this conversation: ",
        " of 50,000 tokens",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let help = world.say(7, "/help", 3);
    for command in ["/help", "/new", "/stop", "/status", "/model"] {
        assert!(help.contains(command), "{help}");
    }
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_stop_of_the_gateway_waits_for_no_summary() {
    let world = World::with(|config| config.with("/providers/model/context_tokens", json!(400)));
    world.model.fail_about("\nAssistant: ", Fault::Hang);
    let gateway = world.start();
    // It fits into the window, and with its answer it fills that.
    world.say(7, "hi", 1);
    world.say(7, &"tea ".repeat(110), 2);
    world.model.wait_for_requests(3);
    let began = std::time::Instant::now();
    gateway.stop().expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn what_a_stopped_answer_used_counts_as_well() {
    let world = World::with(|config| config.with("/limits/conversation_tokens_per_day", json!(1)));
    world.model.fail_about("slow", Fault::StalledStream);
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    world.model.wait_for_requests(1);
    assert_eq!(world.say(7, "/stop", 1), "Stopped.");
    let refusal = "This conversation has used its 1 tokens for today; it goes on at 00:00 UTC.";
    assert_eq!(world.say(7, "more", 2), refusal);
    gateway.stop().expect_code(0);
}

#[test]
fn the_first_answer_after_a_start_knows_all_that_the_model_can_read() {
    let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
    let mut settings = model.settings("anthropic", true);
    settings["api_key"] = "key".into();
    let config = ConfigFile::standard(&telegram, &model, &[USER])
        .provider("model", json!({ "plugin": "anthropic", "settings": settings }));
    let home = Home::with(&config);
    let world = World {
        home,
        telegram,
        model,
    };
    world
        .model
        .answer_with(|asked| format!("n={}", asked.conversation().count()));
    let gateway = world.start();
    // Together more than is taken for granted of a model.
    for number in 1..=3 {
        let text = "words ".repeat(4_500);
        assert_eq!(world.say(7, &text, number), format!("n={}", 2 * number - 1));
    }
    gateway.stop().expect_code(0);
    let gateway = world.start();
    assert_eq!(world.say(7, "and now?", 4), "n=7");
    gateway.stop().expect_code(0);
}

#[test]
fn a_message_that_is_too_long_takes_nothing_along_that_was_said_before() {
    let world = World::with(|config| config.with("/providers/model/context_tokens", json!(1_500)));
    let gateway = world.start();
    for (number, count) in [("one", 1), ("two", 2), ("three", 3)] {
        world.say(7, &format!("CODEWORD {number}"), count);
    }
    // More than a message of the platform holds: it is put together again.
    let refused = world.say(7, &"lorem ipsum dolor sit amet ".repeat(450)[1..12_001], 4);
    assert!(
        refused.contains("your message is longer than it can take"),
        "{refused}"
    );
    world.say(7, "and now?", 5);
    let asked = world.model.asked();
    assert_eq!(asked.len(), 4, "nothing was summed up");
    let users: Vec<_> = asked[3].users().collect();
    let note = "[a message of 12,000 characters that was too long to be read]";
    assert_eq!(
        users,
        ["CODEWORD one", "CODEWORD two", "CODEWORD three", note, "and now?"]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn commands_are_known_in_either_case_and_claim_nothing_that_is_not_so() {
    let world = World::new();
    let gateway = world.start();
    world.say(7, "hi", 1);
    assert_eq!(world.say(7, "/stop", 2), "There is nothing to stop.");
    assert_eq!(world.say(7, "/NEW", 3), "This is a new conversation.");
    assert_eq!(world.say(7, "fresh", 4), "re: fresh [n=1]");
    let missing = world.say(7, "/model gemini/gemini-pro", 5);
    assert_eq!(
        missing,
        "No provider gemini is configured; send /model to see those that there are."
    );
    let chosen = world.say(7, "/model meta-llama/llama-3", 6);
    assert!(
        chosen.contains("model is meta-llama/llama-3 (provider model)"),
        "{chosen}"
    );
    let back = world.say(7, "/model DEFAULT", 7);
    assert!(back.contains("the default model again"), "{back}");
    gateway.stop().expect_code(0);
}
