use crate::setup::{USER, World};

/// A message whose text is given as it stands between the quotes of a JSON string.
fn raw_message(id: i64, chat: i64, text: &str) -> String {
    format!(
        "\"message\":{{\"message_id\":{id},\"from\":{{\"id\":{USER},\"is_bot\":false,\"first_name\":\"U\"}},\
         \"chat\":{{\"id\":{chat},\"type\":\"private\",\"first_name\":\"U\"}},\"date\":1790000000,\"text\":\"{text}\"}}"
    )
}

#[test]
fn a_long_reply_is_split_at_telegrams_limit_and_nothing_is_lost() {
    let words: Vec<String> = (0..2_000).map(|index| format!("word{index}\u{1f600}")).collect();
    let text = words.join(" ");
    let world = World::new();
    let answer = text.clone();
    world.model.answer_with(move |_| answer.clone());
    let gateway = world.start();
    world.telegram.inject(7, USER, "tell me all");
    world.telegram.wait("the last word", |ledger| {
        ledger
            .sent
            .last()
            .is_some_and(|sent| sent.text.contains("word1999\u{1f600}"))
            .then_some(())
    });
    let sent = world.telegram.sent_to(7);
    assert!(sent.len() > 1);
    assert!(sent.iter().all(|sent| sent.text.encode_utf16().count() <= 4096));
    let joined: String = sent.iter().map(|sent| sent.text.as_str()).collect();
    let without_space = |text: &str| -> String { text.split_whitespace().collect() };
    assert_eq!(without_space(&joined), without_space(&text));
    let refused = world.telegram.ledger().calls_of("sendMessage");
    assert!(refused.iter().all(|call| call.status == Some(200)), "{refused:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn a_text_without_any_place_to_split_is_split_all_the_same() {
    let world = World::new();
    world.model.answer_with(|_| "\u{1f600}".repeat(5_000));
    let gateway = world.start();
    world.telegram.inject(7, USER, "smile");
    let sent = world.telegram.wait_for_replies_to(7, 3);
    let joined: String = sent.iter().map(|sent| sent.text.as_str()).collect();
    assert_eq!(joined, "\u{1f600}".repeat(5_000));
    gateway.stop().expect_code(0);
}

#[test]
fn a_message_of_a_megabyte_is_refused_with_a_note_and_the_chat_goes_on() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject(7, USER, &"x".repeat(1024 * 1024));
    let note = world.telegram.wait_for_replies_to(7, 1).remove(0).text;
    assert!(!note.starts_with("re: "), "{note}");
    assert!(world.say(7, "shorter", 2).starts_with("re: shorter"));
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn nul_and_direction_marks_are_text_like_any_other() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject(7, USER, "a\0b\u{202e}c");
    world.telegram.wait_for_replies_to(7, 1);
    assert!(world.model.asked()[0].last_user().contains("\u{202e}c"));
    let log = gateway.stop().stderr;
    assert!(!log.contains('\0') && !log.contains('\u{202e}'), "{log:?}");
}

#[test]
fn lone_surrogates_do_not_stop_the_channel() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject_raw(&raw_message(900, 7, "a\\ud800b"));
    world.telegram.inject(8, USER, "hi");
    let replies = world.telegram.wait_for_replies_to(8, 1);
    assert_eq!(replies[0].text, "re: hi [n=1]");
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.unconfirmed(), 0);
}

#[test]
fn updates_that_nobody_understands_are_confirmed_and_passed_over() {
    let world = World::new();
    let gateway = world.start();
    for members in [
        "\"hologram\":{\"x\":1}",
        "\"message\":{\"message_id\":\"no number\"}",
        "\"message\":17",
        "\"poll_answer\":{}",
    ] {
        world.telegram.inject_raw(members);
    }
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.unconfirmed(), 0);
}

#[test]
fn a_message_that_telegram_delivers_twice_is_answered_once() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject_raw(&raw_message(900, 7, "once"));
    world.telegram.wait_for_replies_to(7, 1);
    world.telegram.inject_raw(&raw_message(900, 7, "once"));
    assert_eq!(world.say(8, "next", 1), "re: next [n=1]");
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.sent_to(7).len(), 1);
}

#[test]
fn update_ids_that_start_over_are_no_reason_to_ignore_messages() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "before", 1), "re: before [n=1]");
    world.telegram.wait("its confirmation", |ledger| {
        ledger
            .polls
            .last()
            .is_some_and(|poll| poll.offset > 0)
            .then_some(())
    });
    gateway.stop().expect_code(0);
    // Telegram does so after an idle week; whoever keeps the last offset would confirm these unseen.
    world
        .telegram
        .set_next_update_id(miniclaw_tests::fake_telegram::TOKEN, 100);
    world.telegram.inject(7, USER, "after");
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies[1].text, "re: after [n=3]");
    gateway.stop().expect_code(0);
}
