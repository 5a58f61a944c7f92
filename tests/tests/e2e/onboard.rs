use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use miniclaw_tests::config::API_KEY;
use miniclaw_tests::fake_telegram::TOKEN;
use miniclaw_tests::gateway::{Finished, make_folder, write_private};
use miniclaw_tests::terminal::Terminal;
use miniclaw_tests::watched::until;
use miniclaw_tests::{Command, FakeModel, FakeTelegram, Gateway, Home};
use serde_json::Value;

use crate::phrases::READY;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

fn run(home: &Home, arguments: &[&str]) -> Finished {
    Command::new(home, arguments).run()
}

/// A file with this text, and its path as an argument.
fn file(home: &Home, name: &str, text: &str) -> String {
    let path = home.root().join(name);
    write_private(&path, text.as_bytes());
    path.to_str().unwrap().to_owned()
}

fn config(home: &Home) -> Value {
    serde_json::from_str(&std::fs::read_to_string(home.config()).unwrap()).unwrap()
}

#[track_caller]
fn is_private(path: &Path) {
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
}

#[test]
fn without_a_question_a_configuration_is_written_that_is_valid_and_runs() {
    let home = Home::empty();
    let finished = run(&home, &["onboard", "--yes"]);
    let told = &finished.expect_code(0).stdout;
    assert!(
        told.trim_end().ends_with("Start it:\n  miniclaw gateway"),
        "{told}"
    );
    for name in [
        "config.json",
        "config.schema.json",
        "workspace/SOUL.md",
        "workspace/AGENTS.md",
        "workspace/USER.md",
    ] {
        is_private(&home.miniclaw().join(name));
    }
    assert_eq!(config(&home)["$schema"], "./config.schema.json");
    let validated = run(&home, &["config", "validate"]);
    validated.expect_code(0);
    let gateway = Gateway::start(&home, &[]);
    gateway.wait_for_line(READY);
    gateway.stop().expect_code(0);
}

#[test]
fn token_and_provider_are_tried_and_secrets_are_in_files_of_their_own() {
    let (telegram, model, home) = (FakeTelegram::start(), FakeModel::start(), Home::empty());
    let (token, key) = (file(&home, "t", &format!("{TOKEN}\n")), file(&home, "k", API_KEY));
    let (api, base) = (telegram.url(), model.base_url());
    let arguments = [
        "onboard",
        "--yes",
        "--json",
        "--telegram-token-file",
        &token,
        "--telegram-api-url",
        api,
        "--allow-from",
        "42,43",
        "--provider",
        "openai",
        "--base-url",
        &base,
        "--api-key-file",
        &key,
        "--model",
        "fake",
    ];
    let finished = run(&home, &arguments);
    let told: Value = serde_json::from_str(&finished.expect_code(0).stdout).unwrap();
    let tests = told["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 2, "{told}");
    assert!(tests.iter().all(|test| test["ok"] == true), "{told}");
    assert!(tests[0]["text"].as_str().unwrap().contains("fake_bot"), "{told}");
    let text = std::fs::read_to_string(home.config()).unwrap();
    assert!(!text.contains(TOKEN) && !text.contains(API_KEY), "{text}");
    for (name, secret) in [("telegram_token", TOKEN), ("openai_api_key", API_KEY)] {
        let path = home.miniclaw().join("secrets").join(name);
        is_private(&path);
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), secret);
    }
    assert_eq!(config(&home)["allow_from"], serde_json::json!([42, 43]));
    run(&home, &["config", "validate"]).expect_code(0);
    assert!(run(&home, &["config", "validate"]).stderr.is_empty());
}

#[test]
fn a_refused_token_is_told_and_nothing_is_written() {
    let (telegram, home) = (FakeTelegram::start(), Home::empty());
    telegram.revoke(TOKEN);
    let token = file(&home, "t", TOKEN);
    let api = telegram.url();
    let arguments = [
        "onboard",
        "--yes",
        "--telegram-token-file",
        &token,
        "--telegram-api-url",
        api,
    ];
    let finished = run(&home, &arguments);
    let told = &finished.expect_code(1).stderr;
    assert!(
        told.contains("the token is refused") && told.contains("@BotFather"),
        "{told}"
    );
    assert!(!told.contains(TOKEN), "{told}");
    assert_eq!(std::fs::read_dir(home.miniclaw()).unwrap().count(), 0);
}

