//! The verdicts, held against those of the crate `jsonschema`.

mod chance;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

use super::fault::Verdict;
use super::*;
use chance::{document, doubtful, leaf, value};

/// Our verdict and that of the other.
fn verdicts<'s>(schema: &'s Value, value: &Value) -> (Verdict<'s>, bool) {
    let told = jsonschema::draft202012::options().build(schema);
    let told = told.unwrap_or_else(|error| panic!("{schema}: {error}"));
    shape::check(schema).unwrap_or_else(|reason| panic!("{schema}: {reason}"));
    let mut walk = Walk::new(schema);
    let verdict = walk.apply(schema, value, "");
    assert!(!walk.exhausted, "{schema} {value}");
    (verdict, told.is_valid(value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_verdict_is_the_one_of_another_checker(schema in document(leaf()), values in vec(value(), 4)) {
        for value in values {
            let (verdict, valid) = verdicts(&schema, &value);
            if verdict.unsure && !verdict.fails() {
                // Floats are too coarse to divide a large number.
                let text = schema.to_string();
                prop_assert!(text.contains("multipleOf"), "unsure of {} for {}", value, schema);
                continue;
            }
            prop_assert_eq!(verdict.fits(), valid, "{} for {}", value, schema);
        }
    }

    #[test]
    fn nothing_is_refused_for_what_cannot_be_judged(schema in document(doubtful()), values in vec(value(), 4)) {
        for value in values {
            let (verdict, valid) = verdicts(&schema, &value);
            prop_assert!(!verdict.fits() || valid, "{} is taken for {}", value, schema);
            prop_assert!(!verdict.fails() || !valid, "{} is refused for {}", value, schema);
        }
    }

    #[test]
    fn any_text_is_a_schema_or_a_refusal(value in value(), keyword in select(KEYWORDS), instance in value()) {
        let schema = json!({ (keyword): value });
        let Ok(read) = Schema::read(&schema.to_string()) else {
            return Ok(());
        };
        prop_assert!(read.faults(&instance).is_ok());
        let told = jsonschema::draft202012::options().build(&schema);
        // Earlier drafts take a list there.
        prop_assert!(told.is_ok() || keyword == "items", "{} is none", schema);
    }
}

const KEYWORDS: &[&str] = &[
    "$ref",
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "items",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$defs",
    "patternProperties",
    "format",
    "title",
    "description",
];

/// Settings of a plugin with one setting, or one of those in it, changed.
fn changed(schema: &Value) -> Vec<Value> {
    let pool = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(50.0),
        json!(101),
        json!(0.5),
        json!(1e300),
        json!(""),
        json!("poll"),
        json!("10m"),
        json!([]),
        json!(["x"]),
        json!([1]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": 1}),
        json!({"url": "https://a"}),
    ];
    let good = json!({ "token": "1:a", "command": ["x"] });
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let least: Map<String, Value> = required
        .map(|name| (name.to_owned(), good[name].clone()))
        .collect();
    let defs = schema["$defs"].as_object().into_iter().flat_map(Map::values);
    let inner = defs
        .filter_map(|schema| schema["properties"].as_object())
        .flat_map(Map::keys);
    let inner: Vec<&String> = inner.collect();
    let names = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    let mut all = vec![json!({}), json!([]), Value::Object(least.clone())];
    for name in names.map(String::as_str).chain(["other"]) {
        for value in &pool {
            let nested = inner
                .iter()
                .map(|inner| json!({ (inner.as_str()): value, "url": "https://a" }));
            for value in nested.chain([value.clone()]) {
                let mut settings = least.clone();
                settings.insert(name.to_owned(), value);
                all.push(settings.into());
            }
        }
    }
    all
}

#[test]
fn settings_of_every_built_in_plugin_get_the_verdict_of_another_checker() {
    for plugin in crate::plugins::builtin::all() {
        let schema: Value = serde_json::from_str(&plugin.manifest.schema).unwrap();
        let all = changed(&schema);
        let good = all.iter().filter(|settings| {
            let (verdict, valid) = verdicts(&schema, settings);
            assert_eq!(
                (verdict.fits(), verdict.fails()),
                (valid, !valid),
                "{settings} for {schema}"
            );
            valid
        });
        let good = good.count();
        assert!(0 < good && good < all.len(), "{good} of {}", all.len());
    }
}

#[test]
fn what_cannot_be_judged_is_left_to_the_plugin() {
    for schema in [
        json!({"pattern": "^b"}),
        json!({"not": {"pattern": "a"}}),
        json!({"oneOf": [{"pattern": "^a"}, {"pattern": "a$"}]}),
        json!({"if": {"pattern": "^a"}, "then": false, "else": false}),
        json!({"anyOf": [{"pattern": "^b"}, {"type": "null"}]}),
        json!({"format": "ipv4"}),
        json!({"$ref": "#"}),
        json!({"not": {"$ref": "#"}}),
    ] {
        assert!(
            Schema(schema.clone()).faults(&json!("a")).unwrap().is_empty(),
            "{schema}"
        );
    }
    let schema = Schema(json!({"patternProperties": {"^x-": true}, "additionalProperties": false}));
    assert!(schema.faults(&json!({"x-a": 1, "b": 2})).unwrap().is_empty());
    let schema = Schema(json!({"contains": {"pattern": "b"}, "maxContains": 0}));
    assert!(schema.faults(&json!(["a"])).unwrap().is_empty());
}

#[test]
fn a_check_ends_however_a_schema_leads_on() {
    let mut defs = Map::new();
    for level in 0..64 {
        let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
        defs.insert(
            level.to_string(),
            json!({ "allOf": [next, next, {"anyOf": [next, next]}] }),
        );
    }
    defs.insert("64".to_owned(), json!(true));
    let doubling = json!({ "$ref": "#/$defs/0", "$defs": defs });
    let schema = Schema::read(&doubling.to_string()).unwrap();
    assert!(schema.faults(&json!(1)).err().unwrap().contains("too many steps"));

    let text = r##"{"items": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "type": "array"}"##;
    let mut deep = json!([]);
    for _ in 0..120 {
        deep = json!([deep]);
    }
    assert!(Schema::read(text).unwrap().faults(&deep).unwrap().is_empty());
    for _ in 0..1000 {
        deep = json!([deep]);
    }
    assert!(Schema::read(text).unwrap().faults(&deep).is_err());
}

#[test]
fn a_schema_that_is_none_is_told_its_place() {
    for (schema, told) in [
        (json!({"type": "text"}), "`#/type` must be `null`, `boolean`"),
        (
            json!({"properties": {"a": 1}}),
            "`#/properties/a` must be an object, `true` or `false`",
        ),
        (
            json!({"properties": []}),
            "`#/properties` must be an object of schemas",
        ),
        (
            json!({"$defs": {"a": {"required": "a"}}}),
            "`#/$defs/a/required` must be a list of names",
        ),
        (json!({"anyOf": []}), "`#/anyOf` must be a list of schemas"),
        (
            json!({"items": {"$ref": "#/$defs/none"}}),
            "`#/items/$ref` must lead to a place in this schema",
        ),
        (
            json!({"$ref": "#/x", "x": {"minLength": -1}}),
            "`#/x/minLength` must be a whole number from 0",
        ),
        (
            json!({"$ref": "https://example.com/s"}),
            "`#/$ref` must lead to a place in this schema",
        ),
        (
            json!({"multipleOf": 0}),
            "`#/multipleOf` must be a number greater than 0",
        ),
        (json!(7), "`#` must be an object"),
    ] {
        let reason = Schema::read(&schema.to_string()).err().unwrap_or_default();
        assert!(reason.starts_with(told), "{schema}: {reason}");
    }
    assert!(resolve(&json!({"a b": 1, "é": 2}), "#/a%20b").is_some());
    for none in ["#/a%2", "#/%zz", "#/%ff", "a", "#a"] {
        assert!(resolve(&json!({"a b": 1}), none).is_none(), "{none}");
    }
}

#[test]
fn every_fault_is_told_in_a_sentence() {
    for (schema, value, told) in [
        (json!(false), json!(1), "nothing is allowed here"),
        (
            json!({"minLength": 2}),
            json!("é"),
            "the value has fewer than 2 characters",
        ),
        (
            json!({"maxItems": 1}),
            json!([1, 2]),
            "the value has more than 1 item",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, 1.0]),
            "the value has an item more than once",
        ),
        (
            json!({"multipleOf": 0.1}),
            json!(0.25),
            "the value is not a multiple of 0.1",
        ),
        (
            json!({"exclusiveMaximum": 1}),
            json!(1),
            "the value is greater than or equal to the maximum of 1",
        ),
        (
            json!({"enum": [1, 2, 3]}),
            json!(4),
            "the value is not one of 1, 2 or 3",
        ),
        (json!({"enum": []}), json!(4), "the value is not one of none"),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            json!({"ab": 1}),
            "the key `ab` is not allowed: it has more than 1 character",
        ),
        (
            json!({"oneOf": [true, {"type": "null"}]}),
            json!(null),
            "the value has more than one of the forms of which it must have one",
        ),
        (
            json!({"not": {"type": "null"}}),
            json!(null),
            r#"the value has a form that is ruled out: {"type":"null"}"#,
        ),
        (
            json!({"contains": {"const": 1}}),
            json!([2]),
            r#"the value has less than 1 of the items that it must have: {"const":1}"#,
        ),
    ] {
        let schema = Schema(schema);
        let faults = schema.faults(&value).unwrap();
        let [
            Fault {
                kind: Kind::Other(sentence),
                ..
            },
        ] = &faults[..]
        else {
            panic!("{}", schema.0);
        };
        assert_eq!(sentence, told);
    }
}
