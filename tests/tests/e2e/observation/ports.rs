use miniclaw_tests::{Gateway, procfs};

use super::{address, observed};
use crate::setup::World;

#[test]
fn a_gateway_with_telegram_listens_on_no_port() {
    let world = World::new();
    let gateway = world.start();
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    gateway.wait_for_line("Gateway ready");
    assert_eq!(procfs::listening(gateway.pid()), Vec::<String>::new());
    gateway.stop().expect_code(0);
}

#[test]
fn with_http_it_listens_on_exactly_that_port() {
    let world = observed();
    let gateway = world.start();
    assert_eq!(procfs::listening(gateway.pid()), [address(&gateway)]);
    gateway.stop().expect_code(0);
}

#[test]
fn a_port_that_somebody_else_has_ends_the_start_with_its_key_and_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let world = World::with(|config| config.with("/http/listen", address.as_str().into()));
    let ended = Gateway::start(&world.home, &[]).wait();
    let error = &ended.expect_code(1).stderr;
    let told = format!("key `http.listen`: cannot listen on {address}");
    assert!(
        error.contains(&told) && error.contains("choose another"),
        "{error}"
    );
    assert!(world.telegram.ledger().polls.is_empty());
}

#[test]
fn what_is_no_address_is_a_configuration_error() {
    for (value, words) in [
        (
            serde_json::json!("localhost:9464"),
            "key `http.listen`: expected a numeric address and a port",
        ),
        (
            serde_json::json!(9464),
            "key `http.listen`: expected a numeric address and a port",
        ),
        (serde_json::Value::Null, "key `http.listen`"),
    ] {
        let world = World::with(|config| config.with("/http/listen", value.clone()));
        let ended = Gateway::start(&world.home, &[]).wait();
        let error = &ended.expect_code(78).stderr;
        assert!(
            error.contains(words) && error.contains("config.json:"),
            "{value}: {error}"
        );
    }
    let world = World::with(|config| config.with("/http", serde_json::json!({})));
    let ended = Gateway::start(&world.home, &[]).wait();
    assert!(
        ended
            .expect_code(78)
            .stderr
            .contains("key `http.listen`: required, but missing")
    );
}
