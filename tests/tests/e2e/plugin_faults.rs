use miniclaw_tests::{ConfigFile, FakeModel, Gateway, Home, Platform};
use serde_json::{Value, json};

/// Two channels behind one gateway: `healthy`, and `sick` from another fixture.
pub(crate) struct Pair {
    pub(crate) healthy: Platform,
    pub(crate) sick: Platform,
    pub(crate) gateway: Gateway,
    // Below the others, so that it goes last.
    _model: FakeModel,
    home: Home,
}

impl Pair {
    pub(crate) fn start(fixture: &str, fault: Value) -> Self {
        let (home, model) = (Home::empty(), FakeModel::start());
        let healthy = Platform::start();
        let sick = Platform::start();
        let mut settings = fault;
        settings["platform"] = json!(sick.address());
        let healthy_settings = json!({ "platform": healthy.address() });
        let config = ConfigFile::default()
            .model(&model)
            .channel(
                "healthy",
                json!({ "plugin": "loopback", "allow_from": ["42"], "settings": healthy_settings }),
            )
            .channel(
                "sick",
                json!({ "plugin": fixture, "isolation": "in-process", "allow_from": ["42"], "settings": settings }),
            );
        home.write_config(&config.text());
        let plugins = home.plugins(&["loopback", fixture]);
        let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
        Self {
            healthy,
            sick,
            gateway,
            _model: model,
            home,
        }
    }

    /// Shows that the healthy channel works, with its `n`th message.
    pub(crate) fn assert_healthy(&self, n: usize) {
        self.healthy.wait_for_calls("receive", 1);
        let id = n.to_string();
        self.healthy.deliver("7", &id, "42", &format!("healthy {n}"));
        let sent = self.healthy.wait_for_sent(n);
        assert!(sent[n - 1].1.starts_with(&format!("re: healthy {n}")), "{sent:?}");
        assert_eq!(self.healthy.calls("create"), 1);
    }
}

#[test]
fn a_panicking_channel_leaves_its_sibling_running_and_is_restarted() {
    for at in ["create", "start", "receive", "task"] {
        let pair = Pair::start("panicky", json!({ "at": at, "times": 2 }));
        pair.assert_healthy(1);
        pair.sick.wait_for_calls("create", 3);
        pair.sick.wait_for_calls("receive", 1);
        pair.gateway.wait_for_line("panic");
        pair.assert_healthy(2);
        pair.gateway.stop().expect_code(0);
    }
}

#[test]
fn a_reply_whose_send_ends_the_plugin_three_times_is_a_dead_letter() {
    let pair = Pair::start("panicky", json!({ "at": "send", "times": 3 }));
    pair.sick.wait_for_calls("receive", 1);
    pair.sick.deliver("7", "1", "42", "poison");
    let line = pair.gateway.wait_for_line("ended the plugin 3 times");
    assert!(line.contains("dead letter"), "{line}");
    // The conversation goes on.
    pair.sick.deliver("7", "2", "42", "antidote");
    let sent = pair.sick.wait_for_sent(1);
    assert!(sent[0].1.starts_with("re: "), "{sent:?}");
    pair.assert_healthy(1);
    pair.gateway.stop().expect_code(0);
}

#[test]
fn a_channel_that_recovered_from_a_panic_answers() {
    let pair = Pair::start("panicky", json!({ "at": "receive", "times": 1 }));
    pair.sick.wait_for_calls("receive", 2);
    pair.sick.deliver("9", "1", "42", "hi");
    assert_eq!(pair.sick.wait_for_sent(1)[0].1, "re: hi [n=1]");
    pair.gateway.stop().expect_code(0);
}

#[test]
fn a_panic_on_a_message_does_not_hurt_the_sibling() {
    let pair = Pair::start("panicky", json!({ "at": "message", "after": 2, "times": 1 }));
    pair.sick.wait_for_calls("receive", 1);
    pair.sick.deliver("9", "1", "42", "first");
    pair.sick.wait_for_sent(1);
    pair.sick.deliver("9", "2", "42", "second");
    pair.sick.wait_for_calls("receive", 2);
    // It was not taken, so the platform delivers it again.
    pair.sick.deliver("9", "2", "42", "second");
    assert_eq!(pair.sick.wait_for_sent(2)[1].1, "re: second [n=3]");
    pair.assert_healthy(1);
    pair.gateway.stop().expect_code(0);
}

#[test]
fn a_send_that_panics_is_tried_again() {
    let pair = Pair::start("panicky", json!({ "at": "send", "times": 1 }));
    pair.sick.wait_for_calls("receive", 1);
    pair.sick.deliver("9", "1", "42", "hi");
    assert_eq!(pair.sick.wait_for_sent(1)[0].1, "re: hi [n=1]");
    assert_eq!(pair.sick.calls("send"), 2);
    pair.assert_healthy(1);
    pair.gateway.stop().expect_code(0);
}

