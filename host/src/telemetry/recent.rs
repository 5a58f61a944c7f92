//! The last lines of this process's log, and those that follow, for who looks at a running gateway.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::{Value, json};
use tracing::Level;

use super::clock::rfc3339;
use super::level_number;
use super::line::Line;
use crate::feed::{Feed, Listening, Weigh};
use crate::sessions::SessionKey;

/// What is kept at most; the oldest line goes first.
const LINES: usize = 1_000;
const BYTES: usize = 256 * 1024;
/// Of a line beside its texts.
const OVERHEAD: usize = 96;

/// Fields that name an instance.
const INSTANCES: [&str; 4] = ["channel", "plugin", "instance", "provider"];

static RECENT: Mutex<Ring> = Mutex::new(Ring {
    lines: VecDeque::new(),
    bytes: 0,
});
static FOLLOWED: Feed<Logged> = Feed::new();

/// A line of the log, scrubbed.
#[derive(Debug)]
pub(crate) struct Logged {
    at: SystemTime,
    level: Level,
    target: String,
    /// Spans, message and fields.
    text: String,
    /// The instances that it speaks of.
    instances: Vec<String>,
}

struct Ring {
    lines: VecDeque<Arc<Logged>>,
    bytes: usize,
}

/// Which lines somebody wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Those that speak of this instance.
    pub(crate) channel: Option<String>,
    /// Those at least as grave: 1 error … 5 trace.
    pub(crate) level: Option<u8>,
}

/// The last `count` lines that are wanted, oldest first.
pub(crate) fn recent(count: usize, wanted: &Wanted) -> Vec<Value> {
    let ring = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let last = ring.last(count, wanted);
    drop(ring);
    last.iter().map(|line| json!(**line)).collect()
}

/// The same, and whatever is logged from there on: nothing is missing in between, and nothing there twice.
pub(crate) fn follow(count: usize, wanted: Wanted) -> (Vec<Arc<Logged>>, Listening<Logged>) {
    let ring = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    let last = ring.last(count, &wanted);
    (last, FOLLOWED.listen(move |record| wanted.admits(record)))
}

/// Keeps a line.
pub(super) fn keep(record: Logged) {
    let record = Arc::new(record);
    let mut ring = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    FOLLOWED.publish(&record);
    ring.push(record);
}

impl Ring {
    fn push(&mut self, record: Arc<Logged>) {
        self.bytes += record.bytes();
        self.lines.push_back(record);
        while self.lines.len() > LINES || (self.bytes > BYTES && self.lines.len() > 1) {
            let gone = self.lines.pop_front();
            self.bytes -= gone.map_or(0, |gone| gone.bytes());
        }
    }

    fn last(&self, count: usize, wanted: &Wanted) -> Vec<Arc<Logged>> {
        let newest = self.lines.iter().rev().filter(|record| wanted.admits(record));
        let mut last: Vec<_> = newest.take(count).cloned().collect();
        last.reverse();
        last
    }
}

impl Wanted {
    fn admits(&self, record: &Logged) -> bool {
        let of_channel = |name: &String| record.instances.contains(name);
        self.level.is_none_or(|level| level_number(record.level) <= level)
            && self.channel.as_ref().is_none_or(of_channel)
    }
}

impl Logged {
    /// `spans` and `said` are parts of the line as it was written, scrubbed.
    pub(super) fn new(line: &Line<'_>, spans: &str, target: &str, said: &str) -> Self {
        let of_spans = line.spans.iter().flat_map(|span| &span.fields);
        let mut instances = Vec::new();
        for (name, value) in line.fields.list.iter().chain(of_spans) {
            let Value::String(value) = value else { continue };
            let instance = match *name {
                "conversation" | "session" => SessionKey::channel_of(value),
                name if INSTANCES.contains(&name) => value.clone(),
                _ => continue,
            };
            if !instances.contains(&instance) {
                instances.push(instance);
            }
        }
        Self {
            at: line.time,
            level: line.level,
            target: target.to_owned(),
            text: format!("{spans}{said}"),
            instances,
        }
    }
}

impl Weigh for Logged {
    fn bytes(&self) -> usize {
        let instances: usize = self.instances.iter().map(|name| name.len() + 24).sum();
        OVERHEAD + self.target.len() + self.text.len() + instances
    }
}

impl Serialize for Logged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Logged", 5)?;
        object.serialize_field("timestamp", &rfc3339(self.at))?;
        object.serialize_field("level", self.level.as_str())?;
        object.serialize_field("target", &self.target)?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("instances", &self.instances)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str, level: Level, instance: &str) -> Arc<Logged> {
        Arc::new(Logged {
            at: SystemTime::UNIX_EPOCH,
            level,
            target: "t".into(),
            text: text.into(),
            instances: vec![instance.into()],
        })
    }

    fn texts(records: &[Arc<Logged>]) -> Vec<&str> {
        records.iter().map(|record| &*record.text).collect()
    }

    #[test]
    fn the_ring_keeps_the_last_lines_and_stays_within_its_bounds() {
        let mut ring = Ring {
            lines: VecDeque::new(),
            bytes: 0,
        };
        for number in 0..LINES + 5 {
            ring.push(record(&number.to_string(), Level::INFO, "a"));
        }
        assert_eq!(ring.lines.len(), LINES);
        assert_eq!(texts(&ring.last(2, &Wanted::default())), ["1003", "1004"]);
        for _ in 0..100 {
            ring.push(record(&"x".repeat(8 * 1024), Level::INFO, "a"));
        }
        assert!(ring.bytes <= BYTES && ring.lines.len() < 100);
        let counted: usize = ring.lines.iter().map(|line| line.bytes()).sum();
        assert_eq!(ring.bytes, counted);
    }

    #[test]
    fn lines_are_chosen_by_instance_and_level() {
        let mut ring = Ring {
            lines: VecDeque::new(),
            bytes: 0,
        };
        ring.push(record("1", Level::WARN, "a"));
        ring.push(record("2", Level::INFO, "a"));
        ring.push(record("3", Level::WARN, "b"));
        let wanted = |channel: Option<&str>, level| Wanted {
            channel: channel.map(str::to_owned),
            level,
        };
        let chosen = |wanted| texts(&ring.last(9, &wanted)).join(" ");
        assert_eq!(chosen(wanted(Some("a"), None)), "1 2");
        assert_eq!(chosen(wanted(None, Some(2))), "1 3");
        assert_eq!(chosen(wanted(Some("b"), Some(1))), "");
    }
}
