use miniclaw_plugin_api::{Capability, Kind};

use super::*;

const SCHEMA: &str = r##"{
    "type": "object", "additionalProperties": false, "required": ["token"],
    "properties": {
        "token": { "type": "string", "minLength": 3 },
        "poll": { "type": ["integer", "null"], "minimum": 1 },
        "proxy": { "$ref": "#/$defs/proxy" },
        "limits": { "type": "object", "additionalProperties": false, "properties": { "rate": { "type": "integer" } } },
        "mode": { "enum": ["fast", "slow"] }
    },
    "$defs": { "proxy": { "type": "object", "additionalProperties": false, "properties": { "url": { "type": "string" } } } }
}"##;

fn known() -> Vec<KnownPlugin> {
    [
        (Kind::Channel, "telegram", SCHEMA),
        (Kind::Provider, "echo", "{}"),
        (Kind::Provider, "bad", "{"),
    ]
    .map(|(kind, name, schema)| KnownPlugin {
        kind,
        name: name.into(),
        schema: schema.into(),
        capabilities: 0,
    })
    .into()
}

fn verdict(text: &str) -> String {
    let home = Home::with(text);
    match home.load().check_plugins(&known()) {
        Ok(()) => "fine".into(),
        Err(errors) => home.strip(&errors.to_string()),
    }
}

#[test]
fn settings_are_held_against_the_schema_of_the_plugin() {
    assert_eq!(
        verdict(r#"{"telegram_token": "1:a", "channels": {"telegram": {"settings": {"poll": 5}}}}"#),
        "fine"
    );
    assert_eq!(
        verdict(
            r#"{"channels": {"telegram": {"settings": {
  "pol": 1, "token": "no", "poll": "x", "limits": {"rat": 1}, "proxy": {"urll": 1}, "mode": "hunter2"}}}}"#
        ),
        "config.json:2:3: key `channels.telegram.settings.pol`: unknown key; did you mean `poll`? allowed: `limits`, \
         `mode`, `poll`, `proxy`, `token`\n\
         config.json:2:22: key `channels.telegram.settings.token`: the value has fewer than 3 characters\n\
         config.json:2:36: key `channels.telegram.settings.poll`: expected a whole number or null, found text\n\
         config.json:2:52: key `channels.telegram.settings.limits.rat`: unknown key; did you mean `rate`? allowed: \
         `rate`\n\
         config.json:2:73: key `channels.telegram.settings.proxy.urll`: unknown key; did you mean `url`? allowed: \
         `url`\n\
         config.json:2:93: key `channels.telegram.settings.mode`: the value is not one of \"fast\" or \"slow\""
    );
}

#[test]
fn a_key_of_the_gateway_among_the_settings_is_told_where_it_belongs() {
    let text =
        r#"{"channels": {"telegram": {"settings": {"token": "1:2", "streaming": "edit", "stream": 1}}}}"#;
    let told = verdict(text);
    let misplaced = "key `channels.telegram.settings.streaming`: the plugin has no such setting; it is a key of the \
                     gateway's: `channels.telegram.streaming`";
    assert!(told.contains(misplaced), "{told}");
    assert!(
        told.contains("key `channels.telegram.settings.stream`: unknown key"),
        "{told}"
    );
}

