//! Holds a value against a schema, keyword by keyword.

use serde_json::{Map, Value};

use super::fault::{Kind, Verdict};
use super::{plain, resolve};

/// A value of 128 levels, each by way of a reference, one of several forms, and a reference.
const MAX_DEPTH: usize = 512;
/// Schemas that branch and meet again make work that doubles with each of them.
const MAX_STEPS: usize = 1_000_000;

pub(super) struct Walk<'s> {
    root: &'s Value,
    /// Each schema under way, with its value.
    under_way: Vec<(*const Value, *const Value)>,
    steps: usize,
    /// Depth or steps ran out; no verdict counts.
    pub(super) exhausted: bool,
}

/// The rules that one value is held against.
#[derive(Clone, Copy)]
pub(super) struct Site<'s, 'v> {
    pub(super) rules: &'s Map<String, Value>,
    pub(super) value: &'v Value,
    pub(super) place: &'v str,
}

impl<'s> Walk<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self {
            root,
            under_way: Vec::new(),
            steps: 0,
            exhausted: false,
        }
    }

    pub(super) fn apply(&mut self, schema: &'s Value, value: &Value, place: &str) -> Verdict<'s> {
        let rules = match schema {
            Value::Object(rules) => rules,
            Value::Bool(false) => {
                return Verdict::unless(false, place, || "nothing is allowed here".to_owned());
            }
            _ => return Verdict::default(),
        };
        let step = (std::ptr::from_ref(schema), std::ptr::from_ref(value));
        if self.under_way.contains(&step) {
            return Verdict::UNSURE;
        }
        self.steps += 1;
        if self.steps > MAX_STEPS || self.under_way.len() >= MAX_DEPTH {
            self.exhausted = true;
            return Verdict::UNSURE;
        }
        self.under_way.push(step);
        let site = Site { rules, value, place };
        let mut verdict = Verdict::default();
        for (keyword, rule) in rules {
            verdict.join(self.keyword(keyword, rule, site));
        }
        self.under_way.pop();
        verdict
    }

    fn keyword(&mut self, keyword: &str, rule: &'s Value, site: Site<'s, '_>) -> Verdict<'s> {
        let Site { value, place, .. } = site;
        match (keyword, rule) {
            ("$ref", Value::String(reference)) => match resolve(self.root, reference) {
                Some(schema) => self.apply(schema, value, place),
                None => Verdict::UNSURE,
            },
            ("$dynamicRef", _) => Verdict::UNSURE,
            ("allOf", Value::Array(schemas)) => {
                let verdicts = schemas.iter().map(|schema| self.apply(schema, value, place));
                verdicts.collect()
            }
            ("anyOf" | "oneOf", Value::Array(schemas)) => self.forms(keyword, schemas, site),
            ("not", schema) => self.not(schema, site),
            ("if", schema) => self.condition(schema, site),
            _ => {
                let mut verdict = plain::check(keyword, rule, value, place);
                match value {
                    Value::Object(members) => verdict.join(self.object(keyword, rule, members, site)),
                    Value::Array(items) => verdict.join(self.list(keyword, rule, items, site)),
                    _ => {}
                }
                verdict
            }
        }
    }

    fn forms(&mut self, keyword: &str, schemas: &'s [Value], site: Site<'s, '_>) -> Verdict<'s> {
        let Site { value, place, .. } = site;
        let forms = schemas.iter().map(|schema| self.apply(schema, value, place));
        let forms: Vec<Verdict<'s>> = forms.collect();
        let fitting = forms.iter().filter(|form| form.fits()).count();
        if forms.iter().all(Verdict::fails) {
            let faults = forms.into_iter().map(|form| form.faults);
            return Verdict::fault(place, Kind::Forms(faults.collect()));
        }
        if keyword == "anyOf" {
            return Verdict {
                unsure: fitting == 0,
                ..Verdict::default()
            };
        }
        let mut verdict = Verdict::unless(fitting < 2, place, || {
            "the value has more than one of the forms of which it must have one".to_owned()
        });
        verdict.unsure = forms.iter().any(|form| !form.fits() && !form.fails());
        verdict
    }

    fn not(&mut self, schema: &'s Value, site: Site<'s, '_>) -> Verdict<'s> {
        let inner = self.apply(schema, site.value, site.place);
        let mut verdict = Verdict::unless(!inner.fits(), site.place, || {
            format!("the value has a form that is ruled out: {schema}")
        });
        verdict.unsure = inner.unsure && !inner.fails();
        verdict
    }

    fn condition(&mut self, schema: &'s Value, site: Site<'s, '_>) -> Verdict<'s> {
        let condition = self.apply(schema, site.value, site.place);
        let follows = match (condition.fits(), condition.fails()) {
            (true, _) => "then",
            (_, true) => "else",
            _ => return Verdict::UNSURE,
        };
        match site.rules.get(follows) {
            Some(schema) => self.apply(schema, site.value, site.place),
            None => Verdict::default(),
        }
    }
}
