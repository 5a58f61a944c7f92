use miniclaw_tests::build::artifacts;
use miniclaw_tests::fake_model::Fault;
use miniclaw_tests::{Command, ConfigFile, FakeModel, Home, Platform, until};
use serde_json::json;

use crate::phrases::ALLOW_LIST;
use crate::setup::{USER, World, line, reply, texts};

#[test]
fn many_chats_at_once_are_each_answered_in_their_own_session_and_in_order() {
    let (chats, each) = (100..120, 5);
    let world = World::new();
    let gateway = world.start();
    world.flood(chats.clone(), each);
    world.telegram.wait_for_replies(20 * each);
    for chat in chats {
        let expected: Vec<String> = (0..each).map(|index| reply(&line(chat, index), index)).collect();
        assert_eq!(texts(&world.telegram.sent_to(chat)), expected);
    }
    for asked in world.model.asked() {
        let own = asked.last_user().split(" message").next().unwrap();
        assert!(asked.users().all(|text| text.starts_with(own)), "{asked:?}");
    }
    gateway.stop().expect_code(0);
}

#[test]
fn conversations_run_in_parallel_and_each_of_them_in_order() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.flood(100..110, 3);
    world.model.wait_for_in_flight(10);
    world.model.release();
    world.telegram.wait_for_replies(30);
    assert_eq!(world.model.most_in_flight(), 10);
    gateway.stop().expect_code(0);
}

#[test]
fn a_conversation_that_waits_for_the_model_delays_no_other() {
    let world = World::new();
    world.model.fail_about("slow", Fault::Hang);
    let gateway = world.start();
    world.telegram.inject(7, USER, "slow one");
    world.model.wait_for_in_flight(1);
    assert_eq!(world.say(8, "quick one", 1), "re: quick one [n=1]");
    assert_eq!(world.telegram.sent_to(7), []);
    drop(gateway);
}

#[test]
fn a_channel_that_brings_more_than_there_is_room_for_pauses_and_loses_nothing() {
    let world = World::with(|config| config.with("/gateway/max_pending", json!(3)));
    world.model.hold();
    let gateway = world.start();
    world.flood(100..110, 2);
    world.model.wait_for_in_flight(1);
    world.flood(110..120, 2);
    gateway.wait_for_line("Channel paused");
    world.model.release();
    world.telegram.wait_for_replies(40);
    assert_eq!(world.telegram.sent_count(), 40);
    gateway.stop().expect_code(0);
}

#[test]
fn what_was_refused_is_refused_again_when_there_is_room() {
    let (home, model, platform) = (Home::empty(), FakeModel::start(), Platform::start());
    let settings = json!({ "platform": platform.address() });
    let entry = json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings });
    let config = ConfigFile::default().with("/gateway/max_pending_per_conversation", json!(1));
    home.write_config(&config.model(&model).channel("desk", entry).text());
    model.hold();
    let plugins = home.plugins(&["loopback"]);
    let gateway = Command::new(&home, &["gateway", "--plugins"])
        .arg(plugins)
        .start();
    platform.wait_for_calls("receive", 1);
    // The second one is refused with a note, the third without a word.
    for (id, verdict) in [("1", "accepted"), ("2", "ignored"), ("3", "ignored")] {
        platform.deliver("7", id, "42", id);
        assert_eq!(platform.wait_for_verdict(id), verdict);
    }
    model.release();
    platform.wait_for_answer("1");
    for id in ["1", "2", "3", "4"] {
        platform.deliver("7", id, "42", id);
    }
    platform.wait_for_answer("4");
    let answers = ["1", "2", "3", "4"].map(|text| platform.answers_to(text));
    assert_eq!(answers, [1, 0, 0, 1]);
    let verdicts = ["1", "2", "3"].map(|id| platform.verdicts(id).join(", "));
    assert_eq!(
        verdicts,
        ["accepted, duplicate", "ignored, ignored", "ignored, ignored"]
    );
    let story = Command::new(&home, &["trace", "2"]).run();
    let story = &story.expect_code(0).stdout;
    for part in ["(refused)", "handed over as message 2 of chat 7", "ms  refused"] {
        assert!(story.contains(part), "{story}");
    }
    gateway.stop().expect_code(0);
}

