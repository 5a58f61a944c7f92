use serde_json::json;

use super::*;

#[test]
fn references_lead_to_variables_and_files_anywhere_in_settings() {
    let home = Home::with(
        r#"{"channels": {"a": {"settings": {
            "token": "${env:TOKEN}", "nested": {"list": ["${file:secret}", "plain ${x}"]}, "template": "${name}",
            "price": "$5", "max_tokens": 7
        }}}}"#,
    )
    .env("TOKEN", "from-env");
    home.write("secret", "from-file\r\n", 0o444);
    let loaded = home.load();
    assert_eq!(
        json!(loaded.config.channels["a"].settings.0),
        json!({
            "token": "from-env", "nested": {"list": ["from-file", "plain ${x}"]}, "template": "${name}",
            "price": "$5", "max_tokens": 7
        })
    );
    assert_eq!(loaded.config.secrets, ["from-env", "from-file"]);
    assert_eq!(
        loaded.effective.to_redacted()["channels"]["a"]["settings"],
        json!({
            "token": "[redacted]", "nested": {"list": ["[redacted]", "plain ${x}"]}, "template": "${name}",
            "price": "$5", "max_tokens": 7
        })
    );
}

#[test]
fn secrets_are_known_by_the_names_of_their_keys() {
    let names = [
        "token",
        "api_key",
        "secret",
        "password",
        "bot_token",
        "signing_key",
        "client_secret",
        "db_password",
        "API_KEY",
        "x-api-key",
        "authorization",
    ];
    for name in names {
        let text =
            format!(r#"{{"providers": {{"p": {{"settings": {{"a": {{"{name}": {{"b": "literal"}}}}}}}}}}}}"#);
        let loaded = Home::with(&text).load();
        assert_eq!(loaded.config.secrets, ["literal"], "{name}");
        assert!(
            !loaded.effective.to_redacted().to_string().contains("literal"),
            "{name}"
        );
    }
}

#[test]
fn references_that_lead_nowhere_name_key_and_target() {
    let home = Home::with(
        r#"{"telegram_token": "${env:UNSET}", "channels": {"a": {"settings": {
  "b": "${env:BLANK}", "c": "${file:/nonexistent/token}", "d": "Bearer ${env:T}", "token": "${T}",
  "e": "${file:blank}", "f": "${file:big}", "g": "${file:.}"}}}}"#,
    )
    .env("BLANK", "");
    home.write("blank", "\n", 0o600);
    home.write("big", vec![b'a'; (64 << 10) + 1], 0o600);
    let malformed =
        "a reference that cannot be followed; write `${env:NAME}` or `${file:/path}` and nothing else";
    assert_eq!(
        home.refusal(),
        format!(
            "config.json:1:20: key `channels.telegram.settings.token`: environment variable `UNSET` is not set; set \
             it, or correct the reference\n\
             config.json:2:8: key `channels.a.settings.b`: environment variable `BLANK` is empty; set it, or correct \
             the reference\n\
             config.json:2:29: key `channels.a.settings.c`: cannot read the secret from /nonexistent/token: no such \
             file or directory\n\
             config.json:2:64: key `channels.a.settings.d`: {malformed}\n\
             config.json:2:92: key `channels.a.settings.token`: {malformed}\n\
             config.json:3:8: key `channels.a.settings.e`: cannot read the secret from $HOME/blank: the file is empty\n\
             config.json:3:30: key `channels.a.settings.f`: cannot read the secret from $HOME/big: larger than 64 KiB\n\
             config.json:3:50: key `channels.a.settings.g`: cannot read the secret from $HOME/.: not a regular file"
        )
    );
}

#[test]
fn a_file_suffix_reads_the_secret_from_a_file() {
    let home = Home::new()
        .env("TELEGRAM_BOT_TOKEN_FILE", "$HOME/token")
        .env("MINICLAW__PROVIDERS__CLOUD__SETTINGS__API_KEY_FILE", "$HOME/key")
        .env("MINICLAW__PROVIDERS__CLOUD__SETTINGS__CA_FILE", "/etc/ca.pem");
    home.write("token", "12345:token\n", 0o400);
    home.write("key", "${env:literal}", 0o400);
    let config = home.load().config;
    assert_eq!(config.channels["telegram"].settings.0["token"], "12345:token");
    assert_eq!(
        json!(config.providers["cloud"].settings.0),
        json!({"api_key": "${env:literal}", "ca_file": "/etc/ca.pem"})
    );
    assert_eq!(config.secrets, ["${env:literal}", "12345:token"]);
    let home = home
        .env("TELEGRAM_BOT_TOKEN", "other")
        .env("MINICLAW__TELEGRAM_TOKEN_FILE", "$HOME/none");
    assert_eq!(
        home.refusal(),
        "env MINICLAW__TELEGRAM_TOKEN_FILE: key `telegram_token`: cannot read the secret from $HOME/none: no such \
         file or directory\n\
         env TELEGRAM_BOT_TOKEN_FILE: key `telegram_token`: given twice; `telegram_token` at env TELEGRAM_BOT_TOKEN \
         means the same, keep one of them"
    );
}

#[test]
fn a_password_in_an_address_is_shown_nowhere_and_scrubbed_from_the_log() {
    let home = Home::with(
        r#"{"providers": {"p": {"plugin": "openai", "settings": {
            "base_url": "http://u:sekretpw@h:1/v1", "extra": ["x", {"to": "http://tokentoken@h"}]}}}}"#,
    );
    let loaded = home.load();
    let shown: Vec<String> = loaded
        .values()
        .iter()
        .map(|value| value.value.to_string())
        .collect();
    let shown = shown.join("\n");
    assert!(shown.contains("http://[redacted]@h:1/v1"), "{shown}");
    assert!(
        !shown.contains("sekretpw") && !shown.contains("tokentoken"),
        "{shown}"
    );
    assert_eq!(
        loaded.config.providers["p"].settings.0["base_url"],
        "http://u:sekretpw@h:1/v1"
    );
    assert_eq!(loaded.config.secrets, ["sekretpw", "tokentoken", "u:sekretpw"]);
}

#[test]
fn one_bot_in_two_channels_is_refused_with_both_places() {
    let home = Home::with(
        r#"{"telegram_token": "${env:T}", "channels": {
  "b": {"plugin": "telegram", "settings": {"token": "${env:T2}"}},
  "c": {"plugin": "other", "settings": {"token": "${env:T}"}},
  "d": {"plugin": "telegram", "settings": {"token": "2:another"}}}}"#,
    )
    .env("T", "1:hidden-half")
    .env("T2", "1:hidden-half ");
    let told = home.refusal();
    assert_eq!(
        told,
        "config.json:1:20: key `channels.telegram.settings.token`: the same token as `channels.b.settings.token` at \
         config.json:2:53, so that every message would come in twice; give each channel a bot of its own"
    );
}
