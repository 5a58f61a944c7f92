use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn without_anything_the_defaults_hold() {
    let home = Home::new();
    let loaded = home.load();
    let config = &loaded.config;
    assert_eq!(loaded.file, None);
    assert_eq!(loaded.path, home.path("config.json"));
    assert_eq!(config.workspace, home.path("workspace"));
    assert_eq!(config.provider, "echo");
    assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["echo"]);
    assert_eq!(config.providers["echo"].plugin, "echo");
    assert!(config.channels.is_empty() && config.routes.is_empty() && config.plugin_paths.is_empty());
    assert_eq!(config.gateway.shutdown_timeout, Duration::from_secs(10));
    assert_eq!(config.gateway.max_concurrent_turns, 64);
    assert_eq!(config.gateway.max_pending, 10_000);
    assert_eq!(config.gateway.max_pending_per_conversation, 200);
    assert_eq!(config.gateway.max_message_bytes, 256 << 10);
    assert_eq!(config.gateway.max_message_age, None);
    assert_eq!(config.sessions.history, 50);
    assert_eq!(config.sessions.checkpoint_interval, Duration::from_secs(30));
    assert_eq!(config.sessions.idle_ttl, Duration::from_secs(30 * 86_400));
    assert_eq!(config.sessions.cache, 1_000);
    assert_eq!(config.agent.retries, 3);
    assert_eq!(config.agent.turn_timeout, Duration::from_secs(300));
    assert_eq!(config.agent.first_chunk_timeout, Duration::from_secs(60));
    assert_eq!(config.agent.idle_timeout, Duration::from_secs(30));
    assert_eq!(config.agent.max_reply_bytes, 256 << 10);
    assert_eq!(config.delivery.max_age, Duration::from_secs(86_400));
    assert_eq!(config.delivery.on_unknown, OnUnknown::Resend);
    assert_eq!(config.delivery.max_concurrent_sends, 32);
    assert_eq!(
        (config.log.level.as_str(), config.log.format),
        ("info", LogFormat::Text)
    );
}

#[test]
fn the_short_form_becomes_a_telegram_channel_and_a_provider() {
    let home = Home::with(
        r#"{"$schema": "x", "x-note": [], "telegram_token": "12345:secret", "allow_from": [123456789, "42"],
            "provider": "ollama", "model": "llama3.2:1b", "workspace_path": "ws",
            "channels": {"telegram": {"x-n": 1, "settings": {"api_url": "http://127.0.0.1:8081"}},
                         "other": {"plugin": "telegram"}, "third": {"plugin": "telegram", "allow_from": []},
                         "irc": {}}}"#,
    );
    let loaded = home.load();
    let config = &loaded.config;
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let telegram = &config.channels["telegram"];
    assert_eq!(telegram.plugin, "telegram");
    assert_eq!(telegram.allow_from, ["123456789", "42"]);
    assert_eq!(telegram.settings.0["token"], "12345:secret");
    assert_eq!(telegram.settings.0["api_url"], "http://127.0.0.1:8081");
    assert_eq!(config.channels["other"].allow_from, ["123456789", "42"]);
    assert!(config.channels["third"].allow_from.is_empty());
    assert_eq!(config.channels["irc"].plugin, "irc");
    assert!(config.channels["irc"].allow_from.is_empty());
    assert_eq!(
        (config.provider.as_str(), config.model.as_deref()),
        ("ollama", Some("llama3.2:1b"))
    );
    assert_eq!(config.providers["ollama"].plugin, "ollama");
    assert_eq!(config.workspace, home.path("ws"));
    assert_eq!(config.secrets, ["12345:secret"]);
    assert!(!format!("{loaded:?}").contains("secret\""));
}

