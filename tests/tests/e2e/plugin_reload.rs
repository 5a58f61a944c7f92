//! One version of a plugin in another's place while messages come and go.

use miniclaw_tests::gateway::Finished;
use miniclaw_tests::libraries::Library;
use miniclaw_tests::{Command, ConfigFile, Gateway, Home, Platform};
use serde_json::{Value, json};

use crate::phrases::READY;

/// A gateway with two channels of one plugin, each on a platform of its own.
struct Two {
    first: Platform,
    second: Platform,
    gateway: Gateway,
    home: Home,
}

impl Two {
    fn start(isolation: &str, arguments: &[&str]) -> Self {
        let home = Home::empty();
        let (first, second) = (Platform::start(), Platform::start());
        home.write_config(&config(isolation, &first, &second, json!({})));
        let plugins = home.plugins(&["loopback"]);
        std::fs::create_dir(home.root().join("build")).unwrap();
        let mut all = vec!["--plugins", plugins.to_str().unwrap()];
        all.extend(arguments);
        let gateway = Gateway::start(&home, &all);
        gateway.wait_for_line(READY);
        first.wait_for_calls("receive", 1);
        second.wait_for_calls("receive", 1);
        Self {
            first,
            second,
            gateway,
            home,
        }
    }

    fn plugin(&self, arguments: &[&str]) -> Finished {
        plugin(&self.home, arguments)
    }

    /// Puts a library in the place of `loopback` that differs from it in nothing but its bytes.
    fn replace_library(&self, mark: &str) {
        let folder = self.home.root().join("plugins");
        let file = folder.join("libminiclaw_fixture_loopback.so");
        let fresh = Library::of("loopback")
            .built_by(mark)
            .put(&self.home.root().join("build"));
        std::fs::rename(fresh, file).unwrap();
    }

    fn assert_answers(&self, platform: &Platform, n: usize) {
        platform.deliver("7", &format!("m{n}"), "42", &format!("hello {n}"));
        let sent = platform.wait_for_sent(n);
        assert!(sent[n - 1].1.ends_with(&format!("hello {n}")), "{sent:?}");
        assert_eq!(sent.len(), n);
    }
}

fn plugin(home: &Home, arguments: &[&str]) -> Finished {
    let mut all = vec!["plugin"];
    all.extend(arguments);
    Command::new(home, &all).run()
}

fn config(isolation: &str, first: &Platform, second: &Platform, settings: Value) -> String {
    let channel = |platform: &Platform| {
        let mut all = settings.clone();
        all["platform"] = json!(platform.address());
        json!({ "plugin": "loopback", "isolation": isolation, "allow_from": ["42"], "settings": all })
    };
    ConfigFile::default()
        .channel("first", channel(first))
        .channel("second", channel(second))
        .text()
}

#[test]
fn a_reloaded_plugin_goes_on_where_the_one_before_was() {
    for isolation in ["process", "in-process"] {
        let two = Two::start(isolation, &[]);
        two.assert_answers(&two.first, 1);
        two.replace_library("rustc 9.9.9 (of another day)");
        let reloaded = two.plugin(&["reload", "first", "--json"]);
        reloaded.expect_code(0);
        let changed: Value = serde_json::from_str(&reloaded.stdout).unwrap();
        assert_eq!(changed[0]["instance"], "first");
        assert_eq!(changed[0]["ok"], true);
        assert_eq!(two.first.calls("create"), 2);
        two.first.wait_for_calls("shutdown", 1);
        two.assert_answers(&two.first, 2);
        two.assert_answers(&two.second, 1);
        assert_eq!(two.second.calls("create"), 1);
        two.gateway.stop().expect_code(0);
        assert_eq!(two.first.calls("shutdown"), 2);
    }
}

#[test]
fn a_version_that_does_not_start_leaves_the_one_before_running() {
    let two = Two::start("process", &[]);
    let broken = Library::of("misfit").put(&two.home.root().join("build"));
    let file = two.home.root().join("plugins/libminiclaw_fixture_loopback.so");
    std::fs::rename(broken, &file).unwrap();
    let reloaded = two.plugin(&["reload", "loopback"]);
    reloaded.expect_code(1);
    two.assert_answers(&two.first, 1);
    two.assert_answers(&two.second, 1);
    assert_eq!(two.first.calls("create"), 1);
    two.gateway.stop().expect_code(0);
}

#[test]
fn a_watching_gateway_takes_up_what_changes() {
    let two = Two::start("process", &["--watch"]);
    two.replace_library("rustc 9.9.9 (of another day)");
    two.first.wait_for_calls("create", 2);
    two.second.wait_for_calls("create", 2);
    two.assert_answers(&two.first, 1);
    two.gateway.stop().expect_code(0);
}

#[test]
fn sighup_takes_up_settings_and_allow_lists_and_names_the_rest() {
    let two = Two::start("process", &[]);
    let mut text: Value =
        serde_json::from_str(&config("process", &two.first, &two.second, json!({}))).unwrap();
    text["channels"]["second"]["allow_from"] = json!(["43"]);
    text["workspace_path"] = json!("elsewhere");
    two.home.write_config(&text.to_string());
    two.gateway.hang_up();
    let line = two.gateway.wait_for_line("take effect at the next start");
    assert!(line.contains("workspace_path"), "{line}");
    two.gateway.wait_for_line("Configuration reloaded");
    two.assert_answers(&two.first, 1);
    two.second.deliver("7", "a", "43", "let in");
    assert!(two.second.wait_for_sent(1)[0].1.ends_with("let in"));
    // An allow list is the gateway's own, and restarts nothing.
    assert_eq!((two.first.calls("create"), two.second.calls("create")), (1, 1));
    two.home.write_config("{ \"channels\": 1 }");
    two.gateway.hang_up();
    let line = two.gateway.wait_for_line("Configuration not reloaded");
    assert!(line.contains("config.json:1:15"), "{line}");
    two.assert_answers(&two.first, 2);
    two.gateway.stop().expect_code(0);
}

#[test]
fn a_disabled_plugin_stays_down_over_a_restart_until_it_is_enabled() {
    let two = Two::start("process", &[]);
    two.plugin(&["disable", "second"]).expect_code(0);
    two.second.wait_for_calls("shutdown", 1);
    let list = two.plugin(&["list"]);
    assert!(
        list.stdout
            .lines()
            .any(|line| line.starts_with("second") && line.ends_with("disabled")),
        "{list:?}"
    );
    two.gateway.stop().expect_code(0);
    let plugins = two.home.root().join("plugins");
    let gateway = Gateway::start(&two.home, &["--plugins", plugins.to_str().unwrap()]);
    two.first.wait_for_calls("create", 2);
    plugin(&two.home, &["enable", "second"]).expect_code(0);
    two.second.wait_for_calls("create", 2);
    plugin(&two.home, &["enable", "nobody"]).expect_code(1);
    gateway.stop().expect_code(0);
}
