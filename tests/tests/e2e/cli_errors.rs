//! What the command line refuses, each with its status and with what to do.

use miniclaw_tests::gateway::make_folder;
use miniclaw_tests::{Command, Home};

/// Arguments, the status, and what must stand in the error: what it is about, and what to do.
type Row = (&'static [&'static str], i32, &'static [&'static str]);

/// In a home without a configuration, where no gateway runs.
const WITHOUT_A_GATEWAY: &[Row] = &[
    (&["gatewya"], 2, &["gatewya", "similar", "'gateway'"]),
    (
        &["gateway", "--no-such"],
        2,
        &["--no-such", "Usage: miniclaw gateway"],
    ),
    (
        &["gateway", "--shutdown-timeout", "5"],
        2,
        &["--shutdown-timeout", "for example 500ms, 10s"],
    ),
    (
        &["gateway", "--log-format", "xml"],
        2,
        &["--log-format", "text, json"],
    ),
    (
        &["gateway", "--config", "/no/such"],
        78,
        &["/no/such", "create it", "leave `--config` out"],
    ),
    (
        &["gateway", "--plugins", "/no/such"],
        78,
        &["/no/such", "does not exist", "--plugins"],
    ),
    (
        &["status"],
        69,
        &["no gateway runs on", "`miniclaw gateway` starts one"],
    ),
    (
        &["send", "--channel", "t", "--to", "1", "hi"],
        69,
        &["nothing was sent", "`miniclaw gateway`"],
    ),
    (
        &["send", "--channel", "t", "--to", "1"],
        2,
        &["<TEXT>", "Usage: miniclaw send"],
    ),
    (
        &["send", "--channel", "t", "--to", "", "hi"],
        2,
        &["--to", "write what it is to be"],
    ),
    (
        &["sessions", "show", "a_1"],
        1,
        &["`a_1`", "`miniclaw sessions list`"],
    ),
    (
        &["sessions", "delete", "a_1"],
        1,
        &["`a_1`", "`miniclaw sessions list`"],
    ),
    (&["queue", "show", "99"], 1, &["99", "`miniclaw trace 99`"]),
    (&["queue", "retry"], 2, &["<ID>", "Usage: miniclaw queue retry"]),
    (&["queue", "list", "--limit", "0"], 2, &["--limit", "from 1 on"]),
    (&["trace", "99"], 1, &["99", "72 hours", "`miniclaw queue list`"]),
    (
        &["plugin", "info", "telegarm"],
        1,
        &["`telegarm`", "looked among", "did you mean `telegram`"],
    ),
    (
        &["plugin", "info", "/no/such.so"],
        1,
        &["/no/such.so", "check the path"],
    ),
    (
        &["plugin", "list", "--plugins", "/no/such"],
        78,
        &["/no/such", "create it"],
    ),
    (
        &["plugin", "install", "/no/such.so"],
        1,
        &["/no/such.so", "check the path"],
    ),
    (
        &["plugin", "remove", "nope"],
        1,
        &["`nope`", "`miniclaw plugin list`"],
    ),
    (
        &["plugin", "verify", "nope"],
        1,
        &["--key", "`plugins.trusted_keys`"],
    ),
    (
        &["plugin", "sign", "/no/such.so", "--secret-key", "k"],
        1,
        &["/no/such.so", "check the path"],
    ),
    (
        &["plugin", "keygen", "--out", "/no/such/k", "--no-password"],
        1,
        &["/no/such/k.key", "its folder"],
    ),
    (&["plugin", "reload", "telegram"], 69, &["no gateway runs"]),
    (&["plugin", "new", "A B"], 2, &["`A B`", "lowercase letters"]),
    (&["agent", "-m", ""], 2, &["--message", "write what it is to be"]),
    (
        &["agent", "-m", "hi", "--provider", "nope"],
        1,
        &["`nope`", "`openai`"],
    ),
    (&["models", "--provider", "nope"], 1, &["`nope`", "`openai`"]),
    (&["providers", "check", "nope"], 1, &["`nope`", "`openai`"]),
    (
        &["pairing", "approve", "XXXX"],
        1,
        &["`XXXX`", "`miniclaw pairing list`"],
    ),
    (
        &["pairing", "revoke", "telegram", "1"],
        1,
        &["telegram", "`miniclaw pairing list`"],
    ),
    (&["onboard"], 2, &["no terminal", "--yes"]),
    (
        &["onboard", "--yes", "--provider", "nope"],
        78,
        &["`provider`", "`openai`", "nothing was written"],
    ),
    (&["completions", "tcsh"], 2, &["tcsh", "bash, zsh, fish"]),
    (&["man", "--dir", "/proc/no"], 1, &["/proc/no"]),
    (
        &["service", "uninstall", "--user"],
        1,
        &["miniclaw.service", "there is no"],
    ),
];

/// Texts of the configuration, and what must stand in the error: file with line, key, what to do.
const CONFIGURATIONS: &[(&str, &[&str])] = &[
    ("", &["config.json: ", "write at least `{}`"]),
    ("{ \"provider\": }", &["config.json:1:15"]),
    (
        "{ \"gatewy\": {} }",
        &["config.json:1:3", "`gatewy`", "did you mean `gateway`"],
    ),
    (
        "{ \"gateway\": { \"max_pending\": \"many\" } }",
        &["config.json:1:31", "`gateway.max_pending`", "a whole number"],
    ),
    (
        "{ \"gateway\": { \"max_pending\": 0 } }",
        &["`gateway.max_pending`", "allowed is 1 to"],
    ),
    (
        "{ \"log\": { \"format\": \"xml\" } }",
        &["`log.format`", "`text`", "`json`"],
    ),
    (
        "{ \"provider\": \"opnai\" }",
        &["config.json:1:15", "`provider`", "did you mean `openai`"],
    ),
    ("{ \"channels\": { \"irc\": {} } }", &["`irc`"]),
    (
        "{ \"allow_from\": [\"*\"], \"telegram_token\": \"1:2\" }",
        &["allow_from", "list the ids"],
    ),
    (
        "{ \"telegram_token\": \"${file:/no/such}\" }",
        &["config.json:1:21", "/no/such"],
    ),
    (
        "{ \"telegram_token\": \"${env:NOT_SET_HERE}\" }",
        &["NOT_SET_HERE", "set it"],
    ),
    (
        "{ \"plugins\": { \"paths\": [\"/no/such\"] } }",
        &["`plugins.paths", "create it"],
    ),
];

#[test]
fn every_refusal_says_what_it_is_about_and_what_to_do() {
    for (arguments, status, words) in WITHOUT_A_GATEWAY {
        let home = Home::empty();
        make_folder(&home.miniclaw().join("state"));
        let finished = Command::new(&home, arguments).run();
        finished.expect_code(*status);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        for word in *words {
            assert!(
                finished.stderr.contains(word),
                "{arguments:?}: no `{word}` in {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn every_refusal_of_a_configuration_names_file_key_and_what_to_do() {
    for (text, words) in CONFIGURATIONS {
        let home = Home::empty();
        home.write_config(text);
        for command in [&["gateway"][..], &["config", "validate"]] {
            let finished = Command::new(&home, command).run();
            finished.expect_code(78);
            for word in *words {
                assert!(
                    finished.stderr.contains(word),
                    "{text}: no `{word}` in {}",
                    finished.stderr
                );
            }
        }
    }
}
