//! The JSON Schema of the file, made from the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{self, Default, Key, Kind};
use super::units::show_duration;

/// Draft 2020-12.
pub(crate) fn schema() -> Value {
    let mut schema = of(keys::FILE);
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        object.insert("title".into(), "miniclaw configuration".into());
    }
    schema
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Word | Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Secret => json!({ "type": "string", "minLength": 1, "writeOnly": true }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Id => json!({ "anyOf": [
            { "type": "integer" },
            { "type": "string", "pattern": r"^\s*[^\s@*]" },
        ] }),
        Kind::Address => json!({ "type": "string", "pattern": r":[0-9]{1,5}$" }),
        Kind::Level => {
            json!({ "type": "string", "minLength": 1, "examples": ["info", "info,miniclaw=debug"] })
        }
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Size { min, max } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" },
        ] }),
        Kind::Duration { min, max } => json!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
            "$comment": format!("{} to {}", show_duration(*min), show_duration(*max)),
        }),
        Kind::Price => json!({ "type": "number", "minimum": 0, "maximum": super::units::HIGHEST_PRICE }),
        Kind::Models(entry) => json!({ "type": "object", "additionalProperties": of(entry) }),
        Kind::Choice(allowed) => json!({ "enum": allowed }),
        Kind::List(element) => json!({ "type": "array", "items": of(element) }),
        Kind::Section(keys) => section(keys),
        Kind::Instances(entry) => json!({
            "type": "object",
            "patternProperties": { "^x-": {}, "^(?!x-|cli$)[a-z0-9][a-z0-9_-]{0,31}$": of(entry) },
            "additionalProperties": false,
        }),
        Kind::Settings => json!({ "type": "object" }),
        Kind::Digests => json!({
            "type": "object",
            "patternProperties": { "^[a-z0-9_-]+$": of(&Kind::Digest) },
            "additionalProperties": false,
        }),
        Kind::Digest => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
    }
}

fn section(keys: &[Key]) -> Value {
    let mut properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    properties.insert("$schema".into(), json!({ "type": "string" }));
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": {} },
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = of(&key.kind);
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), key.doc.into());
        let default = match key.default {
            Default::None => None,
            Default::Text(text) => Some(text.into()),
            Default::Number(number) => Some(number.into()),
            Default::Flag(flag) => Some(flag.into()),
            Default::EmptyList => Some(json!([])),
            Default::EmptyObject => Some(json!({})),
        };
        object.extend(default.map(|default| ("default".into(), default)));
    }
    schema
}
