use super::{Home, refusal};

#[test]
fn syntax_errors_name_line_and_column() {
    for (text, line) in [
        (
            "{",
            "config.json:1:2: the text ends where a key in double quotes is expected",
        ),
        (
            "[1, 2",
            "config.json:1:6: the text ends where `,` or `]` is expected",
        ),
        (
            "{\n  \"a\" 1}",
            "config.json:2:7: expected `:` after the key, found `1`",
        ),
        (
            "{\n  \"model\": \"a\",\n}",
            "config.json:3:1: a comma before `}`; remove the comma",
        ),
        (
            r#"{"allow_from": [1,]}"#,
            "config.json:1:19: a comma before `]`; remove the comma",
        ),
        (
            "{\"é\": \"ü\" \"b\"}",
            "config.json:1:11: expected `,` or `}`, found `\"`",
        ),
        (
            "{} x",
            "config.json:1:4: expected the end after the value, found `x`",
        ),
        (
            "{'model': 1}",
            "config.json:1:2: a single quote; keys and text need double quotes",
        ),
        (
            "{model: 1}",
            "config.json:1:2: expected a key in double quotes, found `m`",
        ),
        (
            "{\n // hello\n}",
            "config.json:2:2: a comment, which JSON does not have; remove it or use an `x-` key",
        ),
        (
            "{\"model\": llama}",
            "config.json:1:11: `llama` is not a value; text needs double quotes",
        ),
        (
            "{\"model\": 1.2.3}",
            "config.json:1:11: `1.2.3` is not a number; text needs double quotes",
        ),
        (
            "{\"model\": 012}",
            "config.json:1:11: `012` is not a number; text needs double quotes",
        ),
        ("{\"model\": \"a}", "config.json:1:11: this string has no end"),
        (
            "{\"model\": \"a\n\"}",
            "config.json:1:11: a string has no end on its line; for a line break in it write `\\n`",
        ),
        (
            "{\"model\": \"\u{1}\"}",
            "config.json:1:12: a control character in a string",
        ),
        (
            r#"{"model": "\ud800"}"#,
            "config.json:1:11: this string has an escape that JSON does not know",
        ),
    ] {
        assert_eq!(refusal(text), line, "{text}");
    }
    assert_eq!(
        refusal(&"[".repeat(100_000)),
        "config.json:1:130: nested deeper than 128 levels"
    );
}

