//! What a value should be that has several lawful forms, of which it has none.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Fault;
use serde_json::Value;

use super::super::errors::Problem;
use super::super::tree::Node;
use super::types;

/// One list of errors for each form.
type Branches = [Vec<ValidationError<'static>>];

/// The errors of the form that the value at `place` was meant to have: the first one of its type.
pub(super) fn meant<'a>(branches: &'a Branches, place: &str) -> Option<&'a [ValidationError<'static>]> {
    let is_other = |error: &ValidationError<'static>| {
        let whole = error.instance_path().as_str() == place;
        whole && matches!(error.kind(), Fault::Type { .. } | Fault::Constant { .. })
    };
    let meant = branches.iter().find(|errors| !errors.iter().any(is_other));
    meant.map(Vec::as_slice)
}

/// What is lawful where no form was meant.
pub(super) fn lawful(branches: &Branches, node: &Node) -> Option<Problem> {
    let faults = || branches.iter().flatten().map(ValidationError::kind);
    let constants = faults().filter_map(|fault| match fault {
        Fault::Constant { expected_value } => Some(Value::to_string(expected_value)),
        _ => None,
    });
    let constants: Vec<String> = constants.collect();
    if let Some(words) = either(&constants) {
        return Some(Problem::Settings(format!("the value is not one of {words}")));
    }
    let mut names: Vec<String> = Vec::new();
    for fault in faults() {
        if let Fault::Type { kind } = fault {
            names.push(types(kind));
        }
    }
    names.dedup();
    Some(Problem::Type {
        expected: either(&names)?,
        found: node.kind().into(),
    })
}

/// `a, b or c`.
fn either(words: &[String]) -> Option<String> {
    match words {
        [] => None,
        [only] => Some(only.clone()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}
