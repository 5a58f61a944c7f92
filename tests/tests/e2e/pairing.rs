use miniclaw_tests::gateway::{Command, Finished};
use serde_json::{Value, json};

use crate::setup::{USER, World};

const STRANGER: i64 = 666;

/// Strangers may ask; nobody is in the list.
fn world() -> World {
    World::with(|config| {
        config
            .with("/channels/telegram/allow_from", json!([]))
            .with("/channels/telegram/pairing", json!(true))
    })
}

fn pairing(world: &World, arguments: &[&str]) -> Finished {
    let command = Command::new(&world.home, &["pairing"]).args(arguments);
    command.start().wait()
}

fn list(world: &World) -> Value {
    let listed = pairing(world, &["list", "--json"]);
    listed.expect_code(0);
    serde_json::from_str(&listed.stdout).unwrap()
}

/// The code in the note that a stranger got.
fn code(world: &World, chat: i64) -> String {
    let note = world.telegram.wait_for_replies_to(chat, 1).swap_remove(0).text;
    assert!(note.contains(&format!("Your id is {chat}.")), "{note}");
    let (_, rest) = note.split_once("miniclaw pairing approve ").unwrap();
    rest[..8].to_owned()
}

#[test]
fn a_stranger_is_let_in_while_the_gateway_runs_and_still_may_write_after_a_kill() {
    let world = world();
    let gateway = world.start();
    gateway.wait_for_line("miniclaw pairing approve CODE");
    world.telegram.inject(STRANGER, STRANGER, "secret-of-a-stranger");
    let code = code(&world, STRANGER);
    world.telegram.inject(STRANGER, STRANGER, "hello?");
    let listed = list(&world);
    assert_eq!(listed["pending"][0]["code"], code.as_str());
    assert_eq!(listed["pending"][0]["id"], "666");
    assert_eq!(listed["pending"].as_array().unwrap().len(), 1);
    assert!(pairing(&world, &["list"]).stdout.contains("666 (User 666)"));
    let approved = pairing(&world, &["approve", &code.to_lowercase()]);
    assert_eq!(
        approved.expect_code(0).stdout,
        "666 (User 666) on telegram may write now"
    );
    // One note, nothing to the second message, and the word that they may write.
    let told = world.telegram.wait_for_replies_to(STRANGER, 2);
    assert_eq!(told[1].text, "You may write now.");
    world.telegram.inject(STRANGER, STRANGER, "hi");
    let replies = world.telegram.wait_for_replies_to(STRANGER, 3);
    assert_eq!(replies[2].text, "re: hi [n=1]");
    assert!(!world.home.holds("secret-of-a-stranger"));
    gateway.kill();
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "again");
    // The kill may repeat the send that it interrupted.
    world.telegram.wait("an answer", |ledger| {
        let answer = |sent: &&miniclaw_tests::fake_telegram::Sent| sent.text == "re: again [n=3]";
        ledger.sent.iter().find(answer).map(drop)
    });
    let revoked = pairing(&world, &["revoke", "telegram", "666"]);
    revoked.expect_code(0);
    assert_eq!(
        pairing(&world, &["revoke", "telegram", "666"])
            .expect_code(1)
            .stdout,
        ""
    );
    let sent = world.telegram.sent_to(STRANGER).len();
    world.telegram.inject(STRANGER, STRANGER, "once more");
    let replies = world.telegram.wait_for_replies_to(STRANGER, sent + 1);
    assert!(
        replies[sent].text.contains("I do not know you yet"),
        "{}",
        replies[sent].text
    );
    gateway.stop().expect_code(0);
    assert_eq!(world.model.asked().len(), 2);
}

