//! JSON Schema, draft 2020-12, as far as it needs no regular expressions. What cannot be judged without is left to the
//! plugin: nothing is refused for it.

mod fault;
mod lists;
mod numbers;
mod objects;
mod plain;
mod shape;
mod walk;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub(super) use fault::{Fault, Kind};
use walk::Walk;

/// A schema that was looked over.
pub(super) struct Schema(Value);

impl Schema {
    /// # Errors
    /// Why the text is no schema.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        shape::check(&root)?;
        Ok(Self(root))
    }

    /// What is wrong with a value.
    ///
    /// # Errors
    /// The schema asks for more work than a check may make.
    pub(super) fn faults(&self, value: &Value) -> Result<Vec<Fault<'_>>, String> {
        let mut walk = Walk::new(&self.0);
        let verdict = walk.apply(&self.0, value, "");
        match walk.exhausted {
            true => Err("it takes too many steps to check".to_owned()),
            false => Ok(verdict.faults),
        }
    }
}

/// What `$ref` means: a place in the same document.
fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let bytes = reference.strip_prefix('#')?.as_bytes();
    let mut pointer = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
            pointer.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            pointer.push(byte);
            at += 1;
        }
    }
    root.pointer(std::str::from_utf8(&pointer).ok()?)
}
