//! What a schema says of the items of a list.

use std::collections::HashSet;

use serde_json::Value;

use super::fault::Verdict;
use super::numbers::{limit, simplest};
use super::walk::{Site, Walk};

impl<'s> Walk<'s> {
    pub(super) fn list(
        &mut self,
        keyword: &str,
        rule: &'s Value,
        items: &[Value],
        site: Site<'s, '_>,
    ) -> Verdict<'s> {
        let length = |keyword| site.rules.get(keyword).and_then(Value::as_array).map(Vec::len);
        match (keyword, rule) {
            // Drafts before 2020-12 call them `items`, and the rest `additionalItems`.
            ("prefixItems" | "items", Value::Array(schemas)) => {
                let places = items.iter().zip(schemas).enumerate();
                places
                    .map(|(index, (item, schema))| self.apply(schema, item, &at(site.place, index)))
                    .collect()
            }
            ("items", _) => self.rest(rule, items, length("prefixItems").unwrap_or(0), site.place),
            ("additionalItems", _) => match length("items") {
                Some(first) => self.rest(rule, items, first, site.place),
                None => Verdict::default(),
            },
            ("contains", _) => self.contains(rule, items, site),
            ("unevaluatedItems", _) => Verdict::UNSURE,
            ("uniqueItems", Value::Bool(true)) => {
                let mut seen = HashSet::new();
                let unique = items.iter().all(|item| seen.insert(simplest(item)));
                Verdict::unless(unique, site.place, || {
                    "the value has an item more than once".to_owned()
                })
            }
            _ => Verdict::default(),
        }
    }

    fn rest(&mut self, schema: &'s Value, items: &[Value], first: usize, place: &str) -> Verdict<'s> {
        let rest = items.iter().enumerate().skip(first);
        rest.map(|(index, item)| self.apply(schema, item, &at(place, index)))
            .collect()
    }

    fn contains(&mut self, schema: &'s Value, items: &[Value], site: Site<'s, '_>) -> Verdict<'s> {
        let limit = |keyword| site.rules.get(keyword).and_then(limit);
        let least = limit("minContains").unwrap_or(1);
        let most = limit("maxContains").unwrap_or(u64::MAX);
        let verdicts = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.apply(schema, item, &at(site.place, index)));
        let (mut sure, mut possible) = (0, 0);
        for verdict in verdicts {
            sure += u64::from(verdict.fits());
            possible += u64::from(!verdict.fails());
        }
        let mut verdict = Verdict::unless(possible >= least, site.place, || {
            format!("the value has less than {least} of the items that it must have: {schema}")
        });
        verdict.join(Verdict::unless(sure <= most, site.place, || {
            format!("the value has more than {most} of such items: {schema}")
        }));
        verdict.unsure = sure < least || possible > most;
        verdict
    }
}

fn at(place: &str, index: usize) -> String {
    format!("{place}/{index}")
}
