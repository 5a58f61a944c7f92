//! `tracing` wants the description of an event to live for ever. Those of plugins come at run time: each is made
//! once and kept, up to a bound.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};

/// Descriptions kept at most. A plugin that invents more gets a common one for each level.
const MAX_CALLSITES: usize = 4096;
/// Longer targets, files and names are cut, which bounds what is kept.
const MAX_TARGET_BYTES: usize = 128;
const MAX_NAME_BYTES: usize = 64;

/// What tells one description from another.
pub(super) struct Key<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) names: &'a [String],
}

/// The descriptions made so far.
pub(super) struct Callsites {
    known: Mutex<BTreeMap<String, &'static Metadata<'static>>>,
    limit: usize,
}

/// Those of this process.
pub(super) static CALLSITES: Callsites = Callsites::new(MAX_CALLSITES);

impl Callsites {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            known: Mutex::new(BTreeMap::new()),
            limit,
        }
    }

    /// The description for a key, and whether it has the key's fields. If not, its fields are `message`, `plugin`
    /// and `fields`.
    pub(super) fn metadata(&self, key: &Key<'_>) -> (&'static Metadata<'static>, bool) {
        let text = key.text();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metadata) = known.get(&text) {
            return (metadata, true);
        }
        if known.len() >= self.limit {
            return (common(key.level), false);
        }
        let metadata = key.leak();
        known.insert(text, metadata);
        (metadata, true)
    }
}

impl Key<'_> {
    fn text(&self) -> String {
        let mut text = String::with_capacity(128);
        // Writing to a String cannot fail.
        let _ = write!(text, "{}\0{}\0", self.level, self.line);
        text.push_str(cut(self.target, MAX_TARGET_BYTES));
        text.push('\0');
        text.push_str(cut(self.file, MAX_TARGET_BYTES));
        for name in self.names {
            text.push('\0');
            text.push_str(cut(name, MAX_NAME_BYTES));
        }
        text
    }

    fn leak(&self) -> &'static Metadata<'static> {
        let names: Vec<&'static str> = self
            .names
            .iter()
            .map(|name| leak(cut(name, MAX_NAME_BYTES)))
            .collect();
        let place = Place {
            target: leak(cut(self.target, MAX_TARGET_BYTES)),
            file: (!self.file.is_empty()).then(|| leak(cut(self.file, MAX_TARGET_BYTES))),
            line: (self.line > 0).then_some(self.line),
        };
        describe(self.level, place, Box::leak(names.into_boxed_slice()))
    }
}

/// Stands in for all further events of a level.
fn common(level: Level) -> &'static Metadata<'static> {
    static COMMON: OnceLock<HashMap<Level, &'static Metadata<'static>>> = OnceLock::new();
    let common = COMMON.get_or_init(|| {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        levels.map(|level| (level, describe_common(level))).into()
    });
    common
        .get(&level)
        .copied()
        .unwrap_or_else(|| describe_common(level))
}

fn describe_common(level: Level) -> &'static Metadata<'static> {
    let place = Place {
        target: "plugin",
        file: None,
        line: None,
    };
    describe(level, place, &["message", "plugin", "fields"])
}

struct Place {
    target: &'static str,
    file: Option<&'static str>,
    line: Option<u32>,
}

fn describe(level: Level, place: Place, names: &'static [&'static str]) -> &'static Metadata<'static> {
    let site: &'static Site = Box::leak(Box::new(Site(OnceLock::new())));
    let fields = FieldSet::new(names, Identifier(site));
    site.0.get_or_init(|| {
        Metadata::new(
            "event",
            place.target,
            level,
            place.file,
            place.line,
            None,
            fields,
            Kind::EVENT,
        )
    })
}

/// A callsite that is never registered: the dispatcher is asked for every event.
struct Site(OnceLock<Metadata<'static>>);

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        // Set before anyone can get hold of the callsite.
        self.0.get().unwrap_or_else(|| common(Level::ERROR))
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.into())
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
