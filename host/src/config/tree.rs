//! Values that remember where they come from.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Number, Value};

use super::credentials;
use super::errors::Origin;

/// A JSON value with its origin. Has no `Debug`: it may hold a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) data: Data,
    /// Its text is a secret, and final: no reference is looked for in it.
    pub(super) secret: bool,
}

#[derive(Clone)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Object),
}

pub(super) type Object = BTreeMap<String, Member>;

#[derive(Clone)]
pub(super) struct Member {
    /// Where the key itself stands.
    pub(super) key: Origin,
    pub(super) node: Node,
}

pub(super) const REDACTED: &str = "[redacted]";

impl Node {
    pub(super) fn new(origin: Origin, data: Data) -> Self {
        Self {
            origin,
            data,
            secret: false,
        }
    }

    pub(super) fn text_of(origin: Origin, text: impl Into<String>) -> Self {
        Self::new(origin, Data::Text(text.into()))
    }

    pub(super) fn object_of(origin: Origin) -> Self {
        Self::new(origin, Data::Object(Object::new()))
    }

    pub(super) fn from_value(origin: &Origin, value: Value) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(flag) => Data::Bool(flag),
            Value::Number(number) => Data::Number(number),
            Value::String(text) => Data::Text(text),
            Value::Array(list) => Data::List(list.into_iter().map(|v| Self::from_value(origin, v)).collect()),
            Value::Object(map) => Data::Object(
                map.into_iter()
                    .map(|(name, value)| (name, Member::new(Self::from_value(origin, value))))
                    .collect(),
            ),
        };
        Self::new(origin.clone(), data)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.object()?.get(name).map(|member| &member.node)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.object_mut()?.get_mut(name).map(|member| &mut member.node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(list) => Some(list),
            _ => None,
        }
    }

    pub(super) fn object(&self) -> Option<&Object> {
        match &self.data {
            Data::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn object_mut(&mut self) -> Option<&mut Object> {
        match &mut self.data {
            Data::Object(object) => Some(object),
            _ => None,
        }
    }

    /// What it is, for an error: never the value itself.
    pub(super) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "null",
            Data::Bool(_) => "true or false",
            Data::Number(_) => "a number",
            Data::Text(text) if text.is_empty() => "an empty text",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Object(_) => "an object",
        }
    }

    /// The bare value, secrets included.
    pub(super) fn to_value(&self) -> Value {
        self.value_with(&|_| None)
    }

    /// The bare value, `[redacted]` in place of secrets, and of what opens an address.
    pub(super) fn to_redacted(&self) -> Value {
        self.value_with(&|node| match node.secret {
            true => Some(REDACTED.into()),
            false => Some(credentials::redacted(node.text()?)?.into()),
        })
    }

    fn value_with(&self, replace: &dyn Fn(&Node) -> Option<Value>) -> Value {
        if let Some(value) = replace(self) {
            return value;
        }
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(flag) => (*flag).into(),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => text.as_str().into(),
            Data::List(list) => list.iter().map(|node| node.value_with(replace)).collect(),
            Data::Object(object) => Value::Object(
                object
                    .iter()
                    .map(|(name, member)| (name.clone(), member.node.value_with(replace)))
                    .collect(),
            ),
        }
    }

    /// Lays `over` on this value: objects merge key by key, everything else is replaced. `replaced` hears of each
    /// value that goes: its key, itself, what comes instead.
    pub(super) fn overlay(&mut self, over: Node, key: &str, replaced: &mut dyn FnMut(&str, &Node, &Node)) {
        let (origin, secret) = (over.origin, over.secret);
        match (&mut self.data, over.data) {
            (Data::Object(below), Data::Object(above)) => {
                for (name, member) in above {
                    match below.entry(name) {
                        Entry::Vacant(place) => {
                            place.insert(member);
                        }
                        Entry::Occupied(mut place) => {
                            let key = join(key, place.key());
                            place.get_mut().node.overlay(member.node, &key, replaced);
                        }
                    }
                }
            }
            (_, data) => {
                let node = Node { origin, data, secret };
                replaced(key, self, &node);
                *self = node;
            }
        }
    }

    /// Wraps this value so that it stands at `path`.
    pub(super) fn under(self, path: &[String]) -> Node {
        path.iter().rev().fold(self, |node, name| {
            let origin = node.origin.clone();
            let object = Object::from([(name.clone(), Member::new(node))]);
            Node::new(origin, Data::Object(object))
        })
    }
}

impl Member {
    /// A member whose key has no place of its own.
    pub(super) fn new(node: Node) -> Self {
        Self {
            key: node.origin.clone(),
            node,
        }
    }
}

/// `a.b` of `a` and `b`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
