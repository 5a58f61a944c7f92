//! The text format of Prometheus, version 0.0.4.
//!
//! Of crates `prometheus-client` writes OpenMetrics alone, and wants all values registered with it; almost all of ours are
//! counted elsewhere already, and are read when somebody asks.

use std::fmt::{Display, Write as _};

use super::histogram::Snapshot;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page in the making. Samples of one metric follow each other.
#[derive(Default)]
pub(super) struct Page(String);

/// Labels of a sample, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.sample(name, &[], value);
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// Begins a metric whose samples follow; nothing else may come between.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        let mut open = '{';
        for (label, value) in labels {
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(value));
            open = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// The samples of one histogram; its head stands already.
    pub(super) fn histogram(&mut self, name: &str, labels: Labels<'_>, seen: &Snapshot) {
        let count = seen.count();
        let bucket = format!("{name}_bucket");
        let mut row = |bound: &str, below: u64| {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
            self.sample(&bucket, &labels, below);
        };
        for (bound, below) in seen.cumulative() {
            row(&bound.to_string(), below);
        }
        row("+Inf", count);
        self.sample(&format!("{name}_sum"), labels, seen.sum_seconds());
        self.sample(&format!("{name}_count"), labels, count);
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_samples_stand_below_their_head() {
        let mut page = Page::default();
        page.head("m", "gauge", "What it is.");
        page.sample("m", &[("a", "x\"\\\n"), ("b", "")], 1.5);
        page.counter("n_total", "More.", 2);
        assert_eq!(
            page.text(),
            "# HELP m What it is.\n# TYPE m gauge\nm{a=\"x\\\"\\\\\\n\",b=\"\"} 1.5\n\
             # HELP n_total More.\n# TYPE n_total counter\nn_total 2\n"
        );
    }
}
