//! What a schema says of the members of an object.

use serde_json::{Map, Value};

use super::super::super::errors::shown;
use super::fault::{Kind, Verdict};
use super::walk::{Site, Walk};

type Object = Map<String, Value>;

impl<'s> Walk<'s> {
    pub(super) fn object(
        &mut self,
        keyword: &str,
        rule: &'s Value,
        members: &Object,
        site: Site<'s, '_>,
    ) -> Verdict<'s> {
        let Site { value, place, .. } = site;
        match (keyword, rule) {
            ("properties", Value::Object(schemas)) => {
                let known = schemas
                    .iter()
                    .filter_map(|(name, schema)| Some((name, schema, members.get(name)?)));
                known
                    .map(|(name, schema, member)| self.apply(schema, member, &below(place, name)))
                    .collect()
            }
            ("additionalProperties", _) => self.additional(rule, members, site),
            ("propertyNames", _) => self.names(rule, members, place),
            ("patternProperties" | "unevaluatedProperties", _) => Verdict::UNSURE,
            ("required", Value::Array(names)) => missing(names, members, place),
            ("dependentRequired", Value::Object(lists)) => {
                let present = lists.iter().filter(|(name, _)| members.contains_key(*name));
                let lists = present.filter_map(|(_, names)| names.as_array());
                lists.map(|names| missing(names, members, place)).collect()
            }
            ("dependentSchemas", Value::Object(schemas)) => {
                let present = schemas.iter().filter(|(name, _)| members.contains_key(*name));
                present
                    .map(|(_, schema)| self.apply(schema, value, place))
                    .collect()
            }
            _ => Verdict::default(),
        }
    }

    fn additional(&mut self, schema: &'s Value, members: &Object, site: Site<'s, '_>) -> Verdict<'s> {
        let object = |keyword| site.rules.get(keyword).and_then(Value::as_object);
        if object("patternProperties").is_some_and(|patterns| !patterns.is_empty()) {
            return Verdict::UNSURE;
        }
        let known = object("properties");
        let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
        let others = members.iter().filter(|(name, _)| !is_known(name));
        others
            .map(|(name, member)| match schema {
                Value::Bool(false) => {
                    let name = name.clone();
                    let known = known.into_iter().flat_map(Map::keys).map(String::as_str);
                    let known = known.collect();
                    Verdict::fault(site.place, Kind::Unknown { name, known })
                }
                _ => self.apply(schema, member, &below(site.place, name)),
            })
            .collect()
    }

    fn names(&mut self, schema: &'s Value, members: &Object, place: &str) -> Verdict<'s> {
        let mut all = Verdict::default();
        for name in members.keys() {
            let verdict = self.apply(schema, &Value::String(name.clone()), place);
            all.unsure |= verdict.unsure;
            for fault in verdict.faults {
                let reason = match fault.kind {
                    Kind::Other(sentence) => sentence.replacen("the value", ": it", 1),
                    _ => String::new(),
                };
                let sentence = format!("the key `{}` is not allowed{reason}", shown(name));
                all.join(Verdict::fault(place, Kind::Other(sentence)));
            }
        }
        all
    }
}

fn missing<'s>(names: &'s [Value], members: &Object, place: &str) -> Verdict<'s> {
    let names = names.iter().filter_map(Value::as_str);
    names
        .filter(|name| !members.contains_key(*name))
        .map(|name| Verdict::fault(place, Kind::Missing(name)))
        .collect()
}

/// The JSON pointer to a member.
fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}
