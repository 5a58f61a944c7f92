//! What a schema says of a value by itself: its type, which values it may be, bounds.

use serde_json::Value;

use super::super::branches::either;
use super::fault::{Kind, Verdict};
use super::numbers::{compare, is_multiple, limit, simplest, whole};

pub(super) fn check<'s>(keyword: &str, rule: &'s Value, value: &Value, place: &str) -> Verdict<'s> {
    match (keyword, rule, value) {
        ("type", Value::String(name), _) => types(vec![name], value, place),
        ("type", Value::Array(names), _) => {
            types(names.iter().filter_map(Value::as_str).collect(), value, place)
        }
        ("const", _, _) if simplest(rule) != simplest(value) => Verdict::fault(place, Kind::Const(rule)),
        ("enum", Value::Array(options), _) => {
            let given = simplest(value);
            let found = options.iter().any(|option| simplest(option) == given);
            Verdict::unless(found, place, || one_of(options))
        }
        ("pattern", _, Value::String(_)) => Verdict::UNSURE,
        ("multipleOf", Value::Number(factor), Value::Number(number)) => match is_multiple(number, factor) {
            Some(holds) => Verdict::unless(holds, place, || {
                format!("the value is not a multiple of {factor}")
            }),
            None => Verdict::UNSURE,
        },
        (_, Value::Number(bound), Value::Number(number)) => {
            let order = compare(number, bound);
            let (holds, fault) = match keyword {
                "minimum" => (order.is_ge(), "less than the minimum of"),
                "maximum" => (order.is_le(), "greater than the maximum of"),
                "exclusiveMinimum" => (order.is_gt(), "less than or equal to the minimum of"),
                "exclusiveMaximum" => (order.is_lt(), "greater than or equal to the maximum of"),
                _ => return Verdict::default(),
            };
            Verdict::unless(holds, place, || format!("the value is {fault} {bound}"))
        }
        (_, Value::Number(_), _) => size(keyword, rule, value, place),
        _ => Verdict::default(),
    }
}

fn types<'s>(names: Vec<&'s str>, value: &Value, place: &str) -> Verdict<'s> {
    let is = |name: &&str| match (*name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => whole(number),
        _ => false,
    };
    match names.iter().any(is) {
        true => Verdict::default(),
        false => Verdict::fault(place, Kind::Type(names)),
    }
}

fn one_of(options: &[Value]) -> String {
    const SHOWN: usize = 12;
    let mut words: Vec<String> = options.iter().take(SHOWN).map(Value::to_string).collect();
    if let more @ 1.. = options.len().saturating_sub(SHOWN) {
        words.push(format!("{more} others"));
    }
    let words = either(&words).unwrap_or_else(|| "none".to_owned());
    format!("the value is not one of {words}")
}

/// Characters, items or keys.
fn size<'s>(keyword: &str, rule: &Value, value: &Value, place: &str) -> Verdict<'s> {
    let (size, one, many) = match (keyword, value) {
        ("minLength" | "maxLength", Value::String(text)) => (text.chars().count(), "character", "characters"),
        ("minItems" | "maxItems", Value::Array(items)) => (items.len(), "item", "items"),
        ("minProperties" | "maxProperties", Value::Object(members)) => (members.len(), "key", "keys"),
        _ => return Verdict::default(),
    };
    let Some(bound) = limit(rule) else {
        return Verdict::default();
    };
    let (holds, than) = match keyword.starts_with("min") {
        true => (size as u64 >= bound, "fewer"),
        false => (size as u64 <= bound, "more"),
    };
    let things = if bound == 1 { one } else { many };
    Verdict::unless(holds, place, || {
        format!("the value has {than} than {bound} {things}")
    })
}
