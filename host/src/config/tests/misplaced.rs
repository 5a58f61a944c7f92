use super::refusal;

#[test]
fn a_key_in_the_wrong_place_is_told_where_it_belongs() {
    for (text, told) in [
        (
            r#"{"channels": {"work": {"plugin": "telegram", "token": "1:2"}}}"#,
            "`channels.work.token`: a setting of a plugin, no key of the gateway's; write it as \
             `channels.work.settings.token`",
        ),
        (
            r#"{"channels": {"telegram": {"mode": "webhook"}}}"#,
            "write it as `channels.telegram.settings.mode`",
        ),
        (
            r#"{"providers": {"openai": {"model": "x"}}}"#,
            "write it as `providers.openai.settings.model`",
        ),
        (
            r#"{"providers": {"mine": {"region": "x"}}}"#,
            "unknown key; perhaps a setting of the plugin, `providers.mine.settings.region`? allowed: ",
        ),
        (
            r#"{"streaming": "edit"}"#,
            "key `streaming`: it has no place here; write it as `channels.NAME.streaming`",
        ),
        (
            r#"{"gateway": {"pairing": true}}"#,
            "write it as `channels.NAME.pairing`",
        ),
        (r#"{"max_file_bytes": 1}"#, "write it as `media.max_file_bytes`"),
        (
            r#"{"agent": {"tokens_per_day": 1}}"#,
            "write it as `limits.tokens_per_day`",
        ),
        (
            r#"{"channels": {"a": {"require_mention": true}}}"#,
            "write it as `channels.a.groups.require_mention`",
        ),
        (
            r#"{"channels": {"a": {"groups": {"allow_from": [1]}}}}"#,
            "write it as `channels.a.allow_from`",
        ),
        (
            r#"{"api_key": "x"}"#,
            "write it as `providers.NAME.settings.api_key`",
        ),
        (
            r#"{"token": "x"}"#,
            "write it as `channels.telegram.settings.token`",
        ),
        (
            r#"{"channels": {"a": {"memory": 1}}}"#,
            "write it as `channels.a.limits.memory`",
        ),
        (r#"{"memory": 1}"#, "unknown key; allowed: "),
    ] {
        let error = refusal(text);
        assert!(error.contains(told), "{told} in {error}");
    }
}
