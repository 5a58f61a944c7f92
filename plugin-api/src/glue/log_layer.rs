//! Carries the plugin's log to the host: level, place, typed fields, spans.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::abi::LogRecord;
use crate::link::HostLink;

/// Forwards what the plugin logs.
#[derive(Clone)]
pub(crate) struct Forwarder {
    dispatch: Dispatch,
    level: Arc<AtomicU8>,
}

impl Forwarder {
    pub(crate) fn new(link: Arc<HostLink>, level: u8) -> Self {
        let level = Arc::new(AtomicU8::new(level));
        let layer = ForwardLayer {
            link,
            level: level.clone(),
        };
        Self {
            dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)),
            level,
        }
    }

    /// Makes this the log of the calling thread until it ends, and, in a library, of the author's own threads.
    pub(crate) fn install(&self, library: bool) {
        if library {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                // Both fail only where the author installed one of their own, which is theirs to do.
                let _ = tracing_log::LogTracer::init();
                let _ = tracing::dispatcher::set_global_default(self.dispatch.clone());
                std::panic::set_hook(Box::new(log_panic));
            });
        }
        std::mem::forget(tracing::dispatcher::set_default(&self.dispatch));
    }

    pub(crate) fn set_level(&self, level: u8) {
        self.level.store(level, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Says where it happened; what a guarded panic leads to is told by the host, of others nobody else tells.
fn log_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let message = info.payload_as_str().unwrap_or("no message");
    tracing::error!(
        place,
        thread = thread.name().unwrap_or_default(),
        message,
        "Plugin panicked"
    );
}

struct ForwardLayer {
    link: Arc<HostLink>,
    level: Arc<AtomicU8>,
}

struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ForwardLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        number(*metadata.level()) <= self.level.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Map::new();
        event.record(&mut Collect(&mut fields));
        if normalized.is_some() {
            fields.retain(|name, _| !name.starts_with("log."));
        }
        self.link.log(LogRecord {
            level: number(*metadata.level()),
            line: metadata.line().unwrap_or_default(),
            target: metadata.target().into(),
            file: metadata.file().unwrap_or_default().into(),
            fields: Value::Object(fields).to_string().into(),
            spans: spans(event, &context).into(),
        });
    }
}

fn spans<S: Subscriber + for<'a> LookupSpan<'a>>(event: &Event<'_>, context: &Context<'_, S>) -> String {
    let Some(scope) = context.event_scope(event) else {
        return String::new();
    };
    let list: Vec<Value> = scope
        .from_root()
        .map(|span| {
            let extensions = span.extensions();
            let fields = extensions
                .get::<SpanFields>()
                .map(|SpanFields(fields)| fields.clone());
            serde_json::json!({ "name": span.name(), "fields": fields.unwrap_or_default() })
        })
        .collect();
    Value::Array(list).to_string()
}

/// 1 error … 5 trace.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

struct Collect<'a>(&'a mut Map<String, Value>);

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collect<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        // Writing to a String fails only where the author's Debug does; what was written until then stands.
        let _ = write!(text, "{value:?}");
        self.put(field, text);
    }
}
