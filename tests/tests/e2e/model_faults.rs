use std::time::Duration;

use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::http::Reply;
use serde_json::json;

use crate::setup::{USER, World};

/// A world whose gateway gives up soon.
fn impatient() -> World {
    World::with(|config| {
        config
            .with("/agent/retries", json!(1))
            .with("/agent/turn_timeout", json!("10s"))
            .with("/agent/first_chunk_timeout", json!("500ms"))
            .with("/agent/idle_timeout", json!("500ms"))
    })
}

/// The one sentence that chat 7 gets for a message that the model never answers.
fn sentence_after(world: &World) -> String {
    world.telegram.inject(7, USER, "doomed");
    let sentence = world.telegram.wait_for_replies_to(7, 1).remove(0).text;
    assert!(!sentence.starts_with("re: "), "{sentence}");
    assert!(
        sentence.contains(' ') && !sentence.contains("half of"),
        "{sentence}"
    );
    sentence
}

#[test]
fn the_wait_that_the_model_asks_for_is_kept() {
    let world = World::new();
    world.model.fail(1, Fault::too_many(2));
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let asked = world.model.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at.unwrap() - asked[0].at.unwrap() >= Duration::from_secs(2));
    gateway.stop().expect_code(0);
}

#[test]
fn passing_errors_of_the_model_are_tried_again_unseen() {
    for fault in [Fault::status(500), Fault::status(503), Fault::CutStream] {
        let world = World::new();
        world.model.fail(1, fault.clone());
        let gateway = world.start();
        assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]", "{fault:?}");
        assert_eq!(world.model.asked().len(), 2, "{fault:?}");
        gateway.stop().expect_code(0);
        assert_eq!(world.telegram.sent_to(7).len(), 1, "{fault:?}");
    }
}

#[test]
fn a_turn_that_fails_for_good_ends_in_one_honest_sentence_and_the_next_one_works() {
    let faults = [
        Fault::status(500),
        Fault::status(401),
        Fault::status(404),
        Fault::garbage(),
        Fault::CutStream,
        Fault::StalledStream,
        Fault::Hang,
        Fault::Empty,
        Fault::OnlyToolCall,
    ];
    for fault in faults {
        let world = impatient();
        world.model.fail_about("doomed", fault.clone());
        let gateway = world.start();
        sentence_after(&world);
        assert!(world.say(7, "fine", 2).starts_with("re: fine"), "{fault:?}");
        gateway.stop().expect_code(0);
        assert_eq!(world.telegram.sent_to(7).len(), 2, "{fault:?}");
        let attempts = world
            .model
            .asked()
            .iter()
            .filter(|asked| asked.last_user() == "doomed")
            .count();
        assert!(attempts <= 2, "{attempts} attempts at {fault:?}");
    }
}