#[test]
fn a_missing_setting_is_told_where_the_settings_are_or_would_be() {
    assert_eq!(
        verdict(r#"{"channels": {"telegram": {"settings": {}}}}"#),
        "config.json:1:40: key `channels.telegram.settings.token`: required, but missing"
    );
    assert_eq!(
        verdict(r#"{"channels": {"telegram": {}}}"#),
        "config.json:1:27: key `channels.telegram.settings.token`: required, but missing"
    );
}

#[test]
fn unknown_plugins_and_those_of_the_other_kind_are_refused() {
    assert_eq!(
        verdict(
            r#"{"provider": "echo", "channels": {"a": {"plugin": "telegrm"}, "echo": {}}, "providers": {"p": {"plugin": "telegram"}}}"#
        ),
        "config.json:1:51: key `channels.a.plugin`: plugin `telegrm` is not known; did you mean `telegram`? allowed: \
         `telegram`\n\
         config.json:1:71: key `channels.echo.plugin`: plugin `echo` is a provider, where a channel is needed\n\
         config.json:1:106: key `providers.p.plugin`: plugin `telegram` is a channel, where a provider is needed"
    );
}

#[test]
fn a_schema_that_cannot_be_used_names_its_plugin() {
    assert!(
        verdict(r#"{"providers": {"bad": {"settings": {}}}}"#).starts_with(
            "config.json:1:36: key `providers.bad.settings`: plugin `bad` has a schema that cannot be used: "
        )
    );
}

#[test]
fn a_missing_plugin_folder_is_named_with_its_place() {
    let home = Home::with(r#"{"plugins": {"paths": [".", "none", "config.json"]}}"#);
    assert_eq!(
        home.strip(&home.load().check_plugin_folders().unwrap_err().to_string()),
        "config.json:1:29: key `plugins.paths[1]`: the folder $HOME/none does not exist; create it, or leave it out\n\
         config.json:1:37: key `plugins.paths[2]`: the folder $HOME/config.json is a file; create it, or leave it out"
    );
    let home = home.flag("plugins.paths", serde_json::json!(["/"]), "--plugins");
    assert!(home.load().check_plugin_folders().is_ok());
}

#[test]
fn what_libraries_are_trusted_is_read_from_every_source() {
    let line = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let digest = "AB".repeat(32);
    let text = format!(
        r#"{{"plugins": {{"signatures": "require", "trusted_keys": ["{line}", "own.pub"], "pins": {{"x-irc": "{digest}"}}}}}}"#
    );
    let home = Home::with(&text);
    let trust = home.load().config.trust;
    assert_eq!(trust.signatures, Signatures::Require);
    assert_eq!(trust.trusted_keys[0], KeySource::Line(line.into()));
    assert_eq!(trust.trusted_keys[1], KeySource::File(home.path("own.pub")));
    assert_eq!(trust.pins["x-irc"], digest.to_lowercase());

    let home = Home::with("{}")
        .env("MINICLAW__PLUGINS__TRUSTED_KEYS", "a.pub,b.pub")
        .env("MINICLAW__PLUGINS__SIGNATURES", "warn")
        .env("MINICLAW__PLUGINS__PINS__IRC", &"7".repeat(64));
    let trust = home.load().config.trust;
    assert_eq!(
        (trust.signatures, trust.trusted_keys.len()),
        (Signatures::Warn, 2)
    );
    assert_eq!(trust.pins["irc"], "7".repeat(64));
}

#[test]
fn a_pin_or_a_mode_that_would_not_count_is_refused() {
    let home = Home::with(
        r#"{"plugins": {"signatures": "on", "trusted_keys": [""], "pins": {"irc": "abc", "Irc": "", "m": 1}}}"#,
    );
    let errors = load(&home.sources).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 6, "{errors}");
    for (line, words) in lines.iter().zip([
        "key `plugins.signatures`: `on` is not allowed; allowed: `off`, `require`, `warn`",
        "key `plugins.trusted_keys[0]`: expected text that is not empty",
        "key `plugins.pins.irc`: expected a SHA-256: 64 hexadecimal digits",
        "key `plugins.pins.Irc`: no plugin has the name `Irc`",
        "key `plugins.pins.Irc`: expected a SHA-256",
        "key `plugins.pins.m`: expected a SHA-256",
    ]) {
        assert!(line.contains(words), "{words} in {line}");
    }
}

#[test]
fn a_key_that_is_none_is_named_with_its_place() {
    let home = Home::with(r#"{"plugins": {"trusted_keys": ["a.pub", "b.pub"]}}"#);
    let read = |key: &KeySource| match key {
        KeySource::File(path) if path.ends_with("b.pub") => Err("it is no key".to_owned()),
        _ => Ok(()),
    };
    assert_eq!(
        home.strip(&home.load().check_trusted_keys(read).unwrap_err().to_string()),
        "config.json:1:40: key `plugins.trusted_keys[1]`: it is no key"
    );
}

#[test]
fn the_folder_in_the_home_is_searched_last_and_where_it_exists() {
    let home = Home::with(r#"{"plugins": {"paths": ["a"]}}"#);
    assert_eq!(home.load().config.plugin_folders(), [home.path("a")]);
    std::fs::create_dir(home.path("plugins")).unwrap();
    assert_eq!(
        home.load().config.plugin_folders(),
        [home.path("a"), home.path("plugins")]
    );
    let spelled_otherwise = home.path("./plugins");
    let home = home.flag(
        "plugins.paths",
        serde_json::json!([spelled_otherwise]),
        "--plugins",
    );
    assert_eq!(home.load().config.plugin_folders().len(), 1);
}

#[test]
fn what_a_plugin_cannot_do_is_a_warning() {
    let home = Home::with(
        r#"{"channels": {"telegram": {"streaming": "edit", "pairing": true, "settings": {"token": "1:2"}}}}"#,
    );
    let mut known = known();
    known[0].capabilities = Capability::Authenticates as u64;
    assert_eq!(
        home.strip(&home.load().doubts(&known).join("\n")),
        "config.json:1:41: key `channels.telegram.streaming`: plugin `telegram` cannot edit messages, so that answers \
         are sent when they are complete\n\
         config.json:1:60: key `channels.telegram.pairing`: plugin `telegram` establishes by itself who speaks, so that \
         nobody gets a code"
    );
    known[0].capabilities = Capability::Edit as u64;
    assert!(home.load().doubts(&known).is_empty());
}

#[test]
fn what_a_plugin_refuses_is_told_where_it_stands() {
    let home = Home::with(r#"{"channels": {"telegram": {"settings": {"proxy": {"url": "x"}}}}}"#);
    let told = |message| {
        let error = home.load().refused_by_plugin(Kind::Channel, "telegram", message);
        home.strip(&error.to_string())
    };
    assert_eq!(
        told("settings.proxy.url: it is odd: really"),
        "config.json:1:58: key `channels.telegram.settings.proxy.url`: it is odd: really"
    );
    assert_eq!(
        told("settings.webhook: give one"),
        "config.json:1:40: key `channels.telegram.settings.webhook`: give one"
    );
    assert_eq!(
        told("the system is odd"),
        "config.json:1:40: key `channels.telegram.settings`: the system is odd"
    );
}

#[test]
fn a_value_with_several_forms_is_held_against_the_one_that_was_meant() {
    let builtins = crate::plugins::builtin::all().into_iter();
    let known: Vec<KnownPlugin> = builtins
        .map(|plugin| KnownPlugin {
            kind: plugin.manifest.kind,
            name: plugin.manifest.name,
            schema: plugin.manifest.schema,
            capabilities: plugin.manifest.capabilities,
        })
        .collect();
    for (setting, told) in [
        (
            r#""mode": "hook""#,
            r#"settings.mode`: the value is not one of "poll" or "webhook""#,
        ),
        (
            r#""webhook": {"url": "https://a", "max_connections": 0}"#,
            "settings.webhook.max_connections`: the value is less than the minimum of 1",
        ),
        (
            r#""webhook": {"urll": 1, "url": "x"}"#,
            "settings.webhook.urll`: unknown key; did you mean `url`?",
        ),
        (
            r#""webhook": "x""#,
            "settings.webhook`: expected an object or null, found text",
        ),
    ] {
        let text =
            format!(r#"{{"channels": {{"telegram": {{"settings": {{"token": "1:2", {setting}}}}}}}}}"#);
        let errors = Home::with(&text)
            .load()
            .check_plugins(&known)
            .unwrap_err()
            .to_string();
        assert!(
            errors.contains(told) && errors.lines().count() == 1,
            "{told} in {errors}"
        );
    }
}