#[test]
fn a_code_outlives_a_kill_and_is_taken_without_a_gateway() {
    let world = world();
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "hello");
    let code = code(&world, STRANGER);
    gateway.kill();
    assert_eq!(list(&world)["pending"][0]["code"], code.as_str());
    let refused = pairing(&world, &["approve", "AAAAAAAA"]);
    assert!(
        refused
            .expect_code(1)
            .stderr
            .contains("nobody has the code `AAAAAAAA`")
    );
    let approved = pairing(&world, &["approve", &code, "--json"]);
    let answer: Value = serde_json::from_str(&approved.expect_code(0).stdout).unwrap();
    assert_eq!(answer["who"]["id"], "666");
    let gateway = world.start();
    world.telegram.wait("the word that they may write", |ledger| {
        let told = |sent: &&miniclaw_tests::fake_telegram::Sent| sent.text == "You may write now.";
        ledger.sent.iter().find(told).map(drop)
    });
    world.telegram.inject(STRANGER, STRANGER, "hi");
    world.telegram.wait("an answer", |ledger| {
        let answer = |sent: &&miniclaw_tests::fake_telegram::Sent| sent.text == "re: hi [n=1]";
        ledger.sent.iter().find(answer).map(drop)
    });
    gateway.stop().expect_code(0);
}

#[test]
fn who_was_let_in_still_may_write_where_a_backup_was_restored() {
    let world = world();
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "hello");
    pairing(&world, &["approve", &code(&world, STRANGER)]).expect_code(0);
    let file = world.home.root().join("backup");
    let file = file.to_str().unwrap();
    let made = Command::new(&world.home, &["backup", file]).run();
    let told = &made.expect_code(0).stdout;
    assert!(
        told.contains("who was let in by pairing") && told.contains("without the configuration"),
        "{told}"
    );
    gateway.kill();
    std::fs::remove_dir_all(world.home.miniclaw().join("state")).unwrap();
    let restored = Command::new(&world.home, &["restore", file, "--force"]).run();
    let told = &restored.expect_code(0).stdout;
    assert!(told.contains("who was let in by pairing"), "{told}");
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "hi");
    world.telegram.wait("an answer", |ledger| {
        let answer = |sent: &&miniclaw_tests::fake_telegram::Sent| sent.text == "re: hi [n=1]";
        ledger.sent.iter().find(answer).map(drop)
    });
    gateway.stop().expect_code(0);
}

#[test]
fn who_was_denied_and_who_is_one_too_many_hears_nothing() {
    let world = world();
    let gateway = world.start();
    for stranger in [601, 602, 603] {
        world.telegram.inject(stranger, stranger, "hello");
        code(&world, stranger);
    }
    world.telegram.inject(604, 604, "hello");
    let denied = pairing(&world, &["deny", &code(&world, 601)]);
    assert_eq!(
        denied.expect_code(0).stdout,
        "601 (User 601) on telegram was denied"
    );
    world.telegram.inject(601, 601, "why?");
    // There is room again.
    world.telegram.inject(605, 605, "hello");
    code(&world, 605);
    let listed = list(&world);
    assert!(listed["denied"]["telegram"]["601"].is_object(), "{listed}");
    gateway.stop().expect_code(0);
    assert!(world.telegram.sent_to(604).is_empty());
    assert_eq!(world.telegram.sent_to(601).len(), 1);
    assert!(world.model.asked().is_empty());
}

#[test]
fn nobody_in_a_group_and_nobody_where_pairing_is_off_gets_a_code() {
    let world = World::in_groups(&[-100]);
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "hello");
    assert_eq!(world.say(7, "hi", 1), "re: hi [n=1]");
    let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER])
        .with("/channels/telegram/pairing", json!(true))
        .with("/channels/telegram/groups", json!({ "allow": [-100] }));
    world.home.write_config(&config.text());
    gateway.hang_up();
    gateway.wait_for_line("Configuration reloaded");
    world.telegram.inject(-100, 667, "hello");
    world.telegram.inject(668, 668, "hello");
    code(&world, 668);
    gateway.stop().expect_code(0);
    assert!(world.telegram.sent_to(STRANGER).is_empty());
    assert!(world.telegram.sent_to(-100).is_empty());
    assert_eq!(world.telegram.ledger().sent.len(), 2);
}