#[test]
fn half_of_an_answer_is_never_part_of_the_history() {
    let world = impatient();
    world
        .model
        .answer_with(|asked| format!("half of an answer to {}", asked.last_user()));
    world.model.fail_about("doomed", Fault::CutStream);
    let gateway = world.start();
    sentence_after(&world);
    world.model.clear_faults();
    world.say(7, "next", 2);
    let asked = world.model.asked().pop().unwrap();
    let of_the_model = |turn: &&miniclaw_tests::fake_model::Turn| turn.role == "assistant";
    let mut said = asked.conversation().filter(of_the_model);
    assert!(said.all(|turn| !turn.content.contains("half of")), "{asked:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn the_fallback_answers_where_the_first_provider_does_not() {
    let world = World::with(|config| {
        config.with("/agent/retries", json!(0)).with(
            "/routes",
            json!([{ "channel": "telegram", "provider": "model", "fallback": ["echo"] }]),
        )
    });
    world.model.fail_about("", Fault::status(500));
    let gateway = world.start();
    let reply = world.say(7, "is anybody there", 1);
    assert!(reply.contains("is anybody there"), "{reply}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_turn_that_fails_delays_no_other_chat() {
    let world = impatient();
    world.model.fail_about("doomed", Fault::Hang);
    let gateway = world.start();
    world.telegram.inject(7, USER, "doomed");
    world.model.wait_for_in_flight(1);
    assert_eq!(world.say(8, "fine", 1), "re: fine [n=1]");
    world.telegram.wait_for_replies_to(7, 1);
    gateway.stop().expect_code(0);
}

/// Messages until the gateway leaves the first provider alone; returns how many.
fn until_left_alone(world: &World, gateway: &miniclaw_tests::Gateway) -> usize {
    let mut said = 0;
    while gateway.lines_with("left alone").is_empty() {
        said += 1;
        assert!(said < 20, "{}", gateway.log());
        let reply = world.say(7, &format!("try {said}"), said);
        assert!(reply.contains(&format!("try {said}")), "{reply}");
    }
    said
}

#[test]
fn a_dead_provider_is_left_alone_while_its_fallback_answers_and_used_again_once_it_is_back() {
    let world = World::with(|config| {
        config.with("/agent/retries", json!(0)).with(
            "/routes",
            json!([{ "channel": "telegram", "provider": "model", "fallback": ["echo"] }]),
        )
    });
    // The wait that it asks for is the breaker's first one.
    world.model.fail_about("try", Fault::unavailable(2));
    let gateway = world.start();
    let mut said = until_left_alone(&world, &gateway);
    let asked = world.model.asked().len();
    assert_eq!(asked, 5);
    for _ in 0..10 {
        said += 1;
        let reply = world.say(7, &format!("try {said}"), said);
        assert!(
            !reply.starts_with("re: ") && reply.contains(&format!("try {said}")),
            "{reply}"
        );
    }
    assert_eq!(world.model.asked().len(), asked);
    world.model.clear_faults();
    // Each message is its own look at whether the wait is over; the fallback answers until then.
    while gateway.lines_with("answers again").is_empty() {
        said += 1;
        world.say(7, &format!("healed {said}"), said);
    }
    let waited = world.model.asked()[asked].at.unwrap() - world.model.asked()[asked - 1].at.unwrap();
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    said += 1;
    assert!(world.say(7, "and on", said).starts_with("re: and on"));
    let log = gateway.stop().expect_code(0).stderr.clone();
    assert_eq!(log.matches("left alone").count(), 1, "{log}");
    assert_eq!(log.matches("answers again").count(), 1, "{log}");
}

#[test]
fn an_outage_of_three_seconds_is_outlasted_by_the_retries_of_every_conversation() {
    let world = World::new();
    world.model.fail_about("", Fault::status(503));
    let gateway = world.start();
    for chat in 100..110 {
        world.telegram.inject(chat, USER, "are you there");
    }
    let first = world.model.wait_for_requests(1)[0].at.unwrap();
    gateway.wait_for_line("left alone");
    let back = first + Duration::from_secs(3);
    std::thread::sleep(back.saturating_duration_since(std::time::Instant::now()));
    world.model.clear_faults();
    for chat in 100..110 {
        let reply = world.telegram.wait_for_replies_to(chat, 1).remove(0).text;
        assert_eq!(reply, "re: are you there [n=1]");
    }
    gateway.stop().expect_code(0);
}

#[test]
fn a_server_that_finds_a_conversation_too_long_is_asked_with_less_of_it_from_then_on() {
    let world = World::new();
    let gateway = world.start();
    for (index, word) in ["one", "two", "three", "four"].into_iter().enumerate() {
        world.say(7, &format!("{word} {}", "filler ".repeat(50)), index + 1);
    }
    let too_long = r#"{"error":{"message":"This model's maximum context length is 512 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    world
        .model
        .fail_next_about("now", 1, Fault::Answer(Reply::json(400, too_long)));
    assert!(world.say(7, "now", 5).starts_with("re: now"));
    assert!(world.say(7, "and then", 6).starts_with("re: and then"));
    let asked = world.model.asked();
    let counts: Vec<_> = asked.iter().map(|asked| asked.users().count()).collect();
    assert_eq!(counts[..5], [1, 2, 3, 4, 5]);
    assert!(counts[5] < 5 && counts[5] > 1, "{counts:?}");
    // It is remembered: the next question is not refused first.
    assert!(asked.len() >= 7 && counts[6] < 5, "{counts:?}");
    gateway.wait_for_line("set `providers.model.context_tokens`");
    gateway.stop().expect_code(0);
}
