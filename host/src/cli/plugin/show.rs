//! Plugins as a table, as a page and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::gateway::Standing;
use crate::plugins::catalog::{Catalog, Entry, Origin, State};
use crate::plugins::inspect::ManifestInfo;
use crate::plugins::isolate::sandbox;
use crate::telemetry::printable;

/// What is known of a library beyond its manifest.
pub(super) struct FileFacts<'a> {
    pub(super) path: &'a Path,
    pub(super) size: u64,
    pub(super) glibc: Option<(u32, u32)>,
    pub(super) sha256: String,
}

const HEAD: [&str; 6] = ["NAME", "KIND", "VERSION", "API", "ORIGIN", "STATE"];

/// A line for each entry, below a line of titles.
pub(super) fn table(catalog: &Catalog) -> String {
    let rows: Vec<[String; 6]> = catalog.entries.iter().map(row).collect();
    columns(HEAD, &rows)
}

/// A line for each instance, below an empty line and a line of titles; nothing where there is none.
pub(super) fn instances(standings: &[Standing]) -> String {
    if standings.is_empty() {
        return String::new();
    }
    let row = |standing: &Standing| {
        let state = match &standing.reason {
            Some(reason) => format!("{}: {}", standing.state, printable(reason, 400)),
            None => standing.state.clone(),
        };
        let version = standing.version.clone().unwrap_or_else(|| "-".into());
        let (instance, plugin) = (standing.instance.clone(), standing.plugin.clone());
        [instance, standing.kind.clone(), plugin, version, state]
    };
    let rows: Vec<[String; 5]> = standings.iter().map(row).collect();
    format!(
        "\n{}",
        columns(["INSTANCE", "KIND", "PLUGIN", "VERSION", "STATE"], &rows)
    )
}

fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(entry: &Entry) -> [String; 6] {
    let absent = || "-".to_owned();
    let name = entry.name().map_or_else(absent, str::to_owned);
    let [kind, version, api] = match entry.manifest() {
        Some(manifest) => [
            manifest.kind_name().to_owned(),
            manifest.version.clone(),
            api(manifest.api),
        ],
        None => [absent(), absent(), absent()],
    };
    [name, kind, version, api, origin(entry.path()), state(entry)]
}

fn state(entry: &Entry) -> String {
    match (&entry.state, &entry.origin) {
        (State::Available, _) => "available".to_owned(),
        (State::Replaced { by }, _) => format!("replaced by {}", path(by)),
        (State::Shadowed { by }, _) => format!("shadowed by {}", path(by)),
        (State::Refused, Origin::Refused(refusal)) => format!("refused: {}", refusal.reason),
        (State::Refused, _) => "refused".to_owned(),
    }
}

pub(super) fn entry_json(entry: &Entry, standings: &[Standing]) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(entry.name()));
    if let Some(manifest) = entry.manifest() {
        object.insert("kind".to_owned(), manifest.kind_name().into());
        object.insert("version".to_owned(), manifest.version.as_str().into());
        object.insert("description".to_owned(), manifest.description.as_str().into());
        object.insert("api".to_owned(), api(manifest.api).into());
    }
    object.insert("origin".to_owned(), origin(entry.path()).into());
    let (state, by) = match &entry.state {
        State::Available => ("available", None),
        State::Replaced { by } => ("replaced", Some(by)),
        State::Shadowed { by } => ("shadowed", Some(by)),
        State::Refused => ("refused", None),
    };
    object.insert("state".to_owned(), state.into());
    if let Some(by) = by {
        object.insert("by".to_owned(), path(by).into());
    }
    if entry.state == State::Available {
        let of_this = |standing: &&Standing| Some(&*standing.plugin) == entry.name();
        let instances: Vec<&Standing> = standings.iter().filter(of_this).collect();
        object.insert("instances".to_owned(), json!(instances));
    }
    if let Origin::Refused(refusal) = &entry.origin {
        object.insert("error".to_owned(), refusal.to_string().into());
    }
    object.into()
}

/// A page about one plugin.
pub(super) fn info(manifest: &ManifestInfo, file: Option<&FileFacts<'_>>, as_json: bool) -> String {
    let facts = facts(manifest, file);
    // An unreadable schema is shown as the text that it is.
    let schema: Value =
        serde_json::from_str(&manifest.schema).unwrap_or_else(|_| Value::String(manifest.schema.clone()));
    if as_json {
        let mut object: Map<String, Value> = facts
            .into_iter()
            .map(|(name, value)| (name.replace(' ', "_"), value))
            .collect();
        object.insert("settings".to_owned(), schema);
        object.insert("state".to_owned(), "available".into());
        return pretty(&object.into());
    }
    let mut text = String::new();
    for (name, value) in facts {
        let value = match value {
            Value::String(value) => value,
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:14}{}", format!("{name}:"), printable(&value, 4096));
    }
    let schema = pretty(&schema);
    let shown: Vec<String> = schema.lines().map(|line| printable(line, 4096)).collect();
    let _ = writeln!(text, "settings:\n{}", shown.join("\n"));
    text
}

fn facts(manifest: &ManifestInfo, file: Option<&FileFacts<'_>>) -> Vec<(&'static str, Value)> {
    let limit = match manifest.text_limit {
        0 => Value::Null,
        limit => format!("{limit} {}", manifest.unit_name()).into(),
    };
    let mut facts = vec![
        ("name", manifest.name.as_str().into()),
        ("kind", manifest.kind_name().into()),
        ("version", manifest.version.as_str().into()),
        ("description", manifest.description.as_str().into()),
        ("api", api(manifest.api).into()),
        ("target", manifest.target.as_str().into()),
        ("rustc", manifest.rustc.as_str().into()),
        ("capabilities", manifest.capability_names().into()),
        ("permissions", manifest.permission_names().into()),
        ("this kernel", sandbox::support().into()),
        ("text limit", limit),
        ("origin", origin(file.map(|file| file.path)).into()),
    ];
    if let Some(file) = file {
        let glibc = file.glibc.map(|(major, minor)| format!("{major}.{minor}"));
        facts.extend([
            ("glibc", json!(glibc)),
            ("size bytes", file.size.into()),
            ("sha256", file.sha256.as_str().into()),
        ]);
    }
    facts
}

/// JSON for people and machines, with a line's end.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn api([major, minor, patch]: [u32; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

fn origin(file: Option<&Path>) -> String {
    file.map_or_else(|| "built-in".to_owned(), path)
}

fn path(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4096)
}
