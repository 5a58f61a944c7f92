use crate::setup::{USER, World, first_answers, line, reply, texts};
use miniclaw_tests::fake_telegram::Answer;
use serde_json::json;

#[test]
fn kill_with_100_messages_outstanding_loses_none_and_keeps_their_order() {
    let (chats, each) = (100..120, 5);
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.flood(chats.clone(), each);
    world.model.wait_for_in_flight(20);
    world.telegram.wait("the last confirmation", |ledger| {
        ledger
            .polls
            .last()
            .is_some_and(|poll| poll.offset == 5_100)
            .then_some(())
    });
    gateway.kill();
    assert!(world.telegram.ledger().sent.is_empty());

    world.model.release();
    let gateway = world.start();
    world.telegram.wait_for_replies(100);
    gateway.stop().expect_code(0);
    for chat in chats {
        let expected: Vec<String> = (0..each).map(|index| reply(&line(chat, index), index)).collect();
        assert_eq!(texts(&world.telegram.sent_to(chat)), expected);
    }
}

#[test]
fn kill_while_answers_go_out_repeats_at_most_those_under_way() {
    let (chats, each) = (100..120, 5);
    let world = World::new();
    let mut gateway = world.start();
    world.flood(chats.clone(), each);
    for replies in [10, 30, 60] {
        world.telegram.wait("some replies", |ledger| {
            (ledger.sent.len() >= replies).then_some(())
        });
        gateway.kill();
        gateway = world.start();
    }
    world.wait_for_flood(chats.clone(), each);
    gateway.stop().expect_code(0);
    for chat in chats {
        let sent = world.telegram.sent_to(chat);
        let expected: Vec<String> = (0..each).map(|index| line(chat, index)).collect();
        assert_eq!(first_answers(&sent), expected);
        // Each kill may repeat what this chat had under way, and sends of one chat go out one by one.
        assert!(sent.len() <= each + 3, "{:?}", texts(&sent));
    }
}

#[test]
fn what_was_answered_before_a_kill_is_not_answered_again() {
    let world = World::with(|config| config.with("/sessions/checkpoint_interval", json!("1h")));
    let gateway = world.start();
    assert_eq!(world.say(7, "one", 1), "re: one [n=1]");
    assert_eq!(world.say(7, "two", 2), "re: two [n=3]");
    gateway.kill();
    let gateway = world.start();
    // The history was in no file yet: it comes from the journal.
    world.telegram.inject(7, USER, "three");
    world.telegram.wait("the third answer", |ledger| {
        ledger
            .sent
            .iter()
            .any(|sent| sent.text == "re: three [n=5]")
            .then_some(())
    });
    gateway.stop().expect_code(0);
    let sent = world.telegram.sent_to(7);
    assert_eq!(first_answers(&sent), ["one", "two", "three"]);
    // The very last reply before the kill may not have been marked as sent.
    assert!(sent.len() <= 4, "{:?}", texts(&sent));
    assert_eq!(world.model.asked().len(), 3);
}

#[test]
fn a_reply_that_waits_for_telegram_survives_a_kill_without_another_call_to_the_model() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.on("sendMessage").answer(Answer::bad_gateway());
    world.telegram.inject(7, USER, "hi");
    world.telegram.wait_for_calls("sendMessage", 1);
    gateway.kill();
    world.telegram.clear_rules();
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 1);
    assert_eq!(texts(&replies), ["re: hi [n=1]"]);
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_burst_of_1000_messages_is_answered_completely() {
    let (chats, each) = (1_000..1_100, 10);
    let world = World::new();
    let gateway = world.start();
    world.flood(chats.clone(), each);
    world.wait_for_flood(chats.clone(), each);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 1_000);
    for chat in chats {
        let expected: Vec<String> = (0..each).map(|index| line(chat, index)).collect();
        assert_eq!(first_answers(&world.telegram.sent_to(chat)), expected);
    }
}

#[test]
fn a_message_whose_turn_ends_the_process_five_times_is_a_dead_letter_and_its_chat_goes_on() {
    let world = World::new();
    world.model.hold();
    world.telegram.inject(7, USER, "poison");
    for turns in 1..=5 {
        let gateway = world.start();
        world.model.wait_for_requests(turns);
        gateway.kill();
    }
    world.model.release();
    let gateway = world.start();
    let note = world.telegram.wait_for_replies_to(7, 1).remove(0).text;
    assert!(!note.starts_with("re: ") && note.contains(' '), "{note}");
    assert!(world.say(7, "next", 2).starts_with("re: next"));
    gateway.stop().expect_code(0);
    let asked = world.model.asked();
    let poison = asked.iter().filter(|asked| asked.last_user() == "poison");
    assert_eq!(poison.count(), 5);
}