#[test]
fn a_damaged_list_of_those_who_were_let_in_stops_the_start() {
    let world = world();
    world.start().stop().expect_code(0);
    let path = world.home.miniclaw().join("state/pairing.json");
    std::fs::write(&path, "{").unwrap();
    let refused = Command::new(&world.home, &["gateway"]).start().wait();
    assert!(
        refused.expect_code(1).stderr.contains("pairing.json is damaged"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{");
}

#[test]
fn strangers_and_others_in_one_batch_get_one_code_each_and_their_answers() {
    let world = World::with(|config| config.with("/channels/telegram/pairing", json!(true)));
    let from = miniclaw_tests::fake_telegram::Injection::text;
    let messages = [
        from(STRANGER, STRANGER, "hello"),
        from(7, USER, "first"),
        from(STRANGER, STRANGER, "anybody there?"),
        from(667, 667, "hello"),
        from(STRANGER, STRANGER, "well"),
        from(7, USER, "second"),
    ];
    // All of them come with the first poll.
    world.telegram.inject_all(&messages);
    let gateway = world.start();
    let replies = world.telegram.wait_for_replies_to(7, 2);
    assert_eq!(
        crate::setup::texts(&replies),
        ["re: first [n=1]", "re: second [n=3]"]
    );
    let codes = [STRANGER, 667].map(|stranger| code(&world, stranger));
    assert_ne!(codes[0], codes[1]);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 4);
    assert_eq!(world.telegram.unconfirmed(), 0);
}

#[test]
fn nobody_is_told_that_they_may_write_where_pairing_is_off_by_then() {
    let world = world();
    let gateway = world.start();
    world.telegram.inject(STRANGER, STRANGER, "hello");
    let code = code(&world, STRANGER);
    let set = |on: bool, times: usize| {
        let config = miniclaw_tests::ConfigFile::standard(&world.telegram, &world.model, &[USER]);
        let config = config.with("/channels/telegram/pairing", json!(on));
        world.home.write_config(&config.text());
        gateway.hang_up();
        miniclaw_tests::until("the reload", || {
            gateway.lines_with("Configuration reloaded").len() == times
        });
    };
    set(false, 1);
    let refused = pairing(&world, &["approve", &code.to_lowercase()]);
    let error = &refused.expect_code(1).stderr;
    assert!(
        error.contains("pairing is off on `telegram`")
            && error.contains("set `channels.telegram.pairing` to true"),
        "{error}"
    );
    assert_eq!(list(&world)["off"], json!(["telegram"]));
    let listed = pairing(&world, &["list"]).stdout;
    assert!(
        listed.contains(&code) && listed.contains("pairing is off on telegram"),
        "{listed}"
    );
    set(true, 2);
    assert_eq!(list(&world)["off"], json!([]));
    pairing(&world, &["approve", &code]).expect_code(0);
    let told = world.telegram.wait_for_replies_to(STRANGER, 2);
    assert_eq!(told[1].text, "You may write now.");
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 2);
}

#[test]
fn codes_that_cannot_be_written_are_told_of_once_and_so_is_that_they_can_again() {
    let world = world();
    let gateway = world.start();
    // Works as root too: no file can be made where a folder is.
    let blocked = world.home.miniclaw().join("state/pairing.json.tmp");
    std::fs::create_dir(&blocked).unwrap();
    for stranger in [601, 602, 603] {
        world.telegram.inject(stranger, stranger, "hello");
    }
    gateway.wait_for_line("Strangers get no code");
    miniclaw_tests::until("everything to be taken", || world.telegram.unconfirmed() == 0);
    std::fs::remove_dir(&blocked).unwrap();
    world.telegram.inject(STRANGER, STRANGER, "hello");
    code(&world, STRANGER);
    gateway.wait_for_line("Strangers get codes again");
    assert_eq!(gateway.lines_with("no code").len(), 1);
    gateway.stop().expect_code(0);
    assert_eq!(world.telegram.ledger().sent.len(), 1);
}
