//! The fields of an event or a span, with their types.

use std::fmt::Debug;

use serde_json::Value;
use tracing::field::{Field, Visit};

use super::Scrubber;

/// Longer texts are cut; a line is for reading.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Fields in the order of recording; the message apart.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: Option<String>,
    pub(super) list: Vec<(&'static str, Value)>,
}

/// Fills [`Fields`].
pub(super) struct Collect<'a> {
    pub(super) fields: &'a mut Fields,
    pub(super) scrubber: &'a Scrubber,
}

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // `tracing-log` passes the place of a `log` record as such fields; it is in the metadata as well.
        if name.starts_with("log.") {
            return;
        }
        match (name, value) {
            ("message", Value::String(text)) => self.fields.message = Some(text),
            ("message", other) => self.fields.message = Some(other.to_string()),
            (_, value) => match self.fields.list.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.fields.list.push((name, value)),
            },
        }
    }

    fn put_text(&mut self, field: &Field, mut text: String) {
        if text.len() > MAX_TEXT_BYTES {
            // Scrubbed first: half a secret at the cut would not be found later.
            text = self.scrubber.scrub(&text).into_owned();
            text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
            text.push('…');
        }
        self.put(field, Value::String(text));
    }
}

impl Visit for Collect<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities; as text they survive.
        match serde_json::Number::from_f64(value) {
            Some(number) => self.put(field, Value::Number(number)),
            None => self.put(field, Value::String(value.to_string())),
        }
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value.to_owned());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put_text(field, value.to_string());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, format!("{value:?}"));
    }
}
