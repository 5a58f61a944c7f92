use std::sync::{Mutex, PoisonError};

use miniclaw_plugin_api::abi::LogRecord;
use serde_json::{Value, json};
use tracing::{Span, debug, info, info_span, warn};

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes.to_owned());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// Everything written, one text for each call of `write`.
    fn writes(&self) -> Vec<String> {
        let writes = self.0.lock().unwrap();
        writes
            .iter()
            .map(|bytes| String::from_utf8(bytes.clone()).unwrap())
            .collect()
    }

    /// The lines without their timestamps.
    fn lines(&self) -> Vec<String> {
        self.writes()
            .iter()
            .map(|line| line.trim_end_matches('\n')[28..].to_owned())
            .collect()
    }

    fn json(&self) -> Vec<Value> {
        self.writes()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn log(filter: &str, format: LogFormat) -> (Dispatch, Arc<Scrubber>, Captured) {
    let out = Captured::default();
    let style = Style {
        format,
        colour: false,
    };
    let scrubber = Arc::new(Scrubber::default());
    let (dispatch, _) = build(filter, style, scrubber.clone(), Box::new(out.clone()), false).unwrap();
    (dispatch, scrubber, out)
}

fn text(filter: &str, body: impl FnOnce()) -> Vec<String> {
    let (dispatch, _, out) = log(filter, LogFormat::Text);
    tracing::dispatcher::with_default(&dispatch, body);
    out.lines()
}

fn record(level: u8, target: &str, fields: Value, spans: Value) -> LogRecord {
    LogRecord {
        level,
        line: 7,
        target: target.into(),
        file: "src/lib.rs".into(),
        fields: fields.to_string().into(),
        spans: if spans.is_null() {
            "".into()
        } else {
            spans.to_string().into()
        },
    }
}

/// What becomes of records of an instance called `support`.
fn plugin_lines(filter: &str, format: LogFormat, records: &[LogRecord]) -> Captured {
    let (dispatch, _, out) = log(filter, format);
    tracing::dispatcher::with_default(&dispatch, || {
        let log = PluginLog::new("support", Span::none());
        for record in records {
            log.record(record);
        }
    });
    out
}

#[test]
fn a_line_is_one_write_with_time_level_spans_target_message_and_fields() {
    let (dispatch, _, out) = log("info", LogFormat::Text);
    tracing::dispatcher::with_default(&dispatch, || {
        let _turn = info_span!("turn", conversation = "a b").entered();
        warn!(target: "t", count = 3_u64, name = "x y", plain = "p", ok = true, "Something happened");
    });
    let writes = out.writes();
    assert_eq!(writes.len(), 1);
    let (time, rest) = writes[0].split_at(27);
    assert!(time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    assert_eq!(
        rest,
        "  WARN turn{conversation=\"a b\"}: t: Something happened count=3 name=\"x y\" plain=p ok=true\n"
    );
}

#[test]
fn json_lines_keep_types_and_spans() {
    let (dispatch, _, out) = log("info", LogFormat::Json);
    tracing::dispatcher::with_default(&dispatch, || {
        let span = info_span!("turn", seq = tracing::field::Empty);
        span.record("seq", 9);
        let _turn = span.entered();
        info!(target: "t", n = -3, f = 0.5, "M\u{9b}\u{202e}\n");
    });
    let line = &out.writes()[0];
    assert!(line.contains("M\\u009b\\u202e\\n"), "{line}");
    let value = &out.json()[0];
    assert_eq!(
        value["fields"],
        json!({"message": "M\u{9b}\u{202e}\n", "n": -3, "f": 0.5})
    );
    assert_eq!(value["spans"], json!([{"name": "turn", "seq": 9}]));
    assert_eq!((&value["level"], &value["target"]), (&json!("INFO"), &json!("t")));
}

#[test]
fn nothing_in_a_value_can_forge_or_hide_a_line() {
    let lines = text("info", || {
        info!(target: "t", user = "eve\n2026 ERROR t: forged", "hi\r\x1b[1A\x1b[2K");
    });
    assert_eq!(
        lines,
        [" INFO t: hi\\r\\u{1b}[1A\\u{1b}[2K user=\"eve\\n2026 ERROR t: forged\""]
    );
}

#[test]
fn secrets_are_scrubbed_also_when_registered_later_and_in_json() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let (dispatch, scrubber, out) = log("info", format);
        tracing::dispatcher::with_default(&dispatch, || {
            info!(target: "t", "first hunter2-first");
            scrubber.register(["hunter2-later".to_owned(), "with\"quote\n".to_owned()]);
            info!(target: "t", error = "key hunter2-later", "bot1234:AAAAbbbbCCCCddddEEEEffff");
            info!(target: "t", key = "with\"quote\n", "Quoted");
            info!(target: "t", "{}hunter2-later", "x".repeat(8 * 1024 - 6));
        });
        let all = out.writes().concat();
        assert!(
            all.contains("hunter2-first") && all.contains("[redacted]"),
            "{all}"
        );
        for hidden in [
            "later",
            "AAAAbbbb",
            "with\\\"quote",
            "hunter2-\u{2026}",
            "hunter…",
        ] {
            assert!(!all.contains(hidden), "{hidden}: {all}");
        }
    }
}

