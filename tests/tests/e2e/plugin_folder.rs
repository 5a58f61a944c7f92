use std::path::Path;

use miniclaw_tests::gateway::make_folder;
use miniclaw_tests::{
    Command, ConfigFile, FakeModel, FakeTelegram, Gateway, Home, Platform, bad_files, build,
};
use serde_json::{Value, json};

use crate::phrases::READY;

/// A home with the fixture `loopback` as the channel `local`.
pub(crate) fn with_loopback(platform_folder: &Home, platform: &Platform, model: &FakeModel) {
    let settings = json!({ "platform": platform.address() });
    let config = ConfigFile::default().model(model).channel(
        "local",
        json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings }),
    );
    platform_folder.write_config(&config.text());
}

/// A library of the system that is no plugin.
fn foreign_library() -> &'static Path {
    const PLACES: [&str; 4] = [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib/aarch64-linux-gnu/libm.so.6",
        "/lib64/libm.so.6",
        "/usr/lib/libm.so.6",
    ];
    let found = PLACES.iter().map(Path::new).find(|path| path.exists());
    found.expect("the system has a libm")
}

fn named(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            members.get("name").is_some_and(|own| own == name)
                || members.values().any(|member| named(member, name))
        }
        Value::Array(items) => items.iter().any(|item| named(item, name)),
        _ => false,
    }
}

#[test]
fn a_channel_from_a_library_in_a_folder_answers() {
    let (home, model) = (Home::empty(), FakeModel::start());
    let platform = Platform::start();
    with_loopback(&home, &platform, &model);
    let plugins = home.plugins(&["loopback"]);
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "42", "hello library");
    assert_eq!(platform.wait_for_verdict("1"), "accepted");
    let sent = platform.wait_for_sent(1);
    assert_eq!(sent[0], ("7".into(), "re: hello library [n=1]".into()));
    platform.deliver("7", "1", "42", "hello library");
    platform.deliver("7", "2", "666", "a stranger");
    assert_eq!(platform.wait_for_verdict("2"), "ignored");
    gateway.stop().expect_code(0);
    assert!(home.sessions().join("local_7.json").is_file());
    assert_eq!(model.asked().len(), 1);
}

#[test]
fn a_folder_of_bad_files_gives_one_line_each_and_the_good_one_works() {
    let (home, model) = (Home::empty(), FakeModel::start());
    let platform = Platform::start();
    with_loopback(&home, &platform, &model);
    let plugins = home.plugins(&["loopback"]);
    let good = build::artifacts().library("miniclaw_fixture_loopback");
    let names = bad_files::make(&plugins, &good, foreign_library());

    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    gateway.wait_for_line(READY);
    platform.deliver("7", "1", "42", "hi");
    platform.wait_for_sent(1);
    for name in &names {
        assert_eq!(
            gateway.lines_with(&format!("/{name}")).len(),
            1,
            "{name} in:\n{}",
            gateway.log()
        );
    }
    gateway.stop().expect_code(0);

    let listed = Command::new(&home, &["plugin", "list", "--plugins"])
        .arg(&plugins)
        .run();
    listed.expect_code(0);
    assert!(listed.stdout.contains("loopback"), "{}", listed.stdout);
    for name in &names {
        assert!(
            listed.stdout.contains(name.as_str()),
            "{name} in:\n{}",
            listed.stdout
        );
    }
    let json = Command::new(&home, &["plugin", "list", "--json", "--plugins"])
        .arg(&plugins)
        .run();
    let json: Value = serde_json::from_str(&json.expect_code(0).stdout).unwrap();
    assert!(named(&json, "loopback") && named(&json, "telegram"), "{json}");
}

#[test]
fn every_bad_file_is_refused_by_plugin_info_with_one_line() {
    let home = Home::empty();
    let folder = home.plugins(&[]);
    let good = build::artifacts().library("miniclaw_fixture_loopback");
    for name in bad_files::make(&folder, &good, foreign_library()) {
        let finished = Command::new(&home, &["plugin", "info"])
            .arg(folder.join(&name))
            .run();
        finished.expect_code(1);
        assert_eq!(finished.stderr.trim().lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(&name), "{}", finished.stderr);
    }
}

