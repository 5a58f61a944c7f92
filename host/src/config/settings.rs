//! A plugin's settings against the schema in its manifest.

mod branches;
mod schema;

use serde_json::{Map, Value};

use super::errors::{ConfigError, Hint, Origin, Problem};
use super::keys;
use super::tree::{Data, Node, join};
use schema::{Fault, Kind, Schema};

/// Holds settings against a schema (JSON text); `key` is where they stand. No error shows a value.
pub(super) fn check_settings(plugin: &str, schema: &str, settings: &Node, key: &str) -> Vec<ConfigError> {
    let bad_schema = |reason: String| {
        let plugin = plugin.to_owned();
        vec![settings.origin.error(key, Problem::BadSchema { plugin, reason })]
    };
    let schema = match Schema::read(schema) {
        Ok(schema) => schema,
        Err(reason) => return bad_schema(reason),
    };
    match schema.faults(&settings.to_value()) {
        Ok(faults) => faults
            .iter()
            .flat_map(|fault| explain(fault, settings, key))
            .collect(),
        Err(reason) => bad_schema(reason),
    }
}

/// Whether a text is the schema of an object of settings.
///
/// # Errors
/// Why it is not.
pub(crate) fn is_schema(text: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match schema.is_object() {
        true => Schema::read(text).map(drop),
        false => Err("it is no object".to_owned()),
    }
}

/// Whether settings are such as a schema allows.
///
/// # Errors
/// A line that names the key, and shows no value.
pub(crate) fn fits(schema: &str, settings: &Map<String, Value>) -> Result<(), String> {
    let node = Node::from_value(&Origin::Default, Value::Object(settings.clone()));
    match check_settings("", schema, &node, "settings").first() {
        Some(error) => Err(format!("{}: {}", error.key, error.problem)),
        None => Ok(()),
    }
}

fn explain(fault: &Fault<'_>, settings: &Node, top: &str) -> Vec<ConfigError> {
    let (node, key) = follow(settings, top, &fault.place);
    let problem = match &fault.kind {
        Kind::Unknown { name, known } => return vec![unknown(node, &key, name, known)],
        Kind::Missing(name) => return vec![node.origin.error(join(&key, name), Problem::Required)],
        Kind::Type(names) => Problem::Type {
            expected: types(names),
            found: node.kind().into(),
        },
        Kind::Const(value) => Problem::Settings(format!("the value is not {value}")),
        Kind::Forms(forms) => {
            if let Some(meant) = branches::meant(forms, &fault.place) {
                let explained = meant.iter().flat_map(|fault| explain(fault, settings, top));
                return explained.collect();
            }
            let none = || Problem::Settings("the value has none of the forms that it may have".to_owned());
            branches::lawful(forms, node).unwrap_or_else(none)
        }
        Kind::Other(sentence) => Problem::Settings(sentence.clone()),
    };
    vec![node.origin.error(key, problem)]
}

fn unknown(node: &Node, key: &str, name: &str, allowed: &[&str]) -> ConfigError {
    let origin = match node.object().and_then(|object| object.get(name)) {
        Some(member) => &member.key,
        None => &node.origin,
    };
    let problem = match beside(key, name) {
        Some(place) => Problem::Misplaced { place },
        None => Problem::UnknownKey(Hint::new(name, allowed.iter().copied())),
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

fn types(names: &[&str]) -> String {
    let name = |name: &&str| match *name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "null" => "null",
        "number" => "a number",
        "object" => "an object",
        _ => "text",
    };
    let mut names: Vec<_> = names.iter().map(name).collect();
    names.sort_unstable();
    names.join(" or ")
}
