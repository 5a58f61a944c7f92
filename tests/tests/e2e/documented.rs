//! Every command of the command line is executed as its reader would give it, and every command that the README and the
//! pages name is one of these.

mod examples;
mod pages;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use miniclaw_tests::gateway::Finished;
use miniclaw_tests::{Command, build, until};
use serde_json::json;

use crate::setup::{USER, World};
use examples::{ELSEWHERE, RUNNING, STOPPED};

/// Runs a line of a shell in a folder of the home, with `miniclaw` on the path.
fn shell(world: &World, line: &str) -> Finished {
    let script = format!("export PATH=\"$HOME/bin:$PATH\"; mkdir -p ~/work; cd ~/work; {line}");
    Command::of("/bin/bash", &world.home)
        .args(&["-euo", "pipefail", "-c", &script])
        .run()
}

/// The commands below `path`, as its help lists them.
fn commands_below(world: &World, path: &str) -> Vec<String> {
    let help = shell(world, &format!("miniclaw {path} --help"));
    let help = &help.expect_code(0).stdout;
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    // Descriptions go on further to the right.
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| format!("{path} {name}").trim().to_owned())
        .collect()
}

/// All commands that do something themselves.
fn leaves(world: &World) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), commands_below(world, ""));
    while let Some(path) = open.pop() {
        let below = commands_below(world, &path);
        if below.is_empty() {
            found.insert(path);
        } else {
            open.extend(below);
        }
    }
    found
}

/// The command that a line runs: its words before the first argument.
fn command_of<'a>(line: &str, leaves: &'a BTreeSet<String>) -> Option<&'a String> {
    let line = line.split("miniclaw ").nth(1)?;
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    leaves
        .get(&words.join(" "))
        .or_else(|| leaves.get(*words.first()?))
}

/// A world with a message that was answered, a dead letter, and somebody who asks to be let in.
fn world() -> World {
    let world = World::with(|config| {
        config.with("/channels/telegram/pairing", json!(true)).with(
            "/channels/webchat",
            json!({ "settings": { "listen": "127.0.0.1:0" } }),
        )
    });
    std::fs::create_dir(world.home.root().join("bin")).unwrap();
    symlink(&build::artifacts().binary, world.home.root().join("bin/miniclaw")).unwrap();
    world.home.plugins(&["loopback"]);
    world
}

fn code(world: &World) -> String {
    let listed = shell(world, "miniclaw pairing list --json");
    let listed: serde_json::Value = serde_json::from_str(&listed.expect_code(0).stdout).unwrap();
    let code = listed.pointer("/pending/0/code").and_then(|code| code.as_str());
    code.unwrap_or_default().to_owned()
}

/// Fills in what an example cannot know.
fn filled(world: &World, line: &str) -> String {
    let mut line = line.replace("USER", &USER.to_string());
    if line.contains("CODE") {
        world.telegram.inject(99, 99, "let me in");
        until("a code", || !code(world).is_empty());
        line = line.replace("CODE", &code(world));
    }
    if line.contains("DEAD") {
        let refusal = miniclaw_tests::fake_telegram::Answer::error(400, "Bad Request: chat not found");
        world.telegram.on("sendMessage").chat(7).answer(refusal);
        world.telegram.inject(7, USER, "hi");
        let dead = || shell(world, "miniclaw queue list --dead --json");
        let id = || {
            let listed: serde_json::Value = serde_json::from_str(&dead().stdout).unwrap();
            listed.pointer("/letters/0/id").map(ToString::to_string)
        };
        until("a dead letter", || id().is_some());
        line = line.replace("DEAD", &id().unwrap());
        world.telegram.clear_rules();
    }
    line
}

fn execute(world: &World, examples: &[(&str, i32)], run: &mut BTreeSet<String>, leaves: &BTreeSet<String>) {
    for (line, status) in examples {
        let finished = shell(world, &filled(world, line));
        assert!(
            finished.code() == *status,
            "`{line}` ended with {} instead of {status}\n{}\n{}",
            finished.code(),
            finished.stdout,
            finished.stderr
        );
        run.extend(command_of(line, leaves).cloned());
    }
}

#[test]
fn every_command_is_executed_and_every_command_that_a_page_names_exists() {
    let world = world();
    let leaves = leaves(&world);
    assert!(leaves.len() > 35, "{leaves:?}");
    let mut run = BTreeSet::from(["gateway".to_owned()]);
    let gateway = world.start();
    assert_eq!(world.say(USER, "hello", 1), "re: hello [n=1]");
    execute(&world, RUNNING, &mut run, &leaves);
    gateway.wait().expect_code(0);
    execute(&world, STOPPED, &mut run, &leaves);
    for (line, page) in ELSEWHERE {
        let test = std::fs::read_to_string(pages::workspace().join(page)).unwrap();
        let command = line.strip_prefix("miniclaw ").unwrap();
        assert!(test.contains(command), "{page} does not run `{line}`");
        run.extend(command_of(line, &leaves).cloned());
    }
    let missing: Vec<_> = leaves.difference(&run).collect();
    assert!(missing.is_empty(), "no example executes {missing:?}");
    for (page, mention) in pages::mentions() {
        let command = command_of(&mention, &leaves).cloned();
        let command = command.unwrap_or_else(|| mention.split_whitespace().nth(1).unwrap_or_default().into());
        let help = shell(&world, &format!("miniclaw {command} --help"));
        assert_eq!(help.code(), 0, "{page} names `{mention}`, which is no command");
        for flag in pages::flags(&mention) {
            assert!(
                help.stdout.contains(&flag),
                "{page} names `{mention}`, which has no {flag}"
            );
        }
    }
    let text = pages::all();
    let unnamed: Vec<_> = leaves.iter().filter(|leaf| !pages::names(&text, leaf)).collect();
    assert!(unnamed.is_empty(), "no page names {unnamed:?}");
}
