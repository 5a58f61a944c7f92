//! What a line looks like, for people and for machines.

use std::borrow::Cow;
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

/// A line without its time and its level.
pub(super) struct Parts {
    /// With their end, where there are any.
    pub(super) spans: String,
    pub(super) target: String,
    /// Message and fields.
    pub(super) said: String,
}

impl Parts {
    pub(super) fn text(&self, line: &Line<'_>, colour: bool) -> String {
        let Self { spans, target, said } = self;
        let (time, level) = (rfc3339(line.time), line.level);
        let gap = if said.is_empty() { "" } else { " " };
        if colour {
            let paint = match level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                Level::TRACE => 35,
            };
            format!("\x1b[2m{time}\x1b[0m \x1b[{paint}m{level:>5}\x1b[0m {spans}{target}:{gap}{said}\n")
        } else {
            format!("{time} {level:>5} {spans}{target}:{gap}{said}\n")
        }
    }
}

impl Line<'_> {
    /// The line with its end, scrubbed and with nothing in it that could forge another one.
    pub(super) fn render(&self, style: Style, scrubber: &Scrubber) -> String {
        match style.format {
            LogFormat::Text => self.parts(scrubber).text(self, style.colour),
            LogFormat::Json => self.json(scrubber),
        }
    }

    /// What a text line is made of, scrubbed.
    pub(super) fn parts(&self, scrubber: &Scrubber) -> Parts {
        let mut spans = String::new();
        for span in self.spans {
            push_text(&mut spans, span.name);
            if !span.fields.is_empty() {
                spans.push('{');
                push_pairs(&mut spans, &span.fields);
                spans.push('}');
            }
            spans.push(':');
        }
        if !self.spans.is_empty() {
            spans.push(' ');
        }
        let mut target = String::with_capacity(self.target.len());
        push_text(&mut target, self.target);
        let mut said = String::with_capacity(160);
        if let Some(message) = &self.fields.message {
            push_text(&mut said, message);
        }
        if !self.fields.list.is_empty() {
            if !said.is_empty() {
                said.push(' ');
            }
            push_pairs(&mut said, &self.fields.list);
        }
        Parts {
            spans: scrubbed(spans, scrubber),
            target: scrubbed(target, scrubber),
            said: scrubbed(said, scrubber),
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

fn scrubbed(text: String, scrubber: &Scrubber) -> String {
    match scrubber.scrub(&text) {
        Cow::Owned(scrubbed) => scrubbed,
        Cow::Borrowed(_) => text,
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
