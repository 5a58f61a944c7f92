//! `miniclaw send`.

use miniclaw_tests::build::artifacts;
use miniclaw_tests::gateway::{Command, Finished};
use serde_json::{Value, json};

use crate::setup::{USER, World, texts};

fn send(world: &World, arguments: &[&str]) -> Finished {
    Command::new(&world.home, &["send", "--channel", "telegram"])
        .args(arguments)
        .run()
}

/// A file of the home's with these bytes.
fn file(world: &World, name: &str, bytes: &[u8]) -> String {
    let path = world.home.root().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// How many files wait to be sent.
fn parcels(world: &World) -> usize {
    let folder = world.home.miniclaw().join("state/outgoing");
    folder.read_dir().map_or(0, Iterator::count)
}

#[test]
fn a_text_arrives_and_the_agent_knows_of_it() {
    let world = World::in_groups(&[-100]);
    let gateway = world.start();
    let sent = send(
        &world,
        &["--to", "-100", "--thread", "5", "--silent", "Backup **done**"],
    );
    let id: u64 = sent.expect_code(0).stdout.trim().parse().unwrap();
    let arrived = world.telegram.wait_for_replies_to(-100, 1).swap_remove(0);
    assert_eq!(
        (arrived.text.as_str(), arrived.thread, arrived.silent),
        ("Backup done", Some(5), true)
    );
    let traced = Command::new(&world.home, &["trace", &id.to_string()]).run();
    let told = &traced.expect_code(0).stdout;
    assert!(told.contains("the operator had it sent by `telegram`"), "{told}");
    assert!(
        told.contains(&format!("reply {id} put into the outbox")),
        "{told}"
    );
    send(&world, &["--to", "7", "The backup is done."]).expect_code(0);
    world.telegram.wait_for_replies_to(7, 1);
    world.say(7, "what did you say?", 2);
    let asked = world.model.asked().remove(0);
    let turns: Vec<_> = asked
        .conversation()
        .map(|turn| (turn.role.as_str(), turn.content.as_str()))
        .collect();
    assert_eq!(
        turns,
        [
            ("assistant", "The backup is done."),
            ("user", "what did you say?")
        ]
    );
    gateway.stop().expect_code(0);
}

#[test]
fn a_long_text_from_stdin_arrives_in_order() {
    let world = World::new();
    let gateway = world.start();
    let lines: Vec<String> = (0..1_500).map(|line| format!("line {line}")).collect();
    let path = file(&world, "long", lines.join("\n").as_bytes());
    let script = format!(
        "{} send --channel telegram --to {USER} --json - < {path}",
        artifacts().binary.display()
    );
    let sent = Command::of("/bin/sh", &world.home).args(&["-c", &script]).run();
    let told: Value = serde_json::from_str(&sent.expect_code(0).stdout).unwrap();
    let count = told["ids"].as_array().unwrap().len();
    assert!(count > 1, "{told}");
    assert_eq!(told["session"], format!("telegram_{USER}"));
    let arrived = world.telegram.wait_for_replies_to(USER, count);
    let arrived: Vec<&str> = texts(&arrived).into_iter().flat_map(str::lines).collect();
    assert_eq!(arrived, lines);
    gateway.stop().expect_code(0);
}

#[test]
fn files_arrive_as_what_they_are() {
    let world = World::new();
    let gateway = world.start();
    let photo = b"\x89PNG\r\n\x1a\npicture".as_slice();
    let voice = b"OggS\0\x02voice".as_slice();
    let document = vec![7; 3 * 1024 * 1024];
    let cases = [
        ("chart.png", photo, "photo", "the chart"),
        ("said.oga", voice, "voice", ""),
        ("data.bin", &document, "document", "all of it"),
    ];
    for (index, (name, bytes, field, caption)) in cases.into_iter().enumerate() {
        let path = file(&world, name, bytes);
        let mut arguments = vec!["--to", "7", "--file", &path];
        arguments.extend(Some(caption).filter(|caption| !caption.is_empty()));
        send(&world, &arguments).expect_code(0);
        let sent = world
            .telegram
            .wait_for_replies_to(7, index + 1)
            .swap_remove(index);
        let upload = sent.file.unwrap();
        assert_eq!((upload.field.as_str(), sent.text.as_str()), (field, caption));
        assert!(upload.bytes == bytes, "{name} arrived with other bytes");
        assert_eq!(upload.name, name);
    }
    // A text that is no caption follows, and what is longer than a message follows that.
    let path = file(&world, "chart.png", photo);
    let long = "word ".repeat(1_200);
    send(&world, &["--to", "7", "--file", &path, &long]).expect_code(0);
    let sent = world.telegram.wait_for_replies_to(7, 6);
    assert!(sent[3].file.is_some() && sent[3].text.is_empty());
    let text: Vec<&str> = texts(&sent[4..]);
    assert_eq!(text.join(" "), long.trim());
    gateway.stop().expect_code(0);
    assert_eq!(parcels(&world), 0);
    assert!(!world.home.holds(&"\u{7}".repeat(1_000)));
}

#[test]
fn what_was_taken_survives_a_kill() {
    let world = World::new();
    world
        .telegram
        .on("sendPhoto")
        .answer(miniclaw_tests::fake_telegram::Answer::bad_gateway());
    let gateway = world.start();
    let photo = b"\xff\xd8\xff\xe0photo".as_slice();
    let path = file(&world, "p.jpg", photo);
    send(&world, &["--to", "7", "--file", &path, "look"]).expect_code(0);
    send(&world, &["--to", "7", "after it"]).expect_code(0);
    gateway.kill();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(parcels(&world), 1);
    world.telegram.clear_rules();
    let gateway = world.start();
    let sent = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(texts(&sent), ["look", "after it"]);
    assert!(sent[0].file.as_ref().is_some_and(|file| file.bytes == photo));
    gateway.stop().expect_code(0);
    assert_eq!(parcels(&world), 0);
}

#[test]
fn what_cannot_be_sent_is_refused_in_words() {
    let world = World::with(|config| {
        config.channel(
            "shop",
            json!({ "plugin": "exec", "allow_from": ["x"], "settings": { "command": ["cat"] } }),
        )
    });
    let refused = |arguments: &[&str], status: i32, words: &str| {
        let finished = Command::new(&world.home, &["send"]).args(arguments).run();
        let told = &finished.expect_code(status).stderr;
        assert!(told.contains(words), "{told}");
        assert_eq!(finished.stdout, "");
    };
    let path = file(&world, "a.txt", b"text");
    let none = "no gateway runs on";
    refused(&["--channel", "telegram", "--to", "7", "x"], 69, none);
    refused(&["--channel", "telegram", "--to", "7", "--file", &path], 69, none);
    let gateway = world.start();
    let unknown = "there is no channel `signal`; there are: shop, telegram";
    refused(&["--channel", "signal", "--to", "7", "x"], 1, unknown);
    refused(&["--channel", "signal", "--to", "7", "--file", &path], 1, unknown);
    let text_alone = "the channel `shop` cannot send files, only text";
    refused(
        &["--channel", "shop", "--to", "7", "--file", &path],
        1,
        text_alone,
    );
    refused(
        &["--channel", "telegram", "--to", "7", " "],
        1,
        "the text is empty",
    );
    refused(&["--channel", "telegram", "--to", "7"], 2, "TEXT");
    refused(
        &["--channel", "telegram", "--to", "7", "--file", "/nowhere"],
        1,
        "No such file",
    );
    let large = "x".repeat(33 * 1024);
    refused(&["--channel", "telegram", "--to", "7", &large], 1, "with --file");
    assert_eq!(parcels(&world), 0);
    gateway.stop().expect_code(0);
    assert!(world.telegram.ledger().sent.is_empty());
}
