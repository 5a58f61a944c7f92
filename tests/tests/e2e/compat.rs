//! Plugins that were compiled against earlier versions of the plugin API, behind the present gateway.

use std::path::Path;

use miniclaw_tests::libraries::Library;
use miniclaw_tests::{ConfigFile, Gateway, Home, Platform};
use serde_json::json;

/// Every library of the archive that begins with this, without its ending; none, said aloud, on other machines.
fn archived(kind: &str) -> Vec<String> {
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        println!("NOT CHECKED: the archive holds libraries for x86_64 with glibc alone");
        return Vec::new();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat");
    let names = folder.read_dir().unwrap().flatten();
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".so").map(str::to_owned))
        .filter(|name| name.starts_with(kind) && !name.ends_with("breaking"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "the archive has no {kind}");
    names
}

fn library(name: &str) -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat");
    Library::read(&folder.join(format!("{name}.so")))
}

#[test]
fn the_gateway_answers_through_every_archived_channel_and_provider() {
    for channel in archived("channel-") {
        for provider in archived("provider-") {
            let (home, platform) = (Home::empty(), Platform::start());
            let settings = json!({ "platform": platform.address() });
            let entry = json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings });
            let config = ConfigFile::default()
                .provider("archived", json!({ "plugin": "echo", "settings": {} }))
                .channel("local", entry);
            home.write_config(&config.text());
            let plugins = home.plugins(&[]);
            for name in [&channel, &provider] {
                library(name).put(&plugins);
            }
            let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
            platform.wait_for_calls("receive", 1);
            platform.deliver("7", "1", "42", "hello archive");
            assert_eq!(platform.wait_for_verdict("1"), "accepted");
            let sent = platform.wait_for_sent(1);
            assert!(
                sent[0].1.ends_with("hello archive"),
                "{channel}, {provider}: {sent:?}"
            );
            gateway.stop().expect_code(0);
            platform.wait_for_calls("shutdown", 1);
        }
    }
}

/// The manifest alone is another: the layout is that of this host, and nothing of it may count as newer than it is.
#[test]
fn a_plugin_that_says_it_is_of_a_later_patch_version_runs_and_one_of_another_minor_version_does_not() {
    for (api, runs) in [([0, 1, 99], true), ([0, 2, 0], false), ([1, 0, 0], false)] {
        let (home, platform) = (Home::empty(), Platform::start());
        let settings = json!({ "platform": platform.address() });
        let entry = json!({ "plugin": "loopback", "allow_from": ["42"], "settings": settings });
        home.write_config(&ConfigFile::default().channel("local", entry).text());
        let plugins = home.plugins(&[]);
        Library::of("loopback").speaking_api(api).put(&plugins);
        let gateway = Gateway::start(&home, &["--plugins", plugins.to_str().unwrap()]);
        if runs {
            platform.wait_for_calls("receive", 1);
        } else {
            let line = gateway.wait_for_line("cannot load plugin `loopback`");
            assert!(line.contains("this host speaks 0.1"), "{line}");
        }
        gateway.stop();
    }
}
