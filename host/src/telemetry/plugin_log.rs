//! Makes the events of a plugin events of this process, so that filters, levels and formats hold for them.

mod callsite;

use std::fmt::Write as _;
use std::sync::Arc;

use miniclaw_plugin_api::abi::LogRecord;
use serde_json::{Map, Value};
use tracing::field::Value as FieldValue;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Event, Level, Span};

use callsite::{CALLSITES, Callsites, Key};

/// Fields of an event that stay by themselves; what is beyond is one text. `tracing` has room for 32.
const MAX_FIELDS: usize = 28;

/// The log of one instance.
#[derive(Clone)]
pub(crate) struct PluginLog {
    /// Called directly: the event of a built-in plugin arrives while `tracing` handles the event on its own
    /// thread, where everything that goes through the default dispatcher is dropped.
    dispatch: Dispatch,
    instance: Arc<str>,
    span: Span,
    callsites: &'static Callsites,
}

impl PluginLog {
    /// The log of an instance. Its events have `span` around them, which may be disabled.
    pub(crate) fn new(instance: &str, span: Span) -> Self {
        Self {
            dispatch: tracing::dispatcher::get_default(Dispatch::clone),
            instance: instance.into(),
            span,
            callsites: &CALLSITES,
        }
    }

    /// Logs a plugin's event, where the filter lets it pass.
    pub(crate) fn record(&self, record: &LogRecord) {
        // Before anything is read of a record that nobody wants.
        if level(record.level) > LevelFilter::current() {
            return;
        }
        let fields = Split::parse(&record.fields);
        let spans = describe_spans(&record.spans);
        let (names, values) = fields.with(&self.instance, spans);
        let key = Key {
            level: level(record.level),
            target: &record.target,
            file: &record.file,
            line: record.line,
            names: &names,
        };
        let (metadata, complete) = self.callsites.metadata(&key);
        if !self.dispatch.enabled(metadata) {
            return;
        }
        let folded = (!complete).then(|| fold(&names, &values));
        let instance = &*self.instance;
        let mut list: Vec<Option<&dyn FieldValue>> = Vec::with_capacity(values.len());
        match &folded {
            None => list.extend(values.iter().map(|value| Some(value.as_field()))),
            Some((message, rest)) => list.extend([
                Some(message as &dyn FieldValue),
                Some(&instance as &dyn FieldValue),
                Some(rest as &dyn FieldValue),
            ]),
        }
        let set = metadata.fields().value_set_all(&list);
        self.dispatch
            .event(&Event::new_child_of(self.span.id(), metadata, &set));
    }
}

/// A value as `tracing` takes it.
enum Typed {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Truth(bool),
    Text(String),
}

impl Typed {
    fn as_field(&self) -> &dyn FieldValue {
        match self {
            Self::Unsigned(value) => value,
            Self::Signed(value) => value,
            Self::Float(value) => value,
            Self::Truth(value) => value,
            Self::Text(value) => value,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Unsigned(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Truth(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl From<Value> for Typed {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(value) => Self::Truth(value),
            Value::String(text) => Self::Text(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => Self::Unsigned(value),
                (_, Some(value), _) => Self::Signed(value),
                (.., Some(value)) => Self::Float(value),
                _ => Self::Text(number.to_string()),
            },
            other => Self::Text(other.to_string()),
        }
    }
}

/// The fields of a record: the message, those that stay by themselves, and the rest.
struct Split {
    message: Value,
    fields: Map<String, Value>,
    rest: Map<String, Value>,
}

impl Split {
    fn parse(json: &str) -> Self {
        let mut fields = match serde_json::from_str(json) {
            Ok(Value::Object(fields)) => fields,
            // What cannot be read is shown as it is.
            _ => Map::from_iter([("message".to_owned(), Value::String(json.to_owned()))]),
        };
        let message = fields.remove("message").unwrap_or_else(|| "".into());
        let rest = if fields.len() > MAX_FIELDS {
            let names: Vec<String> = fields.keys().skip(MAX_FIELDS).cloned().collect();
            names
                .into_iter()
                .filter_map(|name| fields.remove_entry(&name))
                .collect()
        } else {
            Map::new()
        };
        Self {
            message,
            fields,
            rest,
        }
    }

    /// Names and values in the order of the line.
    fn with(self, instance: &str, spans: String) -> (Vec<String>, Vec<Typed>) {
        let mut names = vec!["message".to_owned(), "plugin".to_owned()];
        let mut values = vec![Typed::from(self.message), Typed::Text(instance.to_owned())];
        for (name, value) in self.fields {
            // The host's own words cannot be forged.
            let taken = matches!(name.as_str(), "plugin" | "spans" | "more") || name.starts_with("log.");
            names.push(if taken { format!("_{name}") } else { name });
            values.push(value.into());
        }
        if !self.rest.is_empty() {
            names.push("more".to_owned());
            values.push(Typed::Text(Value::Object(self.rest).to_string()));
        }
        if !spans.is_empty() {
            names.push("spans".to_owned());
            values.push(Typed::Text(spans));
        }
        (names, values)
    }
}

/// Everything but message and instance in one text, for the callsites that stand in for all others.
fn fold(names: &[String], values: &[Typed]) -> (String, String) {
    let message = values.first().map(Typed::to_text).unwrap_or_default();
    let mut rest = String::new();
    for (name, value) in names.iter().zip(values).skip(2) {
        // Writing to a String cannot fail.
        let _ = write!(rest, "{name}={} ", value.to_text());
    }
    (message, rest.trim_end().to_owned())
}

/// `outer{key=value}:inner` from the JSON of a record.
fn describe_spans(json: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Part {
        name: String,
        #[serde(default)]
        fields: Map<String, Value>,
    }
    if json.is_empty() {
        return String::new();
    }
    let Ok(parts) = serde_json::from_str::<Vec<Part>>(json) else {
        return json.to_owned();
    };
    let described: Vec<String> = parts
        .into_iter()
        .map(|part| {
            let pairs: Vec<String> = part
                .fields
                .into_iter()
                .map(|(name, value)| format!("{name}={}", Typed::from(value).to_text()))
                .collect();
            match pairs.is_empty() {
                true => part.name,
                false => format!("{}{{{}}}", part.name, pairs.join(" ")),
            }
        })
        .collect();
    described.join(":")
}

fn level(number: u8) -> Level {
    match number {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

#[cfg(test)]
impl PluginLog {
    /// One that keeps at most `limit` descriptions.
    pub(super) fn with_limit(instance: &str, limit: usize) -> Self {
        Self {
            callsites: Box::leak(Box::new(Callsites::new(limit))),
            ..Self::new(instance, Span::none())
        }
    }
}
