//! An answer that is shown while it is written.

use std::time::Duration;

use miniclaw_tests::fake_model::{Fault, Twist};
use miniclaw_tests::fake_telegram::Answer;
use serde_json::json;

use crate::setup::{USER, World, texts};

/// Longer than the gateway waits for an instant answer.
const SLOWLY: Duration = Duration::from_millis(700);
const ANSWER: &str = "The first part of it, the second part of it, the third part of it.";

fn world() -> World {
    let world = World::with(|config| config.with("/channels/telegram/streaming", json!("edit")));
    world.model.answer_with(|_| ANSWER.to_owned());
    world
}

impl World {
    /// What stands in a chat once its only message holds all of the answer.
    fn finished(&self, chat: i64) -> String {
        self.telegram.wait("the whole answer", |ledger| {
            let edits = ledger.calls_of("editMessageText");
            edits
                .iter()
                .any(|edit| {
                    edit.chat == Some(chat)
                        && edit.status == Some(200)
                        && edit.text.as_deref() == Some(ANSWER)
                })
                .then_some(())
        });
        texts(&self.telegram.sent_to(chat)).join("\n--\n")
    }
}

#[test]
fn an_answer_grows_in_one_message_with_a_second_between_its_changes() {
    let world = world();
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    let first = world.finished(7);
    assert!(
        ANSWER.starts_with(first.trim_end_matches(" …")) && first.ends_with(" …"),
        "{first}"
    );
    let ledger = world.telegram.ledger();
    let sent = &ledger.sent_to(7)[0];
    let edits = ledger.calls_of("editMessageText");
    let moments: Vec<_> = std::iter::once(sent.at)
        .chain(edits.iter().map(|edit| edit.at))
        .collect();
    for pair in moments.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(950), "{moments:?}");
    }
    gateway.stop().expect_code(0);
}

#[test]
fn an_instant_answer_is_one_message_and_no_edit() {
    let world = world();
    let gateway = world.start();
    assert_eq!(world.say(7, "quick", 1), ANSWER);
    assert!(world.telegram.ledger().calls_of("editMessageText").is_empty());
    gateway.stop().expect_code(0);
}

#[test]
fn without_the_setting_nothing_is_edited() {
    let world = World::new();
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    let gateway = world.start();
    assert_eq!(world.say(7, "slow", 1), "re: slow [n=1]");
    assert!(world.telegram.ledger().calls_of("editMessageText").is_empty());
    gateway.stop().expect_code(0);
}

#[test]
fn an_answer_that_breaks_off_is_replaced_by_the_next_attempt_s() {
    let world = world();
    world.model.fail_next_about("slow", 1, Fault::StalledStream);
    let world = World {
        home: {
            let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER])
                .with("/channels/telegram/streaming", json!("edit"))
                .with("/agent/idle_timeout", json!("1s"));
            miniclaw_tests::Home::with(&config)
        },
        ..world
    };
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    world.finished(7);
    assert_eq!(world.telegram.sent_to(7).len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_flood_wait_holds_the_edits_and_the_reply_comes_afterwards() {
    let world = world();
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    world
        .telegram
        .on("editMessageText")
        .times(1)
        .answer(Answer::too_many(3));
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    world.finished(7);
    let edits = world.telegram.ledger().calls_of("editMessageText");
    let refused = edits.iter().find(|edit| edit.status == Some(429)).unwrap();
    let next = edits.iter().find(|edit| edit.status == Some(200)).unwrap();
    assert!(next.at - refused.at >= Duration::from_millis(2_900), "{edits:?}");
    assert_eq!(world.telegram.sent_to(7).len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_message_that_cannot_be_edited_leaves_the_reply_to_a_message_of_its_own() {
    let world = world();
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    world
        .telegram
        .on("editMessageText")
        .answer(Answer::error(400, "Bad Request: message to edit not found"));
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(replies[1].text, ANSWER);
    // What was shown before does not stay above it.
    world.telegram.wait("the end of the draft", |ledger| {
        ledger.calls_of("deleteMessage").pop()
    });
    gateway.stop().expect_code(0);
    let ledger = world.telegram.ledger();
    assert_eq!(ledger.calls_of("deleteMessage").len(), 1);
    let reply = ledger.calls_of("sendMessage").pop().expect("the reply is one");
    assert!(ledger.calls_of("deleteMessage")[0].at >= reply.at);
}

#[test]
fn stop_leaves_what_was_written_with_a_word() {
    let world = world();
    world.model.fail_about("slow", Fault::StalledStream);
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    let shown = world.telegram.wait_for_replies_to(7, 1)[0].text.clone();
    world.telegram.inject(7, USER, "/stop");
    world.telegram.wait("the end of the answer", |ledger| {
        let edits = ledger.calls_of("editMessageText");
        let expected = format!("{}\n\n[stopped]", shown.trim_end_matches(" …").trim_end());
        edits
            .iter()
            .any(|edit| edit.text.as_deref() == Some(&expected))
            .then_some(())
    });
    gateway.stop().expect_code(0);
}

#[test]
fn after_a_kill_the_answer_goes_on_in_the_same_message() {
    let world = world();
    world.model.fail_next_about("slow", 1, Fault::StalledStream);
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    world.telegram.wait_for_replies_to(7, 1);
    // The note of the message's id is written when the next change is due.
    world.model.fail_about("other", Fault::Twisted(Twist::KeepAlives));
    assert_eq!(world.say(8, "other", 1), ANSWER);
    gateway.kill();
    let gateway = world.start();
    world.finished(7);
    assert_eq!(world.telegram.sent_to(7).len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_long_answer_goes_on_in_further_messages() {
    let world = World::with(|config| config.with("/channels/telegram/streaming", json!("edit")));
    let long: String = (0..1_200).map(|number| format!("word{number} ")).collect();
    let answer = long.clone();
    world.model.answer_with(move |_| answer.clone());
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    let sent = world.telegram.wait_for_replies_to(7, 3);
    let edits = world.telegram.wait_for_calls("editMessageText", 1);
    let first = edits.last().unwrap().text.clone().unwrap();
    let whole = [&first, &sent[1].raw, &sent[2].raw]
        .map(|text| text.trim_end())
        .join(" ");
    assert!(
        whole == long.trim_end(),
        "{} of {} bytes",
        whole.len(),
        long.len()
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_stop_of_the_gateway_waits_for_the_last_change() {
    let world = world();
    world.model.fail_about("slow", Fault::Paced(SLOWLY));
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow");
    world.telegram.wait_for_replies_to(7, 1);
    gateway.stop().expect_code(0);
    world.finished(7);
}

#[test]
fn a_stop_of_the_gateway_waits_for_the_last_change_in_a_group_too() {
    let world = World::with(|config| {
        config.with("/channels/telegram/streaming", json!("edit")).with(
            "/channels/telegram/groups",
            json!({ "allow": [-7], "require_mention": false }),
        )
    });
    world.model.answer_with(|_| ANSWER.to_owned());
    world
        .model
        .fail_about("slow", Fault::Paced(Duration::from_millis(300)));
    let gateway = world.start();
    world.telegram.inject(-7, USER, "slow");
    world.telegram.wait_for_replies_to(-7, 1);
    gateway.stop().expect_code(0);
    world.finished(-7);
}
