//! Stage 4: settings that do not fit are refused for good, and without a panic.

use serde_json::{Map, Value, json};

use super::report::Finding;
use super::subject::{CREATE, Step, Subject, no_panic};
use crate::abi::method;
use crate::error::Outcome;

pub(super) async fn check(subject: &Subject) -> Step<String> {
    let schema: Value = serde_json::from_str(&subject.facts.schema).unwrap_or_default();
    let good = subject.settings.as_object().cloned().unwrap_or_default();
    let bad = misfits(&schema, &good);
    if bad.is_empty() {
        return Err(Finding::skipped(
            "the schema takes everything; say in `Manifest::schema` what the settings are",
        ));
    }
    for (what, settings) in &bad {
        refused(subject, what, settings).await?;
    }
    Ok(format!("{} kinds of bad settings", bad.len()))
}

async fn refused(subject: &Subject, what: &str, settings: &Value) -> Step<()> {
    let instance = subject.instance(settings)?;
    let create = subject.within(CREATE, "create", instance.call(method::CREATE, &()));
    match no_panic(&format!("create, with {what}"), create.await?)? {
        Err(error) if error.outcome == Outcome::Permanent => Ok(()),
        Err(error) => Err(Finding::failed(
            format!("create, with {what}, said that it may succeed later: {error}"),
            "return `Error::config` for settings that do not fit",
        )),
        Ok(_) => Err(Finding::failed(
            format!("create took {what}"),
            "let the settings struct and the schema say the same: `#[serde(deny_unknown_fields)]` with \
             `additionalProperties: false`, the same types, the same required keys",
        )),
    }
}

/// Settings that the schema rules out, each with what is wrong with it.
fn misfits(schema: &Value, good: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut bad = Vec::new();
    let mut put = |what: String, key: &str, value: Option<Value>| {
        let mut settings = good.clone();
        match value {
            Some(value) => settings.insert(key.to_owned(), value),
            None => settings.remove(key),
        };
        bad.push((what, Value::Object(settings)));
    };
    if schema["additionalProperties"] == json!(false) {
        let key = "miniclaw_check";
        put(format!("the unknown key `{key}`"), key, Some(json!(1)));
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = of_another_type(&property["type"]) {
            put(format!("`{key}` of another type"), key, Some(value));
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        put(format!("`{key}` left out"), key, None);
    }
    bad
}

/// A value that is none of these types.
fn of_another_type(types: &Value) -> Option<Value> {
    let named = |name: &str| {
        *types == json!(name) || types.as_array().is_some_and(|list| list.contains(&json!(name)))
    };
    if types.is_null() {
        return None;
    }
    let candidates = [
        (json!({ "miniclaw_check": [] }), named("object")),
        (json!([[]]), named("array")),
        (json!(true), named("boolean")),
        (json!("miniclaw check"), named("string")),
    ];
    candidates
        .into_iter()
        .find(|(_, allowed)| !allowed)
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_schema_is_broken_once() {
        let schema = json!({
            "additionalProperties": false,
            "properties": { "port": { "type": "integer" }, "any": {}, "map": { "type": ["object", "null"] } },
            "required": ["port"],
        });
        let good = json!({ "port": 1 });
        let bad = misfits(&schema, good.as_object().unwrap());
        let settings: Vec<&Value> = bad.iter().map(|(_, settings)| settings).collect();
        assert_eq!(
            settings,
            [
                &json!({ "port": 1, "miniclaw_check": 1 }),
                &json!({ "port": 1, "map": [[]] }),
                &json!({ "port": { "miniclaw_check": [] } }),
                &json!({}),
            ]
        );
        assert!(misfits(&json!({}), &Map::new()).is_empty());
    }
}