#[test]
fn the_one_provider_is_the_default_and_routes_bring_built_in_ones() {
    let home = Home::with(
        r#"{"channels": {"a": {}}, "providers": {"cloud": {"plugin": "openai"}},
            "routes": [{"channel": "a", "chat": -100, "fallback": ["ollama", "echo"]}, {"channel": "console", "model": "m"}]}"#,
    );
    let config = home.load().config;
    assert_eq!(config.provider, "cloud");
    assert_eq!(
        config.providers.keys().collect::<Vec<_>>(),
        ["cloud", "echo", "ollama"]
    );
    assert_eq!(config.routes[0].chat.as_deref(), Some("-100"));
    assert_eq!(config.routes[0].fallback, ["ollama", "echo"]);
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let home = Home::with(
        r#"{"allow_from": [1], "channels": {"irc": {}}, "routes": [{"model": "a"}, {"chat": 1, "model": "b"}]}"#,
    )
    .env("MINICLAW_PLUGIN", "/x");
    let warnings: Vec<_> = home.load().warnings.iter().map(|line| home.strip(line)).collect();
    assert_eq!(
        warnings,
        [
            "env MINICLAW_PLUGIN: not known and ignored; did you mean `MINICLAW_PLUGINS`? allowed: \
             `MINICLAW_CONFIG`, `MINICLAW_HOME`, `MINICLAW_LOG`, `MINICLAW_PLUGINS`",
            "config.json:1:16: key `allow_from`: no channel takes it: it counts for Telegram channels without a list \
             of their own",
            "config.json:1:73: key `routes`: nothing gets here, `routes[0]` matches every message",
        ]
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = r#"{"model": "file", "gateway": {"max_pending": 1, "max_concurrent_turns": 2}}"#;
    let home = Home::with(text);
    assert_eq!(home.origin("model"), r#""file" # config.json:1:11"#);
    let home = home
        .env("MINICLAW__MODEL", "7b")
        .env("MINICLAW__GATEWAY__MAX_PENDING", "5");
    assert_eq!(home.origin("model"), r#""7b" # env MINICLAW__MODEL"#);
    assert_eq!(
        home.origin("gateway.max_pending"),
        "5 # env MINICLAW__GATEWAY__MAX_PENDING"
    );
    assert_eq!(
        home.origin("gateway.max_concurrent_turns"),
        "2 # config.json:1:73"
    );
    assert_eq!(home.origin("gateway.shutdown_timeout"), r#""10s" # default"#);
    let home = home
        .flag("model", "flag", "--model")
        .flag("plugins.paths", json!(["/a", "/b"]), "--plugins");
    assert_eq!(home.origin("model"), r#""flag" # --model"#);
    assert_eq!(
        home.load().config.plugin_paths,
        [Path::new("/a"), Path::new("/b")]
    );
    assert_eq!(
        home.flag("gateway.shutdown_timeout", "1 minute", "--shutdown-timeout")
            .refusal(),
        "--shutdown-timeout: key `gateway.shutdown_timeout`: expected a duration such as `250ms`, `10s`, `5m`, `24h` \
         or `30d`, found `1 minute`"
    );
}

#[test]
fn the_environment_sets_any_key() {
    let home = Home::new()
        .env("TELEGRAM_BOT_TOKEN", "123:abcdef")
        .env("MINICLAW_PLUGINS", "/a::b")
        .env("MINICLAW_LOG", "debug")
        .env("RUST_LOG", "trace")
        .env("MINICLAW__ALLOW_FROM", "[1, 2]")
        .env("MINICLAW__CHANNELS__SUPPORT", r#"{"plugin": "telegram"}"#)
        .env("MINICLAW__CHANNELS__SUPPORT__SETTINGS__TOKEN", "12345678")
        .env("MINICLAW__CHANNELS__SUPPORT__SETTINGS__POLL", "25")
        .env("MINICLAW__CHANNELS__SUPPORT__SETTINGS__API_URL", "http://x")
        .env("MINICLAW__GATEWAY__MAX_MESSAGE_BYTES", "1KiB")
        .env("MINICLAW__AGENT__SYSTEM_PROMPT", "\"quoted\"");
    let config = home.load().config;
    let support = &config.channels["support"].settings.0;
    assert_eq!(
        json!(support),
        json!({"token": "12345678", "poll": 25, "api_url": "http://x"})
    );
    assert_eq!(config.channels["telegram"].allow_from, ["1", "2"]);
    assert_eq!(config.channels["telegram"].settings.0["token"], "123:abcdef");
    assert_eq!(config.plugin_paths, [PathBuf::from("/a"), PathBuf::from("b")]);
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.gateway.max_message_bytes, 1024);
    assert_eq!(config.agent.system_prompt, "quoted");
    assert_eq!(config.secrets, ["12345678", "123:abcdef"]);
    assert_eq!(
        home.origin("channels.telegram.settings.token"),
        r#""[redacted]" # env TELEGRAM_BOT_TOKEN"#
    );
}

#[test]
fn an_environment_token_wins_over_the_file_in_either_form() {
    for text in [
        r#"{"telegram_token": "from-file"}"#,
        r#"{"channels": {"telegram": {"settings": {"token": "from-file"}}}}"#,
    ] {
        let home = Home::with(text);
        assert_eq!(
            home.load().config.channels["telegram"].settings.0["token"],
            "from-file"
        );
        let home = home.env("TELEGRAM_BOT_TOKEN", "from-env");
        assert_eq!(
            home.load().config.channels["telegram"].settings.0["token"],
            "from-env"
        );
    }
    let home = Home::with(r#"{"telegram_token": "from-file"}"#)
        .env("MINICLAW__CHANNELS__TELEGRAM__SETTINGS__TOKEN", "from-env");
    assert_eq!(
        home.load().config.channels["telegram"].settings.0["token"],
        "from-env"
    );
}

#[test]
fn empty_variables_count_as_unset() {
    let home = Home::new()
        .env("TELEGRAM_BOT_TOKEN", "")
        .env("TELEGRAM_BOT_TOKEN_FILE", "")
        .env("MINICLAW_CONFIG", "")
        .env("MINICLAW_LOG", "")
        .env("RUST_LOG", "warn")
        .env("MINICLAW__MODEL", "");
    let loaded = home.load();
    assert!(loaded.config.channels.is_empty());
    assert_eq!(loaded.config.model, None);
    assert_eq!(home.origin("log.level"), r#""warn" # env RUST_LOG"#);
}

#[test]
fn wrong_variables_are_named() {
    let mut home = Home::new()
        .env("MINICLAW__GATEWAY__MAXPENDING", "5")
        .env("MINICLAW__MODEL__NAME", "5")
        .env("MINICLAW__CHANNELS__A____B", "5")
        .env("MINICLAW__ALLOW_FROM", "[1,")
        .env("MINICLAW__SESSIONS", r#"{"history": 1, "history": 2}"#)
        .env("MINICLAW__LOG__LEVEL", "debug")
        .env("MINICLAW_LOG", "info");
    home.sources.env.insert(
        "MINICLAW__AGENT__SYSTEM_PROMPT".into(),
        OsString::from_vec(vec![0xff]),
    );
    assert_eq!(
        home.refusal(),
        "env MINICLAW__AGENT__SYSTEM_PROMPT: key `agent.system_prompt`: the value is not UTF-8\n\
         env MINICLAW__ALLOW_FROM: key `allow_from`: the text ends where a value is expected\n\
         env MINICLAW__CHANNELS__A____B: key `channels.a..b`: unknown key; allowed: `admins`, `allow_from`, \
         `debounce_ms`, `groups`, `isolation`, `limits`, `pairing`, `plugin`, `sandbox`, `settings`, `streaming`\n\
         env MINICLAW__GATEWAY__MAXPENDING: key `gateway.maxpending`: unknown key; did you mean `max_pending`? \
         allowed: `max_concurrent_turns`, `max_crashes`, `max_message_age`, `max_message_bytes`, `max_pending`, \
         `max_pending_per_conversation`, `restart_backoff`, `shutdown_timeout`, `warn_pending_after`\n\
         env MINICLAW__LOG__LEVEL: key `log.level`: given twice; `log.level` at env MINICLAW_LOG means the same, keep \
         one of them\n\
         env MINICLAW__MODEL__NAME: key `model.name`: unknown key; none is allowed here\n\
         env MINICLAW__SESSIONS: key `sessions.history`: given twice; the other place is env MINICLAW__SESSIONS"
    );
}

#[test]
fn relative_paths_start_at_the_file_or_where_the_process_runs() {
    let home = Home::with(r#"{"workspace_path": "~/ws", "plugins": {"paths": ["p", "/abs"]}}"#);
    assert_eq!(
        home.refusal(),
        "config.json:1:20: key `workspace_path`: `~/` leads nowhere, because HOME is not set; set it, or write the \
         whole path"
    );
    let home = home.env("HOME", "/home/u");
    let config = home.load().config;
    assert_eq!(config.workspace, Path::new("/home/u/ws"));
    assert_eq!(config.plugin_paths, [home.path("p"), "/abs".into()]);
    let config = home.flag("workspace_path", "here", "--workspace").load().config;
    assert_eq!(config.workspace, Path::new("here"));
}

#[test]
fn a_list_in_the_environment_may_be_written_with_commas() {
    for text in ["42,43", " 42 , 43,", "[42, \"43\"]"] {
        let home = Home::new()
            .env("TELEGRAM_BOT_TOKEN", "123:abcdef")
            .env("MINICLAW__ALLOW_FROM", text);
        let loaded = home.load();
        assert_eq!(
            loaded.config.channels["telegram"].allow_from,
            ["42", "43"],
            "{text}"
        );
    }
}

#[test]
fn a_channel_says_who_may_speak_where_and_who_may_change_settings() {
    let home = Home::with(
        r#"{"channels": {"a": {"plugin": "telegram", "allow_from": [1, "2"], "admins": [2, 3], "pairing": false,
              "groups": {"allow": [-100, "-200"]}},
            "b": {"plugin": "telegram", "pairing": true, "admins": [9], "groups": {"require_mention": false}}, "c": {}}}"#,
    )
    .env("MINICLAW__CHANNELS__C__PAIRING", "true")
    .env("MINICLAW__CHANNELS__C__GROUPS__ALLOW", "5,6");
    let loaded = home.load();
    let channels = &loaded.config.channels;
    let groups = |name: &str| {
        channels[name]
            .groups
            .clone()
            .map(|g| (g.allow, g.require_mention))
    };
    let of = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(groups("a"), Some((of(&["-100", "-200"]), true)));
    assert_eq!(groups("b"), Some((of(&[]), false)));
    assert_eq!(groups("c"), Some((of(&["5", "6"]), true)));
    assert_eq!(channels["a"].admins, Some(of(&["2", "3"])));
    assert_eq!(
        (channels["c"].admins.clone(), channels["c"].pairing),
        (None, true)
    );
    assert!(channels["b"].pairing && !channels["a"].pairing);
    let warnings: Vec<_> = loaded.warnings.iter().map(|line| home.strip(line)).collect();
    let powerless =
        "config.json:1:81: key `channels.a.admins[1]`: `3` is not in `allow_from`, and may not write";
    assert_eq!(warnings, [powerless]);
    assert_eq!(home.origin("channels.a.groups.require_mention"), "true # default");
    for (text, line) in [
        (
            r#"{"channels": {"telegram": {"groups": {"allow": ["@g"]}}}}"#,
            "config.json:1:49: key `channels.telegram.groups.allow[0]`: `@g` is a user name, and names change hands; \
             give the numeric id",
        ),
        (
            r#"{"channels": {"telegram": {"groups": {"allow": ["g"]}}}}"#,
            "config.json:1:49: key `channels.telegram.groups.allow[0]`: `g` is not an id; Telegram's ids are whole \
             numbers such as 123456789",
        ),
        (
            r#"{"channels": {"a": {"pairing": "yes"}}}"#,
            "config.json:1:32: key `channels.a.pairing`: expected true or false, found text",
        ),
    ] {
        assert_eq!(refusal(text), line);
    }
}

#[test]
fn what_can_match_nothing_is_a_warning() {
    let home = Home::with(
        r#"{"channels": {"telegram": {"allow_from": [1], "admins": [], "groups": {"allow": [-1, 7, "8"]}}},
  "routes": [{"command": "/draw", "model": "a"}, {"command": "draw a", "model": "a"},
    {"command": "a/b", "model": "a"}, {"command": "/New", "model": "a"}]}"#,
    );
    let warnings = home.strip(&home.load().warnings.join("\n"));
    let lines: Vec<&str> = warnings.lines().collect();
    assert_eq!(lines.len(), 6, "{warnings}");
    for (line, words) in lines.iter().zip([
        "key `routes[1].command`: `draw a`: no command has such a name",
        "config.json:3:17: key `routes[2].command`: `a/b`: no command has such a name",
        "key `routes[3].command`: `/New`: the gateway answers this command itself",
        "key `channels.telegram.admins`: nobody may use commands that change settings",
        "key `channels.telegram.groups.allow[1]`: 7 is the id of a person",
        "key `channels.telegram.groups.allow[2]`: 8 is the id of a person",
    ]) {
        assert!(line.contains(words), "{words} in {line}");
    }
}
