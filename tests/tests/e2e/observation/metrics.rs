use miniclaw_tests::fake_telegram::Answer;
use miniclaw_tests::prometheus::Page;
use miniclaw_tests::{Platform, procfs, until};

use super::{address, get, metrics, observed, outage};

fn value(page: &Page, name: &str) -> f64 {
    page.value(name, &[]).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_page_counts_what_became_of_messages() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    let before = metrics(&address);
    assert_eq!(value(&before, "miniclaw_messages_received_total"), 0.0);
    world
        .telegram
        .on("sendMessage")
        .times(1)
        .answer(Answer::bad_gateway());
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    world.telegram.inject(8, 666, "a stranger");
    until("the stranger and the answer", || {
        let page = metrics(&address);
        value(&page, "miniclaw_messages_ignored_total") == 1.0
            && value(&page, "miniclaw_replies_delivered_total") == 1.0
    });
    let page = metrics(&address);
    for (name, count) in [
        ("miniclaw_messages_received_total", 2.0),
        ("miniclaw_messages_journaled_total", 1.0),
        ("miniclaw_messages_done_total", 1.0),
        ("miniclaw_replies_failed_total", 1.0),
        ("miniclaw_replies_dead_total", 0.0),
        ("miniclaw_turn_seconds_count", 1.0),
        ("miniclaw_delivery_seconds_count", 1.0),
        ("miniclaw_messages_pending", 0.0),
        ("miniclaw_turns_running", 0.0),
        ("miniclaw_dead_letters", 0.0),
        ("miniclaw_spool_writable", 1.0),
    ] {
        assert_eq!(value(&page, name), count, "{name}");
    }
    // The reply was sent again a second later.
    assert!(value(&page, "miniclaw_delivery_seconds_sum") >= 0.5);
    assert!(
        page.value("miniclaw_spool_commit_seconds_count", &[("synced", "true")])
            .unwrap()
            >= 2.0
    );
    assert_eq!(
        page.value("miniclaw_replies_waiting", &[("channel", "telegram")]),
        Some(0.0)
    );
    gateway.stop().expect_code(0);
}

#[test]
fn the_page_tells_of_channels_and_of_the_process() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line("Gateway ready");
    let page = metrics(&address);
    let telegram = [("kind", "channel"), ("name", "telegram")];
    assert_eq!(page.value("miniclaw_instance_up", &telegram), Some(1.0));
    let state = |page: &Page, state: &str| {
        page.value(
            "miniclaw_instance_state",
            &[telegram[0], telegram[1], ("state", state)],
        )
    };
    assert_eq!(
        (state(&page, "running"), state(&page, "failed")),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(
        page.value("miniclaw_channel_receiving", &[("channel", "telegram")]),
        Some(1.0)
    );
    world.telegram.inject(8, 666, "ends the poll");
    until("the first progress", || {
        let age = metrics(&address).value(
            "miniclaw_channel_progress_age_seconds",
            &[("channel", "telegram")],
        );
        age.is_some_and(|age| age < 60.0)
    });
    assert_eq!(
        page.value("miniclaw_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        Some(1.0)
    );
    let rss = procfs::rss_kb(gateway.pid()) as f64 * 1024.0;
    let told = value(&page, "process_resident_memory_bytes");
    assert!((told - rss).abs() < rss / 4.0, "{told} beside {rss}");
    assert!(value(&page, "process_open_fds") >= 5.0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let started = value(&page, "process_start_time_seconds");
    assert!((now - started).abs() < 120.0, "{started} at {now}");
    outage(&world);
    until("the outage", || {
        metrics(&address).value("miniclaw_channel_receiving", &[]) == Some(0.0)
    });
    world.telegram.revoke(miniclaw_tests::fake_telegram::TOKEN);
    world.telegram.clear_rules();
    until("the failure", || state(&metrics(&address), "failed") == Some(1.0));
    assert_eq!(
        metrics(&address).value("miniclaw_instance_up", &telegram),
        Some(0.0)
    );
    gateway.kill();
}

#[test]
fn crashes_and_restarts_are_counted_by_instance() {
    let (world, platform) = (observed(), Platform::start());
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(world.home.config()).unwrap()).unwrap();
    config["plugins"]["paths"] = world.home.plugins(&["panicky"]).to_str().unwrap().into();
    config["plugins"]["paths"] = serde_json::json!([config["plugins"]["paths"]]);
    config["channels"]["panicky"] = serde_json::json!({
        "settings": { "at": "start", "platform": platform.address() },
    });
    config["gateway"] = serde_json::json!({ "restart_backoff": "1ms", "max_crashes": 3 });
    world.home.write_config(&config.to_string());
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line("is quarantined");
    let of = |name| metrics(&address).value(name, &[("name", "panicky")]);
    assert_eq!(of("miniclaw_plugin_crashes_total"), Some(3.0));
    assert_eq!(of("miniclaw_plugin_restarts_total"), Some(2.0));
    let (status, _) = get(&address, "/readyz");
    assert_eq!(status, 200);
    gateway.kill();
}