#[test]
fn a_dead_network_is_told_and_keeps_nobody_from_a_configuration() {
    let home = Home::empty();
    let token = file(&home, "t", TOKEN);
    let arguments = [
        "onboard",
        "--yes",
        "--telegram-token-file",
        &token,
        "--telegram-api-url",
        NOWHERE,
        "--provider",
        "openai",
        "--base-url",
        NOWHERE,
    ];
    let finished = run(&home, &arguments);
    let told = &finished.expect_code(0).stdout;
    assert!(told.contains("telegram: not tried"), "{told}");
    assert!(told.contains("provider openai: failed"), "{told}");
    // Nobody is on the list, and the way to get there is told, here as well as by the check and the gateway.
    let way = "`channels.telegram.pairing` to true";
    assert!(
        told.contains(way) && told.contains("miniclaw pairing approve CODE"),
        "{told}"
    );
    let validated = run(&home, &["config", "validate"]);
    assert!(
        validated.expect_code(0).stderr.contains(way),
        "{}",
        validated.stderr
    );
    let gateway = Gateway::start(&home, &[]);
    let line = gateway.wait_for_line(way);
    assert!(line.contains("WARN"), "{line}");
    gateway.stop();
}

#[test]
fn a_configuration_that_is_there_stays_or_is_kept_beside_the_new_one() {
    let home = Home::empty();
    home.write_config("{ \"provider\": \"echo\" }\n");
    make_folder(&home.miniclaw().join("workspace"));
    write_private(&home.miniclaw().join("workspace/SOUL.md"), b"mine");
    let refused = run(&home, &["onboard", "--yes"]);
    assert!(
        refused.expect_code(1).stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        std::fs::read_to_string(home.config()).unwrap(),
        "{ \"provider\": \"echo\" }\n"
    );
    run(&home, &["onboard", "--yes", "--force"]).expect_code(0);
    let kept = std::fs::read_to_string(home.miniclaw().join("config.json.bak")).unwrap();
    assert_eq!(kept, "{ \"provider\": \"echo\" }\n");
    is_private(&home.miniclaw().join("config.json.bak"));
    assert_eq!(
        std::fs::read_to_string(home.miniclaw().join("workspace/SOUL.md")).unwrap(),
        "mine"
    );
}

