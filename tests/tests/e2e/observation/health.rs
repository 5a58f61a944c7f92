use miniclaw_tests::{FakeTelegram, until};
use serde_json::Value;

use super::{address, ask, get, observed, outage};
use crate::setup::{USER, World};

fn ready(address: &str) -> (u16, Value) {
    let (status, body) = get(address, "/readyz?format=json");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn a_gateway_that_is_well_says_so_to_every_probe() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line("Gateway ready");
    assert_eq!(get(&address, "/startupz"), (200, "started\n".into()));
    assert_eq!(get(&address, "/livez"), (200, "alive\n".into()));
    let (status, text) = get(&address, "/readyz");
    assert_eq!(status, 200, "{text}");
    assert!(
        text.starts_with("ready\nspool: ok\nchannel telegram: running"),
        "{text}"
    );
    let (status, body) = ready(&address);
    assert_eq!(
        (status, &body["status"], &body["spool"]),
        (200, &"ready".into(), &"ok".into())
    );
    assert_eq!(body["channels"][0]["receiving"], true, "{body}");
    let (status, head, body) = ask(
        &address,
        format!("HEAD /livez HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes(),
    );
    assert_eq!((status, body.as_str()), (200, ""), "{head}");
    assert!(head.to_lowercase().contains("cache-control: no-store"), "{head}");
    gateway.stop().expect_code(0);
}

#[test]
fn an_outage_of_the_only_platform_makes_it_unready_and_not_dead() {
    let world = observed();
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line("Gateway ready");
    outage(&world);
    until("unready", || {
        let (status, body) = ready(&address);
        status == 503 && body["status"] == "unready" && body["channels"][0]["outage"] == true
    });
    let (_, text) = get(&address, "/readyz");
    assert!(
        text.contains("channel telegram: running, its platform is down"),
        "{text}"
    );
    assert_eq!(get(&address, "/livez").0, 200);
    assert_eq!(get(&address, "/startupz").0, 200);
    world.telegram.clear_rules();
    until("ready again", || ready(&address).0 == 200);
    gateway.stop().expect_code(0);
}

#[test]
fn a_platform_that_works_keeps_it_ready_beside_one_that_does_not() {
    let other = FakeTelegram::start();
    let world = World::with(|config| {
        config
            .telegram(
                "other",
                &other,
                "987654:other-token-of-the-tests-0123456789",
                &[USER],
            )
            .with("/http/listen", "127.0.0.1:0".into())
    });
    let gateway = world.start();
    let address = address(&gateway);
    gateway.wait_for_line("Gateway ready");
    until("both are heard", || ready(&address).1["status"] == "ready");
    outage(&world);
    until("degraded", || {
        let (status, body) = ready(&address);
        status == 200 && body["status"] == "degraded"
    });
    gateway.kill();
}
