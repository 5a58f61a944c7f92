//! The built-in channel of Telegram in a process of its own, in the sandbox.

use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::tls_front::authority;
use miniclaw_tests::{Command, ConfigFile, FakeModel, FakeTelegram, Gateway, Home, TlsFront, procfs};
use serde_json::json;

use crate::phrases::READY;
use crate::setup::{USER, World};

#[test]
fn telegram_in_a_sandbox_answers_and_outlives_the_end_of_its_process() {
    let world = World::with(|config| {
        config
            .with("/channels/telegram/isolation", json!("process"))
            .with("/gateway/restart_backoff", json!("1ms"))
    });
    let gateway = world.start();
    gateway.wait_for_line(READY);
    assert_eq!(world.say(7, "hello", 1), "re: hello [n=1]");
    let children = procfs::children(gateway.pid());
    let [child] = children[..] else {
        panic!("{children:?}")
    };
    // The token stands in no place that other users of the machine can see.
    assert!(
        !std::fs::read_to_string(format!("/proc/{child}/cmdline"))
            .unwrap()
            .contains(TOKEN)
    );
    miniclaw_tests::ward::kill_host(child);
    // The first reply comes twice where the process ended before it told of it.
    world.telegram.inject(7, USER, "still there?");
    world.telegram.wait("the second reply", |ledger| {
        let mut texts = ledger.sent.iter().map(|sent| sent.text.as_str());
        texts.any(|text| text == "re: still there? [n=3]").then_some(())
    });
    let finished = gateway.stop();
    finished.expect_code(0);
    assert!(
        !finished.stderr.contains(TOKEN) && finished.stderr.contains("SIGKILL"),
        "{}",
        finished.stderr
    );
}

/// Telegram and a model in sandboxes, both behind TLS with a certificate that only the authority of the tests stands for.
struct Secured {
    telegram: FakeTelegram,
    front: TlsFront,
    _model: FakeModel,
    model_front: TlsFront,
    home: Home,
}

impl Secured {
    fn new() -> Self {
        let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
        let (front, model_front) = (
            TlsFront::before(telegram.url()),
            TlsFront::before(&model.base_url()),
        );
        let config = ConfigFile::standard(&telegram, &model, &[USER])
            .with("/channels/telegram/isolation", json!("process"))
            .with("/channels/telegram/settings/api_url", json!(front.url()))
            .with("/providers/model/isolation", json!("process"))
            .with("/providers/model/settings/base_url", json!(model_front.url()));
        Self {
            home: Home::with(&config),
            telegram,
            front,
            _model: model,
            model_front,
        }
    }
}

#[test]
fn telegram_and_a_model_in_sandboxes_speak_tls_with_servers_that_ssl_cert_file_stands_for() {
    let world = Secured::new();
    let gateway = Command::new(&world.home, &["gateway"])
        .env("SSL_CERT_FILE", authority())
        .start();
    world.telegram.wait_for_poll();
    world.telegram.inject(7, USER, "hello");
    assert_eq!(
        world.telegram.wait_for_replies_to(7, 1)[0].text,
        "re: hello [n=1]"
    );
    for front in [&world.front, &world.model_front] {
        let handshakes = front.handshakes();
        assert!(
            handshakes.done > 0 && handshakes.failed.is_empty(),
            "{handshakes:?}"
        );
    }
    gateway.stop().expect_code(0);
}

#[test]
fn telegram_in_a_sandbox_gives_nothing_to_a_server_that_nobody_stands_for() {
    let world = Secured::new();
    world.telegram.inject(7, USER, "hello");
    let gateway = Gateway::start(&world.home, &[]);
    let why = world.front.wait_for_failure();
    assert!(why.contains("UnknownCA"), "{why}");
    gateway.wait_for_line("Plugin is restarted");
    assert!(gateway.is_running());
    gateway.stop().expect_code(0);
    assert_eq!(world.front.handshakes().done, 0);
    let ledger = world.telegram.ledger();
    assert!(
        ledger.polls.is_empty() && ledger.calls.is_empty(),
        "{}",
        ledger.summary()
    );
    assert_eq!(world.telegram.unconfirmed(), 1);
}

#[test]
fn telegram_stays_down_where_ssl_cert_file_names_no_certificates_and_the_log_names_the_file() {
    let world = Secured::new();
    let gateway = Command::new(&world.home, &["gateway"])
        .env("SSL_CERT_FILE", "/nowhere/roots.pem")
        .start();
    for plugin in ["telegram", "model"] {
        gateway.wait_for_line(&format!(
            "plugin={plugin} error=\"cannot take certificates from /nowhere/roots.pem, which SSL_CERT_FILE names"
        ));
    }
    gateway.stop().expect_code(0);
    assert_eq!(world.front.handshakes().done, 0);
}