#[test]
fn answers_that_make_no_configuration_are_told_and_nothing_is_written() {
    let home = Home::empty();
    for (arguments, status, word) in [
        (&["--provider", "nope"][..], 78, "`provider`"),
        (&["--allow-from", "7"], 2, "--telegram-token-file"),
        (&["--telegram-token-file", "/no/such/file"], 1, "/no/such/file"),
        (
            &["--telegram-token-env", "NOT_SET_ANYWHERE"],
            78,
            "NOT_SET_ANYWHERE",
        ),
    ] {
        let finished = Command::new(&home, &["onboard", "--yes", "--offline"])
            .args(arguments)
            .run();
        assert!(
            finished.expect_code(status).stderr.contains(word),
            "{}",
            finished.stderr
        );
    }
    run(&home, &["onboard"]).expect_code(2);
    assert_eq!(std::fs::read_dir(home.miniclaw()).unwrap().count(), 0);
    let nowhere = run(&home, &["onboard", "--yes", "--home", "/proc/miniclaw"]);
    assert!(
        nowhere.expect_code(1).stderr.contains("/proc/miniclaw"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn questions_are_asked_on_a_terminal_and_secrets_are_not_shown() {
    let home = Home::empty();
    let mut terminal = Terminal::start(&home, &["onboard", "--offline"]);
    terminal.answer("@BotFather [no Telegram], not shown: ", TOKEN);
    terminal.answer("[let me in by a code]: ", "");
    terminal.answer("[echo]: ", "opnai");
    terminal.answer("[echo]: ", "openai");
    terminal.answer("Address of its server [", "");
    terminal.answer("Key of its API [none], not shown: ", API_KEY);
    terminal.answer("Model [", "");
    if terminal.shows_one_of(&["yes or no [yes]: ", "Start it:"]) == 0 {
        terminal.answer("yes or no [yes]: ", "no");
    }
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains(TOKEN) && !shown.contains(API_KEY), "{shown}");
    assert!(shown.contains("no provider is called `opnai`"), "{shown}");
    assert!(shown.contains("miniclaw pairing approve CODE"), "{shown}");
    let config = config(&home);
    assert_eq!(config["channels"]["telegram"]["pairing"], true);
    assert_eq!(
        config["providers"]["openai"]["settings"]["api_key"],
        "${file:secrets/openai_api_key}"
    );
    run(&home, &["config", "validate"]).expect_code(0);
}

#[test]
fn an_answer_that_is_refused_is_asked_again() {
    let (telegram, model, home) = (FakeTelegram::start(), FakeModel::start(), Home::empty());
    telegram.revoke("99:revoked_revoked_revoked_revoked_rev");
    let api = telegram.url();
    let mut terminal = Terminal::start(&home, &["onboard", "--telegram-api-url", api]);
    terminal.answer("[no Telegram], not shown: ", "no token");
    terminal.wait_for("@BotFather");
    terminal.answer(
        "[no Telegram], not shown: ",
        "99:revoked_revoked_revoked_revoked_rev",
    );
    terminal.wait_for("telegram: the token is refused");
    terminal.answer("[no Telegram], not shown: ", TOKEN);
    terminal.wait_for("telegram: ok: ");
    terminal.answer("[let me in by a code]: ", "me");
    terminal.wait_for("id");
    terminal.answer("[let me in by a code]: ", "42");
    terminal.answer("[echo]: ", "openai");
    terminal.answer("Address of its server [", "nowhere");
    terminal.answer("Key of its API [none], not shown: ", API_KEY);
    terminal.answer("Model [", "");
    terminal.answer("Address of its server [", &model.base_url());
    terminal.answer("Key of its API [none], not shown: ", API_KEY);
    terminal.answer("Model [", "");
    terminal.wait_for("provider openai: ok");
    if terminal.shows_one_of(&["yes or no [yes]: ", "Start it:"]) == 0 {
        terminal.answer("yes or no [yes]: ", "no");
    }
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    assert!(!shown.contains(TOKEN) && !shown.contains(API_KEY), "{shown}");
    assert_eq!(config(&home)["allow_from"], serde_json::json!([42]));
    run(&home, &["config", "validate"]).expect_code(0);
}

#[test]
fn an_interrupt_at_a_secret_leaves_the_terminal_as_it_was() {
    let home = Home::empty();
    let mut terminal = Terminal::start(&home, &["onboard", "--offline"]);
    terminal.wait_for("[no Telegram], not shown: ");
    assert!(terminal.hides_what_is_typed());
    for key in b"half a token" {
        terminal.press(*key);
    }
    terminal.press(0x03);
    until("a terminal that shows what is typed", || {
        !terminal.hides_what_is_typed()
    });
    let (status, shown) = terminal.wait();
    assert_eq!(status, 130, "{shown}");
    assert!(!shown.contains("half"), "{shown}");
}

#[test]
fn whoever_breaks_off_in_the_middle_leaves_nothing_behind() {
    let home = Home::empty();
    for questions in [&[][..], &["[no Telegram], not shown: "][..]] {
        let mut terminal = Terminal::start(&home, &["onboard", "--offline"]);
        for question in questions {
            terminal.answer(question, "");
        }
        terminal.wait_for(": ");
        terminal.press(0x03);
        let (status, shown) = terminal.wait();
        assert_eq!(status, 130, "{shown}");
        assert_eq!(std::fs::read_dir(home.miniclaw()).unwrap().count(), 0, "{shown}");
    }
}