#[test]
fn names_that_a_channel_makes_up_lead_to_no_other_session_and_no_other_folder() {
    let pair = Pair::start("loopback", json!({}));
    pair.assert_healthy(1);
    pair.sick.wait_for_calls("receive", 1);
    let long = "x".repeat(1_000);
    let chats = [
        "../../../evil",
        "/etc/evil",
        "a/b\0c",
        "..",
        ".",
        "",
        "healthy_7",
        "7\n8",
        &long,
        &"y".repeat(2_000),
    ];
    for (index, chat) in chats.iter().enumerate() {
        pair.sick
            .deliver(chat, &format!("{index}"), "42", &format!("from {index}"));
    }
    pair.sick.deliver("7", "", "42", "without an id");
    pair.sick.deliver("7", "last", "42", "at last");
    // All but the empty chat, the longest one and the message without an id.
    let mut sent = pair.sick.wait_for_sent(chats.len() - 1);
    sent.sort_unstable();
    assert!(sent.iter().all(|(_, text)| text.ends_with("[n=1]")), "{sent:?}");
    assert!(!sent.iter().any(|(_, text)| text.contains("without")), "{sent:?}");
    pair.assert_healthy(2);
    let finished = pair.gateway.stop();
    finished.expect_code(0);
    let files = pair.home.sessions().read_dir().unwrap().flatten();
    let names: Vec<String> = files
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    let strays: Vec<_> = names
        .iter()
        .filter(|name| !name.starts_with("sick_") && *name != "healthy_7.json")
        .collect();
    assert!(strays.is_empty() && names.len() == chats.len(), "{names:?}");
}

#[test]
fn a_panic_in_shutdown_does_not_stop_the_others() {
    let pair = Pair::start("panicky", json!({ "at": "shutdown" }));
    pair.sick.wait_for_calls("receive", 1);
    pair.assert_healthy(1);
    let Pair {
        healthy,
        sick,
        gateway,
        ..
    } = pair;
    assert!(gateway.stop().exited());
    healthy.wait_for_calls("shutdown", 1);
    sick.wait_for_calls("shutdown", 1);
}

#[test]
fn a_channel_that_hangs_leaves_its_sibling_running_and_the_shutdown_bounded() {
    for (at, blocking) in [
        ("create", false),
        ("create", true),
        ("start", false),
        ("send", true),
    ] {
        let pair = Pair::start("hangs", json!({ "at": at, "blocking": blocking }));
        pair.sick.wait_for_calls("create", 1);
        if at == "send" {
            pair.sick.wait_for_calls("receive", 1);
            pair.sick.deliver("9", "1", "42", "hi");
            pair.sick.wait_for_calls("send", 1);
        }
        pair.assert_healthy(1);
        assert!(pair.gateway.stop().exited(), "{at}");
    }
}

#[test]
fn a_channel_that_falls_silent_is_restarted_and_its_sibling_is_not_disturbed() {
    let pair = Pair::start("hangs", json!({ "at": "receive", "poll_timeout_ms": 100 }));
    pair.assert_healthy(1);
    pair.gateway.wait_for_line("heard nothing");
    pair.sick.wait_for_calls("shutdown", 1);
    pair.sick.wait_for_calls("receive", 3);
    pair.assert_healthy(2);
    assert_eq!(pair.healthy.calls("shutdown"), 0);
    pair.gateway.stop().expect_code(0);
}

/// A gateway with the fixture provider behind a healthy channel.
fn with_provider(settings: Value) -> (Home, Platform, Gateway) {
    let home = Home::empty();
    let platform = Platform::start();
    let channel = json!({ "platform": platform.address() });
    let config = ConfigFile::default()
        .provider(
            "flaky",
            json!({ "plugin": "flaky", "isolation": "in-process", "settings": settings }),
        )
        .channel(
            "local",
            json!({ "plugin": "loopback", "allow_from": ["42"], "settings": channel }),
        );
    home.write_config(&config.text());
    let plugins = home.plugins(&["loopback", "flaky"]);
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "42", "hi");
    (home, platform, gateway)
}

#[test]
fn passing_failures_of_a_provider_are_tried_again_unseen() {
    for mode in ["transient", "halfway"] {
        let (_home, platform, gateway) = with_provider(json!({ "mode": mode, "times": 1 }));
        assert_eq!(platform.wait_for_sent(1)[0].1, "flaky: hi", "{mode}");
        gateway.stop().expect_code(0);
    }
}

#[test]
fn a_provider_that_fails_for_good_or_panics_gives_one_honest_sentence() {
    for mode in ["permanent", "panic"] {
        let (_home, platform, gateway) = with_provider(json!({ "mode": mode }));
        let sentence = platform.wait_for_sent(1).remove(0).1;
        assert!(
            !sentence.starts_with("flaky: ") && sentence.contains(' '),
            "{mode}: {sentence}"
        );
        assert!(gateway.is_running());
        gateway.stop().expect_code(0);
        assert_eq!(platform.wait_for_sent(1).len(), 1, "{mode}");
    }
}

#[test]
fn a_slow_provider_is_waited_for() {
    let (_home, platform, gateway) = with_provider(json!({ "mode": { "slow": 1_500 } }));
    assert_eq!(platform.wait_for_sent(1)[0].1, "flaky: hi");
    gateway.stop().expect_code(0);
}
