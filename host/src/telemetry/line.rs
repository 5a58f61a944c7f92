//! What a line looks like, for people and for machines.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::Level;

use super::Scrubber;
use super::clock::rfc3339;
use super::fields::Fields;
use super::scrub::{is_formatting, push_printable};
use crate::config::LogFormat;

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: LogFormat,
    pub(super) colour: bool,
}

pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) fields: &'a Fields,
    /// Outermost first.
    pub(super) spans: &'a [SpanPart],
}

pub(super) struct SpanPart {
    pub(super) name: &'static str,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Line<'_> {
    /// The line with its end, scrubbed and with nothing in it that could forge another one.
    pub(super) fn render(&self, style: Style, scrubber: &Scrubber) -> String {
        match style.format {
            LogFormat::Text => self.text(style.colour, scrubber),
            LogFormat::Json => self.json(scrubber),
        }
    }

    fn text(&self, colour: bool, scrubber: &Scrubber) -> String {
        let mut body = String::with_capacity(160);
        for span in self.spans {
            push_text(&mut body, span.name);
            if !span.fields.is_empty() {
                body.push('{');
                push_pairs(&mut body, &span.fields);
                body.push('}');
            }
            body.push(':');
        }
        if !self.spans.is_empty() {
            body.push(' ');
        }
        push_text(&mut body, self.target);
        body.push(':');
        if let Some(message) = &self.fields.message {
            body.push(' ');
            push_text(&mut body, message);
        }
        if !self.fields.list.is_empty() {
            body.push(' ');
            push_pairs(&mut body, &self.fields.list);
        }
        let (time, level, body) = (rfc3339(self.time), self.level, scrubber.scrub(&body));
        if colour {
            let paint = match level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                Level::TRACE => 35,
            };
            format!("\x1b[2m{time}\x1b[0m \x1b[{paint}m{level:>5}\x1b[0m {body}\n")
        } else {
            format!("{time} {level:>5} {body}\n")
        }
    }

    fn json(&self, scrubber: &Scrubber) -> String {
        let mut fields = Map::new();
        if let Some(message) = &self.fields.message {
            fields.insert("message".to_owned(), message.as_str().into());
        }
        extend(&mut fields, &self.fields.list);
        let mut spans = Vec::new();
        for span in self.spans {
            let mut object = Map::new();
            extend(&mut object, &span.fields);
            object.insert("name".to_owned(), span.name.into());
            spans.push(Value::Object(object));
        }
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), rfc3339(self.time).into());
        line.insert("level".to_owned(), self.level.as_str().into());
        line.insert("target".to_owned(), self.target.into());
        line.insert("fields".to_owned(), fields.into());
        if !spans.is_empty() {
            line.insert("spans".to_owned(), spans.into());
        }
        let text = Value::Object(line).to_string();
        let mut out = escape_json(&scrubber.scrub(&text));
        out.push('\n');
        out
    }
}

fn extend(object: &mut Map<String, Value>, fields: &[(&'static str, Value)]) {
    for (name, value) in fields {
        object.insert((*name).to_owned(), value.clone());
    }
}

/// Escapes what JSON itself leaves as it is.
fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if character.is_control() || is_formatting(character) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

fn push_text(out: &mut String, text: &str) {
    for character in text.chars() {
        push_printable(out, character);
    }
}

/// `key=value` pairs; a text that could be mistaken for more than one value stands in quotes.
fn push_pairs(out: &mut String, fields: &[(&'static str, Value)]) {
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        push_text(out, name);
        out.push('=');
        match value {
            Value::String(text) if is_plain(text) => push_text(out, text),
            Value::String(text) => push_quoted(out, text),
            // Numbers and truth values; writing to a String cannot fail.
            other => drop(write!(out, "{other}")),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '{' | '}'))
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        push_printable(out, character);
    }
    out.push('"');
}