#[test]
fn unknown_keys_come_with_the_nearest_and_all_that_are_allowed() {
    assert_eq!(
        refusal(r#"{"channels": {"support": {"setings": {}}}}"#),
        "config.json:1:27: key `channels.support.setings`: unknown key; did you mean `settings`? \
         allowed: `admins`, `allow_from`, `debounce_ms`, `groups`, `isolation`, `limits`, `pairing`, `plugin`, `sandbox`, `settings`, `streaming`"
    );
    assert_eq!(
        refusal(r#"{"log": {"colour": true}}"#),
        "config.json:1:10: key `log.colour`: unknown key; allowed: `format`, `level`"
    );
    assert_eq!(
        refusal(r#"{"routes": [{"model": "a", "modell": 1}]}"#),
        "config.json:1:28: key `routes[0].modell`: unknown key; did you mean `model`? \
         allowed: `channel`, `chat`, `command`, `fallback`, `model`, `provider`"
    );
}

#[test]
fn all_errors_are_told_together_in_the_order_of_the_file() {
    let text = "{\n  \"modle\": 1,\n  \"log\": {\"level\": 3},\n  \"log\": {\"format\": \"jsn\"}\n}";
    assert_eq!(
        refusal(text),
        "config.json:2:3: key `modle`: unknown key; did you mean `model`? allowed: `agent`, `alerts`, `allow_from`, \
         `channels`, `currency`, `delivery`, `gateway`, `http`, `limits`, `log`, `media`, `model`, `plugins`, `provider`, `providers`, \
         `routes`, `sessions`, `telegram_token`, `workspace_path`\n\
         config.json:4:3: key `log`: given twice; the other place is config.json:3:3\n\
         config.json:4:21: key `log.format`: `jsn` is not allowed; did you mean `json`? allowed: `json`, `text`"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_told_what_is_expected() {
    for (text, line) in [
        ("[]", "1:1: expected an object, found a list"),
        (
            r#"{"model": null}"#,
            "1:11: key `model`: expected text that is not empty, found null",
        ),
        (
            r#"{"model": ""}"#,
            "1:11: key `model`: expected text that is not empty, found an empty text",
        ),
        (
            r#"{"channels": []}"#,
            "1:14: key `channels`: expected an object with one entry for each name, found a list",
        ),
        (
            r#"{"allow_from": 1}"#,
            "1:16: key `allow_from`: expected a list of ids such as [123456789], found a number",
        ),
        (
            r#"{"plugins": {"paths": "a"}}"#,
            "1:23: key `plugins.paths`: expected a list of paths, found text",
        ),
        (
            r#"{"gateway": {"max_pending": "5"}}"#,
            "1:29: key `gateway.max_pending`: expected a whole number, found text",
        ),
        (
            r#"{"sessions": {"history": 1.5}}"#,
            "1:26: key `sessions.history`: expected a whole number, found `1.5`",
        ),
        (
            r#"{"sessions": {"history": -1}}"#,
            "1:26: key `sessions.history`: -1 is out of range; allowed is 1 to 100000",
        ),
        (
            r#"{"gateway": {"max_concurrent_turns": 0}}"#,
            "1:38: key `gateway.max_concurrent_turns`: 0 is out of range; allowed is 1 to 100000",
        ),
        (
            r#"{"gateway": {"shutdown_timeout": 10}}"#,
            "1:34: key `gateway.shutdown_timeout`: expected a duration such as `250ms`, `10s`, `5m`, `24h` or `30d`, found `10`",
        ),
        (
            r#"{"sessions": {"idle_ttl": "30 days"}}"#,
            "1:27: key `sessions.idle_ttl`: expected a duration such as `250ms`, `10s`, `5m`, `24h` or `30d`, found `30 days`",
        ),
        (
            r#"{"sessions": {"checkpoint_interval": "0s"}}"#,
            "1:38: key `sessions.checkpoint_interval`: 0ms is out of range; allowed is 100ms to 1d",
        ),
        (
            r#"{"gateway": {"max_message_bytes": "256KB"}}"#,
            "1:35: key `gateway.max_message_bytes`: expected a size such as 262144 or `256KiB`, found `256KB`",
        ),
        (
            r#"{"agent": {"max_reply_bytes": "2GiB"}}"#,
            "1:31: key `agent.max_reply_bytes`: 2GiB is out of range; allowed is 1 to 1GiB",
        ),
        (
            r#"{"delivery": {"on_unknown": "resnd"}}"#,
            "1:29: key `delivery.on_unknown`: `resnd` is not allowed; did you mean `resend`? allowed: `hold`, `resend`",
        ),
        (
            r#"{"log": {"level": "warning"}}"#,
            "1:19: key `log.level`: `warning` is not allowed; allowed: `debug`, `error`, `info`, `off`, `trace`, `warn`",
        ),
        (
            r#"{"log": {"level": "loud"}}"#,
            "1:19: key `log.level`: expected a level such as `info`, or a filter such as `info,miniclaw=debug`, found `loud`",
        ),
        (
            r#"{"log": {"level": "[turn{chat=5}]=debug"}}"#,
            "1:19: key `log.level`: events cannot be chosen by span or field (`[…]`), but by target and level",
        ),
        (
            r#"{"log": {"level": "miniclaw=loud"}}"#,
            "1:19: key `log.level`: expected a level such as `info`, or a filter such as `info,miniclaw=debug`, found `miniclaw=loud`",
        ),
        (
            r#"{"telegram_token": 5}"#,
            "1:20: key `telegram_token`: expected text that is not empty, found a number",
        ),
    ] {
        assert_eq!(refusal(text), format!("config.json:{line}"), "{text}");
    }
}

#[test]
fn instance_names_are_plain_and_not_cli() {
    for name in ["Support", "-a", "a b", "", "é", "a.b", &"a".repeat(33)] {
        assert_eq!(
            refusal(&format!(r#"{{"channels": {{"{name}": {{}}}}}}"#)),
            format!(
                "config.json:1:15: key `channels.{name}`: the name `{name}` is not allowed; use at most 32 of a-z, \
                 0-9, `-` and `_`, a letter or digit first"
            )
        );
    }
    assert_eq!(
        refusal(r#"{"providers": {"cli": {}}, "provider": "echo"}"#),
        "config.json:1:16: key `providers.cli`: the name `cli` is taken by `miniclaw agent`; choose another"
    );
    let home = Home::with(&format!(
        r#"{{"channels": {{"{}": {{}}, "0_a-b": {{}}}}}}"#,
        "a".repeat(32)
    ));
    assert_eq!(home.load().config.channels.len(), 2);
}

#[test]
fn allow_lists_take_ids_and_no_names() {
    assert_eq!(
        refusal(r#"{"telegram_token": "1:a", "allow_from": ["@alice", "*", "bob", "", 1.5, true]}"#),
        "config.json:1:42: key `allow_from[0]`: `@alice` is a user name, and names change hands; give the numeric id\n\
         config.json:1:52: key `allow_from[1]`: `*` does not stand for everyone; list the ids of those who may write\n\
         config.json:1:57: key `channels.telegram.allow_from[2]`: `bob` is not an id; Telegram's ids are whole \
         numbers such as 123456789\n\
         config.json:1:64: key `allow_from[3]`: expected an id: a whole number or a text, found an empty text\n\
         config.json:1:68: key `allow_from[4]`: expected an id: a whole number or a text, found `1.5`\n\
         config.json:1:73: key `allow_from[5]`: expected an id: a whole number or a text, found true or false"
    );
}

#[test]
fn isolation_that_does_not_exist_is_refused() {
    assert_eq!(
        refusal(r#"{"channels": {"a": {"isolation": "inprocess"}}}"#),
        "config.json:1:34: key `channels.a.isolation`: `inprocess` is not allowed; did you mean `in-process`? \
         allowed: `in-process`, `process`"
    );
    assert_eq!(
        refusal(r#"{"channels": {"a": {"sandbox": {"allow": ["bind"]}}}}"#),
        "config.json:1:43: key `channels.a.sandbox.allow[0]`: `bind` is not allowed; allowed: `exec`, `listen`, \
         `observe`, `unix-sockets`"
    );
    assert_eq!(
        refusal(r#"{"providers": {"a": {"limits": {"memory": "1MiB"}}}}"#),
        "config.json:1:43: key `providers.a.limits.memory`: 1MiB is out of range; allowed is 16MiB to 1024GiB"
    );
}

#[test]
fn short_and_general_form_together_name_both_places() {
    let text = r#"{
  "telegram_token": "1:a",
  "allow_from": [1],
  "channels": {"telegram": {"allow_from": [2], "settings": {"token": "1:b"}}}
}"#;
    assert_eq!(
        refusal(text),
        "config.json:2:21: key `telegram_token`: given twice; `channels.telegram.settings.token` at \
         config.json:4:70 means the same, keep one of them\n\
         config.json:3:17: key `allow_from`: given twice; `channels.telegram.allow_from` at config.json:4:43 means \
         the same, keep one of them"
    );
    assert_eq!(
        refusal(r#"{"telegram_token": "1:a", "channels": {"telegram": {"plugin": "matrix"}}}"#),
        "config.json:1:20: key `telegram_token`: it belongs to the plugin `telegram`, but `channels.telegram.plugin` \
         at config.json:1:63 names another; rename that channel"
    );
}

#[test]
fn names_that_lead_nowhere_come_with_the_nearest() {
    assert_eq!(
        refusal(r#"{"provider": "olama", "providers": {"cloud": {"plugin": "openai"}}}"#),
        "config.json:1:14: key `provider`: provider `olama` is not known; did you mean `ollama`? allowed: \
         `anthropic`, `cloud`, `echo`, `gemini`, `ollama`, `openai`; any other needs an entry in `providers`"
    );
    assert_eq!(
        refusal(
            r#"{"channels": {"support": {}}, "routes": [{"channel": "suport", "provider": "x", "fallback": ["y"]}]}"#
        ),
        "config.json:1:54: key `routes[0].channel`: channel `suport` is not known; did you mean `support`? allowed: \
         `support`\n\
         config.json:1:76: key `routes[0].provider`: provider `x` is not known; allowed: `anthropic`, `echo`, \
         `gemini`, `ollama`, `openai`; any other needs an entry in `providers`\n\
         config.json:1:94: key `routes[0].fallback[0]`: provider `y` is not known; allowed: `anthropic`, `echo`, \
         `gemini`, `ollama`, `openai`; any other needs an entry in `providers`"
    );
    assert_eq!(
        refusal(r#"{"providers": {"a": {}, "b": {}}}"#),
        "config.json:1:15: key `provider`: several providers, and none named as the default; allowed: `a`, `b`"
    );
    assert_eq!(
        refusal(r#"{"routes": [{"chat": 5, "fallback": []}]}"#),
        "config.json:1:13: key `routes[0]`: a route without effect; give it `provider`, `model` or `fallback`"
    );
}

#[test]
fn no_error_shows_a_secret() {
    let text = r#"{"telegram_token": ["hunter2"], "channels": {"a": {"settings": {"token": "x${env:hunter2}"}}},
        "providers": {"p": {"plugin": 7, "settings": {"api_key": "${hunter2}"}}}}"#;
    let refusal = refusal(text);
    assert_eq!(refusal.lines().count(), 4, "{refusal}");
    assert!(!refusal.contains("hunter2"), "{refusal}");
}

#[test]
fn flags_and_prices_say_what_they_take() {
    assert_eq!(
        refusal(
            r#"{"sessions": {"compaction": "no"}, "providers": {"a": {"plugin": "echo", "prices": {"m": {"input": -1}}}}}"#
        ),
        "config.json:1:29: key `sessions.compaction`: expected true or false, found text\n\
         config.json:1:100: key `providers.a.prices.m.input`: -1 is out of range; allowed is 0 to 1000000000"
    );
}