#[test]
fn plugin_info_shows_what_a_library_says_of_itself() {
    let home = Home::empty();
    let plugins = home.plugins(&["loopback"]);
    let library = plugins.join("libminiclaw_fixture_loopback.so");
    let text = Command::new(&home, &["plugin", "info"]).arg(&library).run();
    let text = &text.expect_code(0).stdout;
    for word in ["loopback", env!("CARGO_PKG_VERSION"), "channel", "network"] {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
    let json = Command::new(&home, &["plugin", "info", "--json"])
        .arg(&library)
        .run();
    let json: Value = serde_json::from_str(&json.expect_code(0).stdout).unwrap();
    assert!(named(&json, "loopback"), "{json}");
}

#[test]
fn built_in_plugins_are_listed_without_any_folder() {
    let listed = Command::new(&Home::empty(), &["plugin", "list"]).run();
    for name in [
        "telegram",
        "openai",
        "anthropic",
        "gemini",
        "ollama",
        "echo",
        "console",
    ] {
        assert!(
            listed.expect_code(0).stdout.contains(name),
            "{name} in:\n{}",
            listed.stdout
        );
    }
}

#[test]
fn shipped_plugins_as_libraries_take_the_place_of_the_built_in_ones() {
    let home = Home::empty();
    let plugins = home.plugins(&[]);
    let library = "libminiclaw_plugin_echo.so";
    std::fs::copy(
        build::artifacts().library("miniclaw_plugin_echo"),
        plugins.join(library),
    )
    .unwrap();
    let listed = Command::new(&home, &["plugin", "list", "--plugins"])
        .arg(&plugins)
        .run();
    assert!(
        listed.expect_code(0).stdout.contains(library),
        "{}",
        listed.stdout
    );

    let platform = Platform::start();
    home.plugins(&["loopback"]);
    let settings = json!({ "platform": platform.address() });
    let config = ConfigFile::default().channel(
        "local",
        json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings }),
    );
    home.write_config(&config.text());
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    platform.wait_for_calls("receive", 1);
    platform.deliver("7", "1", "42", "hello echo");
    let sent = platform.wait_for_sent(1);
    assert!(sent[0].1.contains("hello echo"), "{sent:?}");
    gateway.stop().expect_code(0);
}

#[test]
fn telegram_and_openai_work_as_libraries_and_log_as_built_in_ones_do() {
    let (home, telegram, model) = (Home::empty(), FakeTelegram::start(), FakeModel::start());
    home.write_config(&ConfigFile::standard(&telegram, &model, &[42]).text());
    let plugins = home.plugins(&[]);
    for name in ["miniclaw_plugin_telegram", "miniclaw_plugin_openai"] {
        let library = build::artifacts().library(name);
        std::fs::copy(&library, plugins.join(library.file_name().unwrap())).unwrap();
    }
    let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
    telegram.wait_for_poll();
    telegram.inject(7, 42, "hello libraries");
    telegram.wait_for_replies(1);
    assert_eq!(telegram.sent_to(7)[0].text, "re: hello libraries [n=1]");
    let connected = gateway.lines_with("Telegram channel connected");
    assert!(
        connected.len() == 1 && connected[0].contains("miniclaw_telegram"),
        "{connected:?}"
    );
    assert_eq!(
        std::fs::read_dir(home.miniclaw().join("state/cache"))
            .unwrap()
            .count(),
        4,
        "two copies, two stamps"
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_missing_plugin_folder_is_an_error_and_an_empty_one_is_not() {
    let home = Home::empty();
    let missing = home.root().join("missing");
    let finished = Command::new(&home, &["gateway", "--plugins"]).arg(&missing).run();
    assert!(finished.exited() && finished.code() != 0, "{finished:?}");
    assert!(finished.stderr.contains("missing"), "{}", finished.stderr);

    let empty = home.root().join("empty");
    make_folder(&empty);
    let gateway = Command::new(&home, &["gateway", "--plugins"]).arg(&empty).start();
    gateway.wait_for_line(READY);
    gateway.stop().expect_code(0);
}

#[test]
fn a_plugin_folder_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::empty();
    let plugins = home.plugins(&["loopback"]);
    std::fs::set_permissions(&plugins, std::fs::Permissions::from_mode(0o777)).unwrap();
    let listed = Command::new(&home, &["gateway", "--plugins"]).arg(&plugins).run();
    assert!(listed.exited() && listed.code() != 0, "{listed:?}");
    assert!(
        listed.stderr.contains(plugins.to_str().unwrap()),
        "{}",
        listed.stderr
    );
}

#[test]
fn the_name_of_a_plugin_that_nobody_has_is_reported_with_the_nearest_one() {
    let home = Home::empty();
    let config = ConfigFile::default().channel("chat", json!({ "plugin": "telegrm", "settings": {} }));
    home.write_config(&config.text());
    let gateway = Gateway::start(&home, &[]);
    let line = gateway.wait_for_line("telegrm");
    assert!(line.contains("telegram"), "{line}");
}
