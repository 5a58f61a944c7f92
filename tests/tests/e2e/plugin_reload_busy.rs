//! Plugins that are replaced in the middle of what they do.

use std::time::{Duration, Instant};

use miniclaw_tests::fake_telegram::{Injection, Ledger};
use miniclaw_tests::libraries::Library;
use miniclaw_tests::{
    Command, ConfigFile, Courier, FakeModel, FakeTelegram, Gateway, Home, Platform, procfs, until,
};
use serde_json::json;

use crate::phrases::{CONNECTED, READY, SHUTDOWN_STARTED};

const ISOLATIONS: [&str; 2] = ["process", "in-process"];

/// A gateway with Telegram and the fake model, both where `isolation` says.
struct World {
    telegram: FakeTelegram,
    model: FakeModel,
    home: Home,
    gateway: Gateway,
}

impl World {
    fn start(isolation: &str) -> Self {
        let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
        let config = ConfigFile::standard(&telegram, &model, &[42])
            .with("/channels/telegram/isolation", json!(isolation))
            .with("/providers/model/isolation", json!(isolation))
            .with("/gateway/shutdown_timeout", json!("2s"));
        let home = Home::with(&config);
        let gateway = Gateway::start(&home, &[]);
        gateway.wait_for_line(READY);
        Self {
            telegram,
            model,
            home,
            gateway,
        }
    }

    fn ask(&self, chat: i64, text: &str) {
        self.telegram.inject_all(&[Injection::text(chat, 42, text)]);
    }

    fn reload(&self, name: &str) -> Command {
        Command::new(&self.home, &["plugin", "reload", name])
    }
}

#[test]
fn five_versions_in_a_row_lose_and_double_nothing() {
    for isolation in ISOLATIONS {
        let home = Home::empty();
        let (first, sibling) = (Courier::start(), Courier::start());
        let channel = |courier: &Courier| {
            let settings = json!({ "platform": courier.address() });
            json!({ "plugin": "loopback", "isolation": isolation, "allow_from": ["42"], "settings": settings })
        };
        let config = ConfigFile::default()
            .channel("first", channel(&first))
            .channel("sibling", channel(&sibling));
        home.write_config(&config.text());
        let plugins = home.plugins(&["loopback"]);
        std::fs::create_dir(home.root().join("build")).unwrap();
        let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
        first.wait_for_calls("receive", 1);
        sibling.wait_for_calls("receive", 1);
        for version in 0..5 {
            let mark = format!("rustc 9.9.{version} (of another day)");
            let fresh = Library::of("loopback")
                .built_by(&mark)
                .put(&home.root().join("build"));
            std::fs::rename(&fresh, plugins.join(fresh.file_name().unwrap())).unwrap();
            let reload = Command::new(&home, &["plugin", "reload", "first"]).start();
            while reload.is_running() {
                first.deliver();
                sibling.deliver();
                std::thread::sleep(Duration::from_millis(2));
            }
            reload.wait().expect_code(0);
        }
        for courier in [&first, &sibling] {
            let account = courier.wait_for_answers();
            assert!(
                account.is_exact() && account.delivered > 5,
                "{isolation}: {account:?}"
            );
        }
        assert_eq!((first.calls("create"), sibling.calls("create")), (6, 1));
        gateway.stop().expect_code(0);
    }
}

#[test]
fn a_turn_ends_on_the_provider_that_it_began_on() {
    for isolation in ISOLATIONS {
        let world = World::start(isolation);
        let processes = procfs::children(world.gateway.pid()).len();
        world.model.hold();
        world.ask(7, "one");
        world.model.wait_for_in_flight(1);
        world.reload("model").run().expect_code(0);
        world.model.release();
        assert_eq!(world.telegram.wait_for_replies(1)[0].text, "re: one [n=1]");
        world.ask(7, "two");
        assert_eq!(world.telegram.wait_for_replies(2)[1].text, "re: two [n=3]");
        assert_eq!(world.model.asked().len(), 2, "{isolation}");
        until("the end of what was replaced", || {
            procfs::children(world.gateway.pid()).len() == processes
        });
        world.gateway.stop().expect_code(0);
    }
}

