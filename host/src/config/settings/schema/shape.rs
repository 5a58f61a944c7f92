//! Whether a text is a schema: each keyword that is known has a value of its kind, each reference leads to a schema.

use std::collections::HashSet;

use serde_json::Value;

use super::resolve;

/// # Errors
/// The place that is wrong, as a JSON pointer, and what would be right.
pub(super) fn check(root: &Value) -> Result<(), String> {
    let seen = HashSet::new();
    Shape { root, seen }.schema(root, "#")
}

struct Shape<'s> {
    root: &'s Value,
    seen: HashSet<*const Value>,
}

impl<'s> Shape<'s> {
    fn schema(&mut self, schema: &'s Value, place: &str) -> Result<(), String> {
        let rules = match schema {
            Value::Object(rules) => rules,
            Value::Bool(_) => return Ok(()),
            _ => return Err(format!("`{place}` must be an object, `true` or `false`")),
        };
        if self.seen.insert(schema) {
            for (keyword, rule) in rules {
                self.keyword(keyword, rule, &format!("{place}/{keyword}"))?;
            }
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, rule: &'s Value, place: &str) -> Result<(), String> {
        match keyword {
            "$ref" => self.reference(rule, place),
            "additionalProperties"
            | "propertyNames"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else"
            | "additionalItems"
            | "unevaluatedItems"
            | "unevaluatedProperties" => self.schema(rule, place),
            "items" if !rule.is_array() => self.schema(rule, place),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" | "items" => match rule.as_array() {
                Some(schemas) if !schemas.is_empty() => {
                    let mut places = (0..).map(|index| format!("{place}/{index}"));
                    let mut named = schemas.iter().zip(&mut places);
                    named.try_for_each(|(schema, place)| self.schema(schema, &place))
                }
                _ => Err(format!("`{place}` must be a list of schemas")),
            },
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                let Some(schemas) = rule.as_object() else {
                    return Err(format!("`{place}` must be an object of schemas"));
                };
                let mut named = schemas.iter();
                named.try_for_each(|(name, schema)| self.schema(schema, &format!("{place}/{name}")))
            }
            _ => match plain(keyword, rule) {
                Ok(()) => Ok(()),
                Err(wanted) => Err(format!("`{place}` must be {wanted}")),
            },
        }
    }

    fn reference(&mut self, rule: &Value, place: &str) -> Result<(), String> {
        let reference = rule.as_str().unwrap_or_default();
        match resolve(self.root, reference) {
            Some(schema) => self.schema(schema, reference),
            None => Err(format!(
                "`{place}` must lead to a place in this schema, for example `#/$defs/name`"
            )),
        }
    }
}

/// Keywords without schemas in them.
fn plain(keyword: &str, rule: &Value) -> Result<(), &'static str> {
    let (right, wanted) = match keyword {
        "type" => (
            is_type(rule) || is_set(rule, is_type) && rule != &Value::Array(Vec::new()),
            "`null`, `boolean`, `integer`, `number`, `string`, `array`, `object`, or a list of them",
        ),
        "enum" => (rule.is_array(), "a list"),
        "required" => (is_set(rule, Value::is_string), "a list of names, each once"),
        "dependentRequired" => (
            rule.as_object()
                .is_some_and(|lists| lists.values().all(|list| is_set(list, Value::is_string))),
            "an object of lists of names",
        ),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => (
            rule.as_f64()
                .is_some_and(|size| size >= 0.0 && size.fract() == 0.0),
            "a whole number from 0",
        ),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => (rule.is_number(), "a number"),
        "multipleOf" => (
            rule.as_f64().is_some_and(|factor| factor > 0.0),
            "a number greater than 0",
        ),
        "uniqueItems" => (rule.is_boolean(), "`true` or `false`"),
        "pattern" | "format" | "title" | "description" | "$dynamicRef" | "$schema" | "$id" => {
            (rule.is_string(), "text")
        }
        _ => (true, ""),
    };
    if right { Ok(()) } else { Err(wanted) }
}

fn is_type(rule: &Value) -> bool {
    const TYPES: [&str; 7] = [
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    rule.as_str().is_some_and(|name| TYPES.contains(&name))
}

/// Whether it is a list of such values, none of them twice.
fn is_set(rule: &Value, is_such: fn(&Value) -> bool) -> bool {
    let mut seen = HashSet::new();
    rule.as_array()
        .is_some_and(|list| list.iter().all(|value| is_such(value) && seen.insert(value)))
}