#[test]
fn a_message_of_white_space_is_ignored() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject(7, USER, " \n\t ");
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    assert_eq!(world.model.asked().len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn a_stranger_leaves_no_trace() {
    let world = World::new();
    let gateway = world.start();
    world.telegram.inject(66, 666, "secret-of-a-stranger");
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let log = gateway.stop().stderr;
    assert_eq!(world.telegram.wait_for_replies(1).len(), 1);
    assert_eq!(world.model.asked().len(), 1);
    assert!(!world.home.holds("secret-of-a-stranger"));
    assert!(!world.home.session("telegram", 66).exists());
    assert!(!log.contains("secret-of-a-stranger"), "{log}");
    assert_eq!(world.telegram.unconfirmed(), 0);
}

#[test]
fn a_stranger_in_a_shared_chat_is_passed_over() {
    let world = World::in_groups(&[-100]);
    let gateway = world.start();
    world.telegram.inject(-100, 666, "let me in");
    world.telegram.inject(-100, USER, "hi");
    let replies = world.telegram.wait_for_replies_to(-100, 1);
    // Where several people speak, the model learns who does.
    assert_eq!(texts(&replies), ["re: User 42: hi [n=1]"]);
    gateway.stop().expect_code(0);
}

#[test]
fn an_empty_allow_list_lets_nobody_in_and_says_so_once() {
    let world = World::with(|config| config.with("/channels/telegram/allow_from", serde_json::json!([])));
    let gateway = world.start();
    gateway.wait_for_line(ALLOW_LIST);
    for _ in 0..3 {
        world.telegram.inject(7, USER, "hi");
    }
    world.telegram.wait("their confirmation", |ledger| {
        ledger
            .polls
            .last()
            .is_some_and(|poll| poll.offset > 5_002)
            .then_some(())
    });
    assert_eq!(gateway.lines_with(ALLOW_LIST).len(), 1);
    gateway.stop().expect_code(0);
    assert!(world.telegram.ledger().sent.is_empty());
    assert!(world.model.asked().is_empty());
}

#[test]
fn the_typing_sign_is_shown_while_the_model_writes() {
    let world = World::new();
    let gateway = world.start();
    world.model.hold();
    world.telegram.inject(7, USER, "hi");
    let signs = world.telegram.wait_for_calls("sendChatAction", 1);
    assert_eq!(signs[0].chat, Some(7));
    world.model.release();
    world.telegram.wait_for_replies_to(7, 1);
    gateway.stop().expect_code(0);
}

#[test]
fn markdown_is_shown_as_markup_without_link_previews() {
    let world = World::new();
    world.model.answer_with(|_| "**bold** and `a < b`".to_owned());
    let gateway = world.start();
    world.say(7, "hi", 1);
    let sent = world.telegram.sent_to(7).remove(0);
    assert_eq!(sent.text.trim(), "bold and a < b");
    assert_eq!(sent.parse_mode.as_deref(), Some("HTML"));
    assert!(sent.raw.contains("<b>bold</b>"), "{}", sent.raw);
    assert!(sent.preview_disabled);
    gateway.stop().expect_code(0);
}

#[test]
fn markup_in_markup_is_taken_at_the_first_try() {
    let world = World::new();
    world.model.answer_with(|_| {
        "# Plan `x`\n\n> **a `b`**\n\n| City | Text |\n|---|---|\n| Paris | [more `c`](https://x.y/with/a/long/way) |\n\n\
         - [x] done\n  1. ~~no~~\n\n```rust\na < b"
            .to_owned()
    });
    let gateway = world.start();
    world.say(7, "hi", 1);
    let sent = world.telegram.sent_to(7).remove(0);
    assert_eq!(sent.parse_mode.as_deref(), Some("HTML"));
    assert!(sent.text.contains("☑ done\n  1. no\n\na < b"), "{}", sent.text);
    assert_eq!(world.telegram.ledger().calls_of("sendMessage").len(), 1);
    gateway.stop().expect_code(0);
}

#[test]
fn the_agents_own_files_come_before_the_conversation() {
    let world = World::new();
    let workspace = world.home.miniclaw().join("workspace");
    miniclaw_tests::gateway::make_folder(&workspace);
    miniclaw_tests::gateway::write_private(&workspace.join("SOUL.md"), b"You are a lighthouse keeper.");
    let gateway = world.start();
    world.say(7, "hi", 1);
    let asked = world.model.asked().remove(0);
    assert_eq!(asked.messages[0].role, "system");
    assert!(
        asked.messages[0].content.contains("lighthouse keeper"),
        "{asked:?}"
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_message_and_no_stop() {
    let world = World::new();
    let mut gateway = std::process::Command::new(&artifacts().binary)
        .args(["gateway", "-vv"])
        .env_clear()
        .env("HOME", world.home.root())
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    world.telegram.wait_for_poll();
    world.flood(100..120, 20);
    world.wait_for_flood(100..120, 20);
    let pid = rustix::process::Pid::from_child(&gateway);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("the end of the gateway", || gateway.try_wait().unwrap().is_some());
    assert_eq!(gateway.wait().unwrap().code(), Some(0));
}