#[test]
fn a_send_ends_on_the_channel_that_it_began_on() {
    for isolation in ISOLATIONS {
        let world = World::start(isolation);
        world
            .telegram
            .on("sendMessage")
            .times(1)
            .after(Duration::from_secs(2))
            .delay_only();
        world.ask(7, "one");
        let delayed = |ledger: &Ledger| (ledger.delayed == 1).then_some(());
        world.telegram.wait("the send", delayed);
        let began = Instant::now();
        world.reload("telegram").run().expect_code(0);
        world.gateway.wait_for_lines(CONNECTED, 2);
        world.ask(8, "two");
        world.telegram.wait_for_replies(2);
        world.ask(7, "three");
        let sent = world.telegram.wait_for_replies_to(7, 2);
        assert_eq!(
            (&*sent[0].text, &*sent[1].text),
            ("re: one [n=1]", "re: three [n=3]")
        );
        // A repetition would not be delayed.
        assert!(sent[0].at - began > Duration::from_millis(1_500), "{isolation}");
        assert_eq!(
            world.telegram.wait_for_calls("sendMessage", 3).len(),
            3,
            "{isolation}"
        );
        world.gateway.stop().expect_code(0);
    }
}

#[test]
fn two_reloads_at_once_follow_each_other() {
    let world = World::start("process");
    let both = [world.reload("telegram").start(), world.reload("telegram").start()];
    for reload in both {
        reload.wait().expect_code(0);
    }
    world.gateway.wait_for_lines(CONNECTED, 3);
    world.ask(7, "one");
    world.telegram.wait_for_replies(1);
    assert_eq!(procfs::children(world.gateway.pid()).len(), 2);
    let finished = world.gateway.stop();
    finished.expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 1);
}

#[test]
fn a_reload_does_not_hold_up_a_gateway_that_stops() {
    for isolation in ISOLATIONS {
        let world = World::start(isolation);
        world.model.hold();
        world.ask(7, "one");
        world.model.wait_for_in_flight(1);
        world.gateway.terminate();
        world.gateway.wait_for_line(SHUTDOWN_STARTED);
        // Whether it still happens is open; that it ends is not.
        let reloads = ["telegram", "model"].map(|name| world.reload(name).start());
        let finished = world.gateway.wait();
        finished.expect_code(143);
        assert!(
            !finished.stderr.contains("panicked"),
            "{isolation}: {}",
            finished.stderr
        );
        for reload in reloads {
            assert!(reload.wait().exited());
        }
        world.model.release();
        let gateway = Gateway::start(&world.home, &[]);
        assert_eq!(world.telegram.wait_for_replies(1)[0].text, "re: one [n=1]");
        gateway.stop().expect_code(0);
    }
}

#[test]
fn a_reload_ends_a_backoff_and_mends_what_was_refused() {
    let (home, sick, refused) = (Home::empty(), Platform::start(), Platform::start());
    let settings = json!({ "platform": sick.address(), "fault": "panic", "at": "start", "times": 2 });
    let entry =
        |plugin: &str, settings| json!({ "plugin": plugin, "allow_from": ["42"], "settings": settings });
    let config = ConfigFile::default()
        .with("/gateway/restart_backoff", json!("1m"))
        .channel("sick", entry("faulty", settings))
        .channel(
            "refused",
            entry("loopback", json!({ "platform": refused.address() })),
        );
    home.write_config(&config.text());
    let plugins = home.plugins(&["faulty", "loopback"]);
    let place = plugins.join("libminiclaw_fixture_loopback.so");
    std::fs::rename(
        Library::of("loopback").speaking_api([9, 0, 0]).put(home.root()),
        &place,
    )
    .unwrap();
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    let reload = |name: &str| Command::new(&home, &["plugin", "reload", name]).run();
    gateway.wait_for_line("Plugin is restarted");
    // It fails once more, and whoever asked is told.
    let again = reload("sick");
    again.expect_code(1);
    assert!(again.stdout.contains("sick: failed:"), "{again:?}");
    reload("sick").expect_code(0);
    sick.deliver("7", "1", "42", "hello");
    sick.wait_for_sent(1);
    reload("refused").expect_code(1);
    std::fs::rename(Library::of("loopback").put(home.root()), &place).unwrap();
    reload("refused").expect_code(0);
    refused.wait_for_calls("receive", 1);
    refused.deliver("7", "1", "42", "hello");
    refused.wait_for_sent(1);
    gateway.stop().expect_code(0);
}
