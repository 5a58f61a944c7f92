//! Schemas and values by chance.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

const NAMES: [&str; 4] = ["a", "b", "ab", "x/y~"];

pub(super) fn value() -> BoxedStrategy<Value> {
    let plain = [
        json!(null),
        json!(true),
        json!(false),
        json!(-3),
        json!(0),
        json!(1),
        json!(1.0),
        json!(2),
        json!(6),
        json!(0.3),
        json!(2.5),
        json!(-0.0),
        json!(1e20),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.8446744073709552e19),
        json!(""),
        json!("a"),
        json!("é"),
        json!("ab"),
        json!("x/y~"),
    ];
    let plain = select(plain.to_vec());
    plain
        .prop_recursive(3, 16, 4, |inner| {
            let member = (select(&NAMES[..]), inner.clone());
            prop_oneof![
                vec(inner, 0..4).prop_map(Value::from),
                vec(member, 0..4).prop_map(|members| object(members).into()),
            ]
        })
        .boxed()
}

fn object(members: Vec<(&str, Value)>) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn names() -> impl Strategy<Value = Value> {
    subsequence(&NAMES[..], 0..4).prop_map(|names| json!(names))
}

fn pair(keyword: &'static str, rule: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    rule.prop_map(move |rule| json!({ (keyword): rule })).boxed()
}

/// Schemas of one keyword, without schemas in them.
pub(super) fn leaf() -> BoxedStrategy<Value> {
    let types: &'static [&str] = &[
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let sizes: &'static [&str] = &[
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ];
    let bounds: &'static [&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let bound = select(vec![
        json!(0),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(1e20),
        json!(u64::MAX),
    ]);
    let factor = select(vec![
        json!(1),
        json!(2),
        json!(3.0),
        json!(0.1),
        json!(0.5),
        json!(2.5),
    ]);
    let keyed = |(keyword, rule): (&'static str, Value)| json!({ (keyword): rule });
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        pair("type", select(types).prop_map(Value::from)),
        pair("type", subsequence(types, 1..4).prop_map(|types| json!(types))),
        pair("const", value()),
        pair("enum", vec(value(), 0..4).prop_map(Value::from)),
        (select(sizes), (0..4_u8).prop_map(Value::from)).prop_map(keyed),
        (select(bounds), bound).prop_map(keyed),
        pair("multipleOf", factor),
        pair("uniqueItems", any::<bool>().prop_map(Value::from)),
        pair("required", names()),
        pair("dependentRequired", (select(&NAMES[..]), names()).prop_map(keyed)),
    ]
    .boxed()
}

/// Schemas of several keywords, made of `leaf`.
fn schema(leaf: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    leaf.prop_recursive(3, 24, 4, |inner| {
        let list = vec(inner.clone(), 1..4).prop_map(Value::from).boxed();
        let members = vec((select(&NAMES[..]), inner.clone()), 0..4)
            .prop_map(|members| object(members).into())
            .boxed();
        let single = select(
            &[
                "additionalProperties",
                "propertyNames",
                "items",
                "contains",
                "not",
                "if",
                "then",
                "else",
            ][..],
        );
        let lists = select(&["allOf", "anyOf", "oneOf", "prefixItems"][..]);
        let maps = select(&["properties", "dependentSchemas"][..]);
        let counts = select(&["minContains", "maxContains"][..]);
        let keyed = |(keyword, rule): (&'static str, Value)| json!({ (keyword): rule });
        let one = prop_oneof![
            3 => inner.clone(),
            3 => (single, inner.clone()).prop_map(keyed),
            2 => (lists, list).prop_map(keyed),
            2 => (maps, members).prop_map(keyed),
            1 => (counts, (0..3_u8).prop_map(Value::from)).prop_map(keyed),
        ];
        vec(one, 1..4).prop_map(|schemas| {
            let mut all = Map::new();
            for schema in schemas {
                match schema {
                    Value::Object(rules) => all.extend(rules),
                    other => return other,
                }
            }
            Value::Object(all)
        })
    })
    .boxed()
}

pub(super) fn document(leaf: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let reference = select(&["#/$defs/a", "#/$defs/x~1y~0"][..]);
    let leaf_or_reference =
        prop_oneof![4 => leaf.clone(), 1 => pair("$ref", reference.prop_map(Value::from))];
    let defs = (schema(leaf.clone()), schema(leaf));
    (schema(leaf_or_reference.boxed()), defs).prop_map(|(mut schema, (a, xy))| {
        if let Some(rules) = schema.as_object_mut() {
            rules.insert("$defs".to_owned(), json!({ "a": a, "x/y~": xy }));
        }
        schema
    })
}

/// What cannot be judged here, and references that lead in a circle.
pub(super) fn doubtful() -> BoxedStrategy<Value> {
    let members = (select(&NAMES[..]), leaf()).prop_map(|(name, schema)| json!({ (name): schema }));
    prop_oneof![
        4 => leaf(),
        1 => pair("$ref", select(&["#", "#/$defs/a"][..]).prop_map(Value::from)),
        1 => pair("pattern", select(&["^a", "b$", ""][..]).prop_map(Value::from)),
        1 => pair("patternProperties", members),
        1 => pair("unevaluatedProperties", leaf()),
        1 => pair("unevaluatedItems", leaf()),
    ]
    .boxed()
}
