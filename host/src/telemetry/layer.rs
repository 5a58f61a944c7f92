//! Turns events into lines and writes each with one call.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Scrubber;
use super::fields::{Collect, Fields};
use super::line::{Line, SpanPart, Style};
use super::recent::{self, Logged};
use crate::config::LogFormat;

pub(super) struct LogLayer {
    out: Mutex<Box<dyn Write + Send>>,
    scrubber: Arc<Scrubber>,
    style: Style,
    now: fn() -> SystemTime,
    /// Its lines can be asked for later.
    keeps: bool,
}

impl LogLayer {
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        scrubber: Arc<Scrubber>,
        style: Style,
        now: fn() -> SystemTime,
    ) -> Self {
        Self {
            out: Mutex::new(out),
            scrubber,
            style,
            now,
            keeps: false,
        }
    }

    /// The layer of this process's own log.
    pub(super) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    fn collect<'a>(&'a self, fields: &'a mut Fields) -> Collect<'a> {
        Collect {
            fields,
            scrubber: &self.scrubber,
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut self.collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(&mut self.collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields::default();
        event.record(&mut self.collect(&mut fields));
        let mut spans = Vec::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let list = span
                .extensions()
                .get::<Fields>()
                .map(|fields| fields.list.clone())
                .unwrap_or_default();
            spans.push(SpanPart {
                name: span.name(),
                fields: list,
            });
        }
        let line = Line {
            time: (self.now)(),
            level: *metadata.level(),
            target: metadata.target(),
            fields: &fields,
            spans: &spans,
        };
        let parts = self.keeps.then(|| line.parts(&self.scrubber));
        if let Some(parts) = &parts {
            recent::keep(Logged::new(&line, &parts.spans, &parts.target, &parts.said));
        }
        let text = match (parts, self.style.format) {
            (Some(parts), LogFormat::Text) => parts.text(&line, self.style.colour),
            _ => line.render(self.style, &self.scrubber),
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell that stderr takes no more.
        let _ = out.write_all(text.as_bytes());
    }
}
