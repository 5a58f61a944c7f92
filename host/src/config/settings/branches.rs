//! What a value should be that has several lawful forms, of which it has none.

use serde_json::Value;

use super::super::errors::Problem;
use super::super::tree::Node;
use super::schema::{Fault, Kind};
use super::types;

/// One list of faults for each form.
type Branches<'s> = [Vec<Fault<'s>>];

/// The faults of the form that the value at `place` was meant to have: the first one of its type.
pub(super) fn meant<'a, 's>(branches: &'a Branches<'s>, place: &str) -> Option<&'a [Fault<'s>]> {
    let is_other =
        |fault: &Fault<'s>| fault.place == place && matches!(fault.kind, Kind::Type(_) | Kind::Const(_));
    let meant = branches.iter().find(|faults| !faults.iter().any(is_other));
    meant.map(Vec::as_slice)
}

/// What is lawful where no form was meant.
pub(super) fn lawful(branches: &Branches<'_>, node: &Node) -> Option<Problem> {
    let faults = || branches.iter().flatten().map(|fault| &fault.kind);
    let constants = faults().filter_map(|fault| match fault {
        Kind::Const(expected) => Some(Value::to_string(expected)),
        _ => None,
    });
    let constants: Vec<String> = constants.collect();
    if let Some(words) = either(&constants) {
        return Some(Problem::Settings(format!("the value is not one of {words}")));
    }
    let names = faults().filter_map(|fault| match fault {
        Kind::Type(names) => Some(types(names)),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.dedup();
    Some(Problem::Type {
        expected: either(&names)?,
        found: node.kind().into(),
    })
}

/// `a, b or c`.
pub(super) fn either(words: &[String]) -> Option<String> {
    match words {
        [] => None,
        [only] => Some(only.clone()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}
