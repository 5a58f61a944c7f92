//! Commands as readers give them. `USER` stands for who may write, `CODE` for the code of somebody who asks to be let in,
//! `DEAD` for a dead letter.

/// Beside a running gateway, in order, with the exit status of each.
pub(super) const RUNNING: &[(&str, i32)] = &[
    ("miniclaw version", 0),
    ("miniclaw config validate", 0),
    ("miniclaw config show", 0),
    ("miniclaw config schema", 0),
    ("miniclaw agent -m hello", 0),
    ("miniclaw models", 0),
    ("miniclaw providers list", 0),
    ("miniclaw providers check", 0),
    ("miniclaw status", 0),
    ("miniclaw web", 0),
    ("miniclaw reload", 0),
    ("miniclaw doctor", 0),
    ("miniclaw completions bash", 0),
    ("miniclaw man", 0),
    ("miniclaw service install --print", 0),
    ("miniclaw service uninstall --user --print", 1),
    (
        "miniclaw onboard --yes --offline --webchat --home ~/work/fresh",
        0,
    ),
    ("miniclaw logs -n 5", 0),
    ("timeout --signal=INT 2 miniclaw tap", 124),
    ("miniclaw send --channel telegram --to USER 'a *text*'", 0),
    ("miniclaw sessions list", 0),
    ("miniclaw sessions show telegram_USER", 0),
    ("miniclaw trace 1", 0),
    ("miniclaw queue list", 0),
    ("miniclaw queue show DEAD", 0),
    ("miniclaw queue retry DEAD", 0),
    ("miniclaw queue drop DEAD", 0),
    ("miniclaw pairing list", 0),
    ("miniclaw pairing approve CODE", 0),
    ("miniclaw pairing revoke telegram 99", 0),
    ("miniclaw pairing deny CODE", 0),
    ("miniclaw plugin list --plugins ~/plugins", 0),
    ("miniclaw plugin info telegram", 0),
    (
        "miniclaw plugin install ~/plugins/libminiclaw_fixture_loopback.so",
        0,
    ),
    ("miniclaw plugin keygen --no-password --out own", 0),
    (
        "miniclaw plugin sign --secret-key own.key ~/.miniclaw/plugins/libminiclaw_fixture_loopback.so",
        0,
    ),
    ("miniclaw plugin verify loopback --key own.pub", 0),
    ("miniclaw plugin remove loopback", 0),
    ("miniclaw plugin disable telegram", 0),
    ("miniclaw plugin enable telegram", 0),
    ("miniclaw plugin reload telegram", 0),
    ("miniclaw backup backup.db", 0),
    ("miniclaw sessions delete telegram_USER", 0),
    ("miniclaw stop", 0),
];

/// When the gateway has ended.
pub(super) const STOPPED: &[(&str, i32)] = &[
    ("miniclaw restore --force backup.db", 0),
    ("miniclaw spool check", 0),
    ("miniclaw spool salvage --to salvaged", 0),
];

/// Executed by other tests, in these files.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("miniclaw plugin new", "docs/writing-a-plugin.md"),
    ("miniclaw plugin check", "docs/writing-a-plugin.md"),
    ("miniclaw plugin run", "docs/writing-a-plugin.md"),
];
