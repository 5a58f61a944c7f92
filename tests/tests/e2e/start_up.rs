use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use miniclaw_tests::gateway::write_private;
use miniclaw_tests::{Command, ConfigFile, DEADLINE, Gateway, Home, procfs, until};
use serde_json::json;

use crate::phrases::{CONNECTED, NO_CHANNEL, READY};
use crate::setup::World;

/// The status of a plain request.
fn status_of(address: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn start_up_is_logged_from_version_to_ready() {
    let world = World::new();
    let gateway = world.start();
    gateway.wait_for_line(READY);
    let connected = gateway.wait_for_line(CONNECTED);
    assert!(connected.contains("fake_bot"), "{connected}");
    for word in [env!("CARGO_PKG_VERSION"), "plugin", "sessions"] {
        gateway.wait_for_line(word);
    }
    gateway.stop().expect_code(0);
}

#[test]
fn logs_go_to_stderr_with_time_and_level_and_without_colours() {
    let world = World::new();
    let gateway = world.start();
    let line = gateway.wait_for_line(READY);
    assert!(line.contains("INFO"), "{line}");
    let (year, rest) = line.split_at(4);
    assert!(year.parse::<u16>().is_ok() && rest.starts_with('-'), "{line}");
    let finished = gateway.stop();
    assert_eq!(finished.stdout, "");
    assert!(!finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
}

#[test]
fn json_logs_are_json_line_by_line() {
    let world = World::new();
    let gateway = Gateway::start(&world.home, &["--log-format", "json"]);
    world.telegram.wait_for_poll();
    gateway.wait_for_line(READY);
    let finished = gateway.stop();
    for line in finished.stderr.lines() {
        let record: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(record["level"].is_string(), "{line}");
    }
}

#[test]
fn pid_file_names_the_process_and_goes_with_it() {
    let world = World::new();
    let path = world.home.root().join("miniclaw.pid");
    let gateway = Command::new(&world.home, &["gateway", "--pid-file"])
        .arg(&path)
        .start();
    gateway.wait_for_line(READY);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim(), gateway.pid().to_string());
    gateway.stop().expect_code(0);
    assert!(!path.exists());
}

#[test]
fn a_stale_pid_file_is_no_obstacle() {
    let world = World::new();
    let path = world.home.root().join("miniclaw.pid");
    // Process 1 exists everywhere and is no gateway.
    write_private(&path, b"1\n");
    let gateway = Command::new(&world.home, &["gateway", "--pid-file"])
        .arg(&path)
        .start();
    gateway.wait_for_line(READY);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim(), gateway.pid().to_string());
    gateway.kill();
    let gateway = Command::new(&world.home, &["gateway", "--pid-file"])
        .arg(&path)
        .start();
    gateway.wait_for_line(READY);
    gateway.stop().expect_code(0);
    assert!(!path.exists());
}

#[test]
fn a_second_gateway_in_the_same_home_exits_1_and_names_the_first() {
    let world = World::new();
    let first = world.start();
    let second = Command::new(&world.home, &["gateway"]).run();
    second.expect_code(1);
    assert!(
        second.stderr.contains(&first.pid().to_string()),
        "{}",
        second.stderr
    );
    assert_eq!(world.say(7, "still there?", 1), "re: still there? [n=1]");
    first.stop().expect_code(0);
}

#[test]
fn the_commands_of_the_welcome_find_a_home_that_an_option_named() {
    let home = Home::empty();
    let elsewhere = home.root().join("else where");
    let option = format!("--home '{}'", elsewhere.display());
    let gateway = Command::new(&home, &["gateway", "--home"])
        .arg(&elsewhere)
        .start();
    until("the welcome", || gateway.stdout().contains("miniclaw stop"));
    let told = gateway.stdout();
    for command in ["web", "gateway", "onboard", "status", "stop"] {
        assert!(
            told.contains(&format!("miniclaw {command} {option}")),
            "{command}: {told}"
        );
    }
    gateway.stop().expect_code(0);
}

#[test]
fn without_configuration_it_offers_a_web_chat_on_loopback_that_its_link_alone_opens() {
    let home = Home::empty();
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line(READY);
    until("the welcome", || gateway.stdout().contains("miniclaw stop"));
    let told = gateway.stdout();
    assert!(told.contains("miniclaw gateway --console"), "{told}");
    let url = told.split_whitespace().find(|word| word.starts_with("http://"));
    let url = url.unwrap_or_else(|| panic!("no link in {told}"));
    let (address, token) = url
        .trim_start_matches("http://")
        .split_once("/login?token=")
        .unwrap();
    assert_eq!(procfs::listening(gateway.pid()), [address]);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let get = |path: &str| status_of(address, path);
    assert_eq!(get(&format!("/login?token={token}")), 200);
    for path in [
        "/",
        "/login",
        "/login?token=0",
        "/app.js",
        "/api/chats",
        "/api/status",
        "/api/events",
    ] {
        assert_eq!(get(path), 401, "{path}");
    }
    assert!(!gateway.log().contains(token), "the token stands in the log");
    gateway.stop().expect_code(0);
}

#[test]
fn a_configuration_without_channels_opens_no_port_and_says_what_is_missing() {
    let home = Home::with(&ConfigFile::default().with("/provider", "echo".into()));
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line(NO_CHANNEL);
    gateway.wait_for_line(READY);
    assert!(procfs::listening(gateway.pid()).is_empty());
    assert_eq!(gateway.stdout(), "");
    gateway.stop().expect_code(0);
}

#[test]
fn a_gateway_with_nothing_to_do_does_nothing() {
    let world = World::with(|config| {
        config.channel(
            "web",
            json!({ "plugin": "webchat", "settings": { "listen": "127.0.0.1:0" } }),
        )
    });
    let gateway = world.start();
    gateway.wait_for_line(READY);
    // The start itself goes on for a moment.
    std::thread::sleep(Duration::from_secs(3));
    let before = procfs::cpu_time(gateway.pid());
    std::thread::sleep(Duration::from_secs(1));
    let used = procfs::cpu_time(gateway.pid()) - before;
    assert!(used < Duration::from_millis(200), "{used:?} in a second");
    gateway.stop().expect_code(0);
}

#[test]
fn a_home_that_cannot_be_made_is_refused_with_its_name() {
    let home = Home::empty();
    let finished = Command::new(&home, &["gateway", "--home", "/proc/miniclaw"]).run();
    finished.expect_code(1);
    assert!(finished.stderr.contains("/proc/miniclaw"), "{}", finished.stderr);
}
