//! Installing plugins and removing them.

use miniclaw_tests::gateway::make_folder;
use miniclaw_tests::{Command, build};
use serde_json::{Value, json};

use crate::plugin_trust::{LIBRARY, World};

#[test]
fn a_folder_is_installed_but_for_what_is_refused() {
    let world = World::new();
    let download = world.at("download");
    std::fs::write(download.join("broken.so"), "no library").unwrap();
    std::fs::write(download.join("readme.txt"), "no library").unwrap();
    let echo = build::artifacts().library("miniclaw_plugin_echo");
    std::fs::copy(&echo, download.join("libecho.so")).unwrap();
    let report = world.json(&["install", download.to_str().unwrap()], 1);
    let names: Vec<&Value> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(
        names,
        [&Value::Null, &json!("echo"), &json!("loopback")],
        "{report}"
    );
    assert!(
        report[0]["error"]
            .as_str()
            .unwrap()
            .contains("it is not an ELF library")
    );
    assert!(world.installed().exists());

    let again = world.run(&["install", download.join(LIBRARY).to_str().unwrap()]);
    assert!(
        again.expect_code(0).stdout.contains("already"),
        "{}",
        again.stdout
    );
    let listed = world.run(&["list"]);
    assert!(
        listed.expect_code(0).stdout.contains("replaced by"),
        "{}",
        listed.stdout
    );
    let removed = world.run(&["remove", "echo", "--force"]);
    assert!(
        removed.expect_code(0).stdout.contains("the built-in one"),
        "{}",
        removed.stdout
    );
    let built_in = world.run(&["remove", "telegram"]);
    assert!(
        built_in.expect_code(1).stderr.contains("part of miniclaw"),
        "{}",
        built_in.stderr
    );
    world.run(&["remove", "nobody"]).expect_code(1);

    let elsewhere = world.at("elsewhere");
    let to = [
        "install",
        download.join(LIBRARY).to_str().unwrap(),
        "--to",
        elsewhere.to_str().unwrap(),
    ]
    .map(str::to_owned);
    let text = world.run(&to.each_ref().map(String::as_str)).stdout;
    assert!(text.contains("plugins.paths"), "{text}");
}

#[test]
fn a_disk_that_is_full_leaves_the_plugin_that_was_there() {
    let world = World::new();
    let possible = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .stderr(std::process::Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("NOT CHECKED: an installation on a full disk; run it as root");
        return;
    }
    make_folder(&world.at("small"));
    let script = r#"mount -t tmpfs -o size=64k,mode=0700 tmpfs "$HOME/small" && echo before > "$HOME/small/kept" &&
        { "$0" plugin install "$HOME/download" --to "$HOME/small"; echo "status $?"; ls -A "$HOME/small"; }"#;
    let finished = Command::of("/usr/bin/unshare", &world.home)
        .args(&["-m", "/bin/sh", "-c", script])
        .arg(&build::artifacts().binary)
        .run();
    assert_eq!(
        finished.expect_code(0).stdout,
        "status 1\nkept",
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("No space left on device"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("--to"), "{}", finished.stderr);
}
