//! From the queue to the collector.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::span::Span;

/// Spans in one request, and what a first one waits for others.
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(2);
/// For one request; what a collector does not take in it is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A collector, as OpenTelemetry's variables name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    url: String,
    /// May hold a secret, which goes to the collector alone.
    headers: Vec<(String, String)>,
    service: String,
}

impl Target {
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let base = set("OTEL_EXPORTER_OTLP_ENDPOINT");
        let base = base.map(|base| format!("{}/v1/traces", base.trim().trim_end_matches('/')));
        let url = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(base)?;
        let headers = set("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        let headers = headers.split(',').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        });
        Some(Self {
            url,
            headers: headers.collect(),
            service: set("OTEL_SERVICE_NAME").unwrap_or_else(|| "miniclaw".into()),
        })
    }

    fn body(&self, spans: &[Span]) -> Value {
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let version = env!("CARGO_PKG_VERSION");
        json!({ "resourceSpans": [{
            "resource": { "attributes": [text("service.name", &self.service), text("service.version", version)] },
            "scopeSpans": [{
                "scope": { "name": "miniclaw", "version": version },
                "spans": spans.iter().map(Span::told).collect::<Vec<_>>(),
            }],
        }]})
    }
}

/// Sends what comes, until the runtime ends.
pub(crate) async fn run((target, mut waiting): (Target, mpsc::Receiver<Span>)) {
    let client = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "Traces cannot be exported");
            return;
        }
    };
    info!("Traces are exported to the collector of OTEL_EXPORTER_OTLP_ENDPOINT");
    let (mut spans, mut failing) = (Vec::new(), false);
    while waiting.recv_many(&mut spans, BATCH).await > 0 {
        if spans.len() < BATCH {
            tokio::time::sleep(GATHER).await;
            while spans.len() < BATCH
                && let Ok(span) = waiting.try_recv()
            {
                spans.push(span);
            }
        }
        let failed = send(&client, &target, &spans).await.err();
        match (&failed, failing) {
            (Some(error), false) => warn!(error, "The collector takes no traces; they are dropped meanwhile"),
            (Some(error), true) => debug!(error, "The collector takes no traces"),
            (None, true) => info!("The collector takes traces again"),
            (None, false) => {}
        }
        failing = failed.is_some();
        spans.clear();
    }
}

async fn send(client: &reqwest::Client, target: &Target, spans: &[Span]) -> Result<(), String> {
    let mut request = client
        .post(&target.url)
        .header("content-type", "application/json");
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let sent = request.body(target.body(spans).to_string()).send().await;
    // The address may have a password in it.
    let response = sent.map_err(|error| error.without_url().to_string())?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Target> {
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Target::of(|name| {
            variables
                .iter()
                .find(|(of, _)| of == name)
                .map(|(_, value)| value.clone())
        })
    }

    #[test]
    fn otel_variables_name_the_collector_and_without_them_there_is_none() {
        assert_eq!(
            of(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]),
            None
        );
        let target = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic a=, x = y"),
        ]);
        let target = target.unwrap();
        assert_eq!(target.url, "http://c:4318/v1/traces");
        assert_eq!(target.service, "miniclaw");
        let headers = [("authorization", "Basic a="), ("x", "y")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(target.headers, headers);
        let exact = of(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/t")]).unwrap();
        assert_eq!(exact.url, "http://c/t");
    }
}
