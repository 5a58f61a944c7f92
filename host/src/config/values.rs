//! The configuration as a list of values with their origins, for people to read.

use serde_json::Value;

use super::errors::Origin;
use super::tree::{Data, Node, join};

/// One value in effect.
#[derive(Debug)]
pub(crate) struct Effective {
    /// Dotted path.
    pub(crate) key: String,
    /// `[redacted]` in place of secrets.
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Lists the leaves of a tree by key; lists of plain values and empty objects are leaves.
pub(super) fn flatten(root: &Node) -> Vec<Effective> {
    let mut values = Vec::new();
    walk(root, "", &mut values);
    values
}

fn walk(node: &Node, key: &str, values: &mut Vec<Effective>) {
    match &node.data {
        Data::Object(object) if !object.is_empty() => {
            for (name, member) in object {
                walk(&member.node, &join(key, name), values);
            }
        }
        Data::List(list) if list.iter().any(|node| node.object().is_some()) => {
            for (index, node) in list.iter().enumerate() {
                walk(node, &format!("{key}[{index}]"), values);
            }
        }
        _ => values.push(Effective {
            key: key.to_owned(),
            value: node.to_redacted(),
            origin: node.origin.clone(),
        }),
    }
}
