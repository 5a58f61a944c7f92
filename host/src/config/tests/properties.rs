use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::errors::{Origin, Position};
use super::super::json as parser;
use super::*;

const WORDS: [&str; 20] = [
    "telegram_token",
    "allow_from",
    "provider",
    "providers",
    "model",
    "channels",
    "routes",
    "channel",
    "telegram",
    "plugin",
    "settings",
    "token",
    "fallback",
    "gateway",
    "shutdown_timeout",
    "log",
    "level",
    "chat",
    "x-a",
    "isolation",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        "\\PC{0,8}",
        Just("${env:A}".to_owned()),
        Just("10s".to_owned()),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn parsed(text: &str) -> Option<Value> {
    let origin = |at: Position| Origin::File {
        path: Path::new("f").into(),
        at: Some(at),
    };
    parser::parse(text, &origin)
        .ok()
        .map(|parsed| parsed.root.to_value())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_value_is_a_configuration_or_a_refusal(value in any_value(), top in proptest::collection::vec((word(), any_value()), 0..8)) {
        let object: Value = Value::Object(top.into_iter().collect());
        for value in [value, object] {
            let home = Home::with(&value.to_string());
            if let Ok(loaded) = load(&home.sources) {
                let _ = (loaded.values(), loaded.effective.to_redacted());
            }
        }
    }

    #[test]
    fn the_parser_takes_what_serde_json_takes(value in any_value()) {
        prop_assert_eq!(parsed(&format!("{value:#}")), Some(value));
    }

    #[test]
    fn the_parser_takes_nothing_else(text in r#"[\[\]{}:,"\\a-c0-9.eE+\-tfn \n/'é]{0,24}"#) {
        let expected: Option<Value> = serde_json::from_str(&text).ok();
        prop_assert_eq!(parsed(&text), expected);
    }

    #[test]
    fn any_variable_is_a_value_or_a_refusal(name in "MINICLAW__[A-Z_]{0,20}", value in "\\PC{0,20}") {
        let _ = load(&Home::new().env(&name, &value).sources);
    }
}

#[test]
fn the_schema_takes_what_the_loader_takes() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let example: Value =
        serde_json::from_str(include_str!("../../../../deploy/config.example.json")).unwrap();
    assert_eq!(
        validator
            .iter_errors(&example)
            .map(|error| error.to_string())
            .collect::<Vec<_>>(),
        [""; 0]
    );
    for (value, valid) in [
        (json!({}), true),
        (json!({"x-a": 1, "$schema": "s", "channels": {"x-b": 2}}), true),
        (json!({"modle": "m"}), false),
        (json!({"channels": {"Support": {}}}), false),
        (json!({"channels": {"cli": {}}}), false),
        (json!({"allow_from": ["@alice"]}), false),
        (json!({"allow_from": [5, "5"]}), true),
        (json!({"gateway": {"shutdown_timeout": 10}}), false),
        (json!({"gateway": {"max_pending": 0}}), false),
        (json!({"gateway": {"max_message_bytes": "1KiB"}}), true),
        (json!({"delivery": {"on_unknown": "hold"}}), true),
    ] {
        assert_eq!(validator.is_valid(&value), valid, "{value}");
        assert_eq!(
            load(&Home::with(&value.to_string()).sources).is_ok(),
            valid,
            "{value}"
        );
    }
}

#[test]
fn the_example_loads() {
    let home = Home::new().env("SUPPORT_TOKEN", "1:support");
    let text = include_str!("../../../../deploy/config.example.json")
        .replace("/run/secrets/", &format!("{}/", home.path("").display()));
    home.write("config.json", text, 0o644);
    home.write("telegram", "2:telegram", 0o400);
    home.write("openai", "sk-secret", 0o400);
    let loaded = home.load();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.config.secrets, ["1:support", "2:telegram", "sk-secret"]);
}