#[test]
fn filters_come_from_flags_then_configuration() {
    assert_eq!(filter(0, "warn"), "warn");
    assert!(filter(1, "warn").starts_with("debug,"));
    assert!(filter(2, "warn").starts_with("trace,"));
    for text in [filter(1, ""), filter(2, ""), "info,miniclaw=debug".to_owned()] {
        assert!(parse(&text).is_ok(), "{text}");
    }
    let error = parse("miniclaw=loud").unwrap_err().to_string();
    assert!(
        error.starts_with("log filter `miniclaw=loud` is not understood: "),
        "{error}"
    );
    let max_level = |filter| {
        let style = Style {
            format: LogFormat::Text,
            colour: false,
        };
        build(
            filter,
            style,
            Arc::default(),
            Box::new(Captured::default()),
            false,
        )
        .unwrap()
        .1
        .max_level()
    };
    assert_eq!(max_level("warn,a=debug"), 4);
    assert_eq!(max_level("off"), 0);
}

#[test]
fn filters_by_target_hold_for_the_host() {
    let lines = text("info,noisy=warn", || {
        info!(target: "noisy", "Not seen");
        debug!(target: "quiet", "Not seen either");
        info!(target: "quiet", "Seen");
    });
    assert_eq!(lines, [" INFO quiet: Seen"]);
}

#[test]
fn a_plugins_event_keeps_level_target_types_and_spans_and_names_its_instance() {
    let fields =
        json!({"message": "Polled", "u": 3, "i": -3, "f": 0.5, "b": true, "s": "x", "plugin": "forged"});
    let spans = json!([{"name": "receive", "fields": {"chat": 7}}, {"name": "poll", "fields": {}}]);
    let record = record(4, "miniclaw_telegram::poll", fields, spans);
    let out = plugin_lines(
        "warn,miniclaw_telegram=debug",
        LogFormat::Json,
        std::slice::from_ref(&record),
    );
    let line = &out.json()[0];
    assert_eq!(
        (&line["level"], &line["target"]),
        (&json!("DEBUG"), &json!("miniclaw_telegram::poll"))
    );
    assert_eq!(
        line["fields"],
        json!({"message": "Polled", "plugin": "support", "u": 3, "i": -3, "f": 0.5, "b": true, "s": "x",
            "_plugin": "forged", "spans": "receive{chat=7}:poll"})
    );
    assert!(
        plugin_lines("warn", LogFormat::Json, &[record])
            .writes()
            .is_empty()
    );
}

#[test]
fn a_plugins_event_has_the_hosts_span_around_it() {
    let (dispatch, _, out) = log("info", LogFormat::Text);
    tracing::dispatcher::with_default(&dispatch, || {
        let log = PluginLog::new("support", info_span!("instance", generation = 2));
        log.record(&record(3, "t", json!({"message": "Hello"}), Value::Null));
    });
    assert_eq!(
        out.lines(),
        [" INFO instance{generation=2}: t: Hello plugin=support"]
    );
}

#[test]
fn a_plugins_event_arrives_from_inside_another_subscriber() {
    struct Relay(PluginLog);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Relay {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0
                .record(&record(3, "t", json!({"message": "Relayed"}), Value::Null));
        }
    }
    let (dispatch, _, out) = log("info", LogFormat::Text);
    let log = tracing::dispatcher::with_default(&dispatch, || PluginLog::new("support", Span::none()));
    let inner = Dispatch::new(tracing_subscriber::registry().with(Relay(log)));
    tracing::dispatcher::with_default(&inner, || info!("Logged by a built-in plugin"));
    assert_eq!(out.lines(), [" INFO t: Relayed plugin=support"]);
}

#[test]
fn more_fields_than_tracing_has_room_for_are_folded() {
    let mut fields: serde_json::Map<String, Value> = (0..40)
        .map(|index| (format!("f{index:02}"), json!(index)))
        .collect();
    fields.insert("message".to_owned(), json!("Many"));
    let spans = json!([{"name": "s"}]);
    let out = plugin_lines("info", LogFormat::Json, &[record(3, "t", fields.into(), spans)]);
    let fields = &out.json()[0]["fields"];
    assert_eq!((&fields["f27"], &fields["f28"]), (&json!(27), &Value::Null));
    let more: Value = serde_json::from_str(fields["more"].as_str().unwrap()).unwrap();
    assert_eq!((&more["f28"], &more["f39"]), (&json!(28), &json!(39)));
    assert_eq!(
        (&fields["message"], &fields["spans"]),
        (&json!("Many"), &json!("s"))
    );
}

#[test]
fn a_plugin_that_invents_places_without_end_is_still_heard() {
    let (dispatch, _, out) = log("trace", LogFormat::Text);
    tracing::dispatcher::with_default(&dispatch, || {
        let log = PluginLog::with_limit("support", 2);
        for index in 0..4 {
            log.record(&record(
                3,
                &format!("t{index}"),
                json!({"message": "M", "k": index}),
                Value::Null,
            ));
        }
        log.record(&record(3, "t0", json!({"message": "Known", "k": 0}), Value::Null));
        log.record(&LogRecord {
            fields: "no json".into(),
            ..record(9, &"ü".repeat(500), Value::Null, Value::Null)
        });
    });
    assert_eq!(
        out.lines(),
        [
            " INFO t0: M plugin=support k=0",
            " INFO t1: M plugin=support k=1",
            " INFO plugin: M plugin=support fields=\"k=2\"",
            " INFO plugin: M plugin=support fields=\"k=3\"",
            " INFO t0: Known plugin=support k=0",
            "TRACE plugin: no json plugin=support fields=\"\"",
        ]
    );
}
