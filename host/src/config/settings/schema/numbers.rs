//! Numbers as JSON Schema takes them: by their value, however they are written.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Below it a float that is whole has an exact integer.
const LARGEST_EXACT: f64 = 1e30;

/// The value, each number in it in its simplest form, so that `==` tells what is equal.
pub(super) fn simplest(value: &Value) -> Value {
    match value {
        Value::Number(number) => match integer(number) {
            Some(integer) => match (i64::try_from(integer), u64::try_from(integer)) {
                (Ok(integer), _) => integer.into(),
                (_, Ok(integer)) => integer.into(),
                _ => value.clone(),
            },
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(simplest).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (name.clone(), simplest(member)))
                .collect(),
        ),
        other => other.clone(),
    }
}

pub(super) fn whole(number: &Number) -> bool {
    number.as_f64().is_some_and(|float| float.fract() == 0.0) || !number.is_f64()
}

/// A bound of sizes.
pub(super) fn limit(rule: &Value) -> Option<u64> {
    let integer = integer(rule.as_number()?)?;
    Some(u64::try_from(integer).unwrap_or(u64::MAX))
}

pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        return left.cmp(&right);
    }
    // Where one has a fraction both are far from what a float cannot tell apart.
    let (left, right) = (left.as_f64(), right.as_f64());
    left.partial_cmp(&right).unwrap_or(Ordering::Equal)
}

/// `None` where floats are too coarse to tell.
pub(super) fn is_multiple(number: &Number, factor: &Number) -> Option<bool> {
    const COARSE: f64 = 1e15;
    if let (Some(number), Some(factor)) = (integer(number), integer(factor)) {
        return number.checked_rem(factor).map(|rest| rest == 0);
    }
    let ratio = number.as_f64()? / factor.as_f64()?;
    // 0.3 is three times 0.1 to whoever wrote it, and not quite to a float.
    let off = (ratio - ratio.round()).abs();
    (ratio.abs() < COARSE).then_some(off <= ratio.abs() * 4.0 * f64::EPSILON)
}

fn integer(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i64() {
        return Some(integer.into());
    }
    if let Some(integer) = number.as_u64() {
        return Some(integer.into());
    }
    let float = number.as_f64()?;
    let exact = float.fract() == 0.0 && float.abs() < LARGEST_EXACT;
    exact.then_some(float as i128)
}
