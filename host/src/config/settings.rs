//! A plugin's settings against the schema in its manifest.

mod branches;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::errors::{ConfigError, Hint, Problem};
use super::keys;
use super::tree::{Data, Node, join};

/// Holds settings against a schema (JSON text); `key` is where they stand. No error shows a value.
pub(super) fn check_settings(plugin: &str, schema: &str, settings: &Node, key: &str) -> Vec<ConfigError> {
    let bad_schema = |reason: String| {
        let plugin = plugin.to_owned();
        vec![settings.origin.error(key, Problem::BadSchema { plugin, reason })]
    };
    let schema: Value = match serde_json::from_str(schema) {
        Ok(schema) => schema,
        Err(error) => return bad_schema(error.to_string()),
    };
    let validator: Validator = match jsonschema::options().build(&schema) {
        Ok(validator) => validator,
        Err(error) => return bad_schema(error.to_string()),
    };
    let value = settings.to_value();
    validator
        .iter_errors(&value)
        .flat_map(|error| explain(&error, &schema, settings, key))
        .collect()
}

fn explain(error: &ValidationError<'_>, schema: &Value, settings: &Node, top: &str) -> Vec<ConfigError> {
    let (node, key) = follow(settings, top, error.instance_path().as_str());
    let problem = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let allowed = siblings(schema, error.schema_path().as_str());
            return unexpected
                .iter()
                .map(|name| unknown(node, &key, name, &allowed))
                .collect();
        }
        ValidationErrorKind::Required { property } => {
            let key = join(&key, property.as_str().unwrap_or_default());
            return vec![node.origin.error(key, Problem::Required)];
        }
        ValidationErrorKind::Type { kind } => Problem::Type {
            expected: types(kind),
            found: node.kind().into(),
        },
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            if let Some(errors) = branches::meant(context, error.instance_path().as_str()) {
                let explained = errors.iter();
                return explained
                    .flat_map(|error| explain(error, schema, settings, top))
                    .collect();
            }
            let masked = || Problem::Settings(error.masked_with("the value").to_string());
            branches::lawful(context, node).unwrap_or_else(masked)
        }
        _ => Problem::Settings(error.masked_with("the value").to_string()),
    };
    vec![node.origin.error(key, problem)]
}

fn unknown(node: &Node, key: &str, name: &str, allowed: &[String]) -> ConfigError {
    let origin = match node.object().and_then(|object| object.get(name)) {
        Some(member) => &member.key,
        None => &node.origin,
    };
    let problem = match beside(key, name) {
        Some(place) => Problem::Misplaced { place },
        None => Problem::UnknownKey(Hint::new(name, allowed.iter().map(String::as_str))),
    };
    origin.error(join(key, name), problem)
}

/// Where a key belongs that stands among an instance's settings, and is one of the instance's own.
fn beside(key: &str, name: &str) -> Option<String> {
    let instance = key.strip_suffix(".settings")?;
    let path = instance.split('.').chain([name]).map(str::to_owned);
    keys::find(&path.collect::<Vec<_>>()).ok()?;
    Some(join(instance, name))
}

/// The node at a JSON pointer, and its dotted key.
fn follow<'a>(settings: &'a Node, key: &str, pointer: &str) -> (&'a Node, String) {
    let mut at = (settings, key.to_owned());
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match &at.0.data {
            Data::Object(object) => object.get(&part).map(|member| (&member.node, join(&at.1, &part))),
            Data::List(list) => {
                let node = part.parse::<usize>().ok().and_then(|index| list.get(index));
                node.map(|node| (node, format!("{}[{part}]", at.1)))
            }
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// Keys that the schema knows beside the keyword at `pointer`.
fn siblings(schema: &Value, pointer: &str) -> Vec<String> {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let properties = schema.pointer(parent).and_then(|schema| schema.get("properties"));
    let properties = properties.and_then(Value::as_object);
    properties
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect()
}

fn types(kind: &TypeKind) -> String {
    let name = |json| match json {
        jsonschema::JsonType::Array => "a list",
        jsonschema::JsonType::Boolean => "true or false",
        jsonschema::JsonType::Integer => "a whole number",
        jsonschema::JsonType::Null => "null",
        jsonschema::JsonType::Number => "a number",
        jsonschema::JsonType::Object => "an object",
        jsonschema::JsonType::String => "text",
    };
    match kind {
        TypeKind::Single(json) => name(*json).into(),
        TypeKind::Multiple(set) => {
            let mut names: Vec<_> = set.iter().map(name).collect();
            names.sort_unstable();
            names.join(" or ")
        }
    }
}
