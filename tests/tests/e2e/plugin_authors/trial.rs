//! `plugin run`: who may speak to the throw-away gateway, and what it leaves behind.

use miniclaw_tests::{Command, Gateway, Home, Platform, build};

fn start(home: &Home, platform: &Platform, further: &[&str]) -> Gateway {
    let temporary = home.root().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let plugins = home.plugins(&["loopback"]);
    Command::new(home, &["plugin", "run"])
        .arg(plugins.join("libminiclaw_fixture_loopback.so"))
        .arg("--set")
        .arg(format!("platform={}", platform.address()))
        .args(further)
        .env("TMPDIR", temporary)
        // It is for the gateway proper, and must not bring its channel here.
        .env("TELEGRAM_BOT_TOKEN", "123456:of-another-gateway")
        .start()
}

#[test]
fn everybody_may_speak_to_a_trial_and_nothing_is_left_of_it() {
    let home = Home::empty();
    let platform = Platform::start();
    let gateway = start(&home, &platform, &[]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "666", "hello trial");
    assert_eq!(platform.wait_for_verdict("1"), "accepted");
    assert!(platform.wait_for_sent(1)[0].1.contains("hello trial"));
    assert!(gateway.lines_with("telegram").is_empty(), "{}", gateway.log());
    gateway.stop().expect_code(0);
    let left = std::fs::read_dir(home.root().join("tmp")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_list_of_senders_keeps_the_others_out() {
    let home = Home::empty();
    let platform = Platform::start();
    let gateway = start(&home, &platform, &["--allow", "42"]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "666", "a stranger");
    assert_eq!(platform.wait_for_verdict("1"), "ignored");
    platform.deliver("7", "2", "42", "a friend");
    assert_eq!(platform.wait_for_verdict("2"), "accepted");
    gateway.stop().expect_code(0);
}

#[test]
fn a_library_that_is_built_again_is_taken_up_while_it_is_tried() {
    let home = Home::empty();
    let platform = Platform::start();
    let gateway = start(&home, &platform, &[]);
    platform.wait_for_calls("receive", 1);
    let library = home.root().join("plugins/libminiclaw_fixture_loopback.so");
    let mut bytes = std::fs::read(&library).unwrap();
    bytes.push(0);
    let built = home.root().join("built");
    std::fs::write(&built, bytes).unwrap();
    std::fs::rename(&built, &library).unwrap();
    platform.wait_for_calls("create", 2);
    platform.wait_for_calls("shutdown", 1);
    platform.wait_for_calls("receive", 2);
    platform.deliver("7", "1", "666", "hello again");
    assert_eq!(platform.wait_for_verdict("1"), "accepted");
    gateway.stop().expect_code(0);
}

#[test]
fn the_home_of_a_gateway_is_left_alone() {
    let home = Home::empty();
    home.write_config("{}");
    let library = build::artifacts().library("miniclaw_fixture_unruly");
    let finished = Command::new(&home, &["plugin", "run", "--home"])
        .arg(home.miniclaw())
        .arg(library)
        .run();
    finished.expect_code(2);
    assert!(
        finished.stderr.contains("is the home of a gateway"),
        "{}",
        finished.stderr
    );
}
