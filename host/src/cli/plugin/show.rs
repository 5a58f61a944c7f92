//! Plugins as a table, as a page and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::bounds::Bounds;
use crate::gateway::InstanceState;
use crate::plugins::catalog::{Entry, Origin, State};
use crate::plugins::inspect::{ManifestInfo, Refusal};
use crate::plugins::isolate::sandbox;
use crate::plugins::load;
use crate::plugins::trust::{Pin, Standing, TrustPolicy};
use crate::telemetry::printable;

/// What is known of a library beyond its manifest.
pub(super) struct FileFacts<'a> {
    pub(super) path: &'a Path,
    pub(super) size: u64,
    pub(super) glibc: Option<(u32, u32)>,
    pub(super) sha256: String,
    pub(super) standing: Standing,
    /// Why the policy refuses it.
    pub(super) refused: Option<String>,
}

/// One entry of the list, held against the policy.
pub(super) struct Line<'a> {
    entry: &'a Entry,
    /// `None` for what is no library that could be loaded.
    standing: Option<Standing>,
    refusal: Option<Refusal>,
}

const HEAD: [&str; 7] = ["NAME", "KIND", "VERSION", "API", "ORIGIN", "SIGNATURE", "STATE"];

impl<'a> Line<'a> {
    pub(super) fn of(entry: &'a Entry, trust: &TrustPolicy) -> Self {
        let Origin::Library(library) = &entry.origin else {
            return Self {
                entry,
                standing: None,
                refusal: None,
            };
        };
        let (name, path) = (&library.manifest.name, &library.path);
        // Only a pin asks for it; an unreadable file differs from every pin.
        let sha256 = trust
            .is_pinned(name)
            .then(|| load::sha256(path).unwrap_or_default());
        let standing = trust.standing(name, path, path, &sha256.unwrap_or_default());
        let reason = trust.judge(path, &standing).err();
        Self {
            entry,
            standing: Some(standing),
            refusal: reason.map(|reason| Refusal::named(name, path, reason)),
        }
    }
}

/// A line for each entry, below a line of titles.
pub(super) fn table(lines: &[Line<'_>]) -> String {
    let rows: Vec<[String; 7]> = lines.iter().map(Line::row).collect();
    columns(HEAD, &rows)
}

/// A line for each instance, below an empty line and a line of titles; nothing where there is none.
pub(super) fn instances(states: &[InstanceState]) -> String {
    if states.is_empty() {
        return String::new();
    }
    let row = |state_of: &InstanceState| {
        let state = match &state_of.reason {
            Some(reason) => format!("{}: {}", state_of.state, printable(reason, 400)),
            None => state_of.state.clone(),
        };
        let version = state_of.version.clone().unwrap_or_else(|| "-".into());
        let (instance, plugin) = (state_of.instance.clone(), state_of.plugin.clone());
        [instance, state_of.kind.clone(), plugin, version, state]
    };
    let rows: Vec<[String; 5]> = states.iter().map(row).collect();
    format!(
        "\n{}",
        columns(["INSTANCE", "KIND", "PLUGIN", "VERSION", "STATE"], &rows)
    )
}

/// An object for each plugin that instances are of and that cannot be used.
pub(super) fn missing(lines: &[Line<'_>], states: &[InstanceState]) -> Vec<Value> {
    let available = |name: &str| {
        let mut entries = lines.iter().map(|line| line.entry);
        entries.any(|entry| entry.state == State::Available && entry.name() == Some(name))
    };
    let mut plugins: BTreeMap<(&str, &str), Vec<&InstanceState>> = BTreeMap::new();
    for state in states.iter().filter(|state| !available(&state.plugin)) {
        let plugin = (&*state.kind, &*state.plugin);
        plugins.entry(plugin).or_default().push(state);
    }
    let object = |((kind, name), instances)| json!({ "name": name, "kind": kind, "state": "missing", "instances": instances });
    plugins.into_iter().map(object).collect()
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

impl Line<'_> {
    fn row(&self) -> [String; 7] {
        let absent = || "-".to_owned();
        let entry = self.entry;
        let name = entry.name().map_or_else(absent, str::to_owned);
        let [kind, version, api] = match entry.manifest() {
            Some(manifest) => [
                manifest.kind_name().to_owned(),
                manifest.version.clone(),
                api(manifest.api),
            ],
            None => [absent(), absent(), absent()],
        };
        let signature = self.standing.as_ref().map_or_else(absent, signature);
        [
            name,
            kind,
            version,
            api,
            origin(entry.path()),
            signature,
            self.state(),
        ]
    }

    fn state(&self) -> String {
        match (&self.entry.state, &self.entry.origin, &self.refusal) {
            (State::Replaced { by }, ..) => format!("replaced by {}", path(by)),
            (State::Shadowed { by }, ..) => format!("shadowed by {}", path(by)),
            (State::Refused, Origin::Refused(refusal), _) | (_, _, Some(refusal)) => {
                format!("refused: {}", refusal.reason)
            }
            (State::Available, ..) => "available".to_owned(),
            (State::Refused, ..) => "refused".to_owned(),
        }
    }

    pub(super) fn as_json(&self, states: &[InstanceState]) -> Value {
        let entry = self.entry;
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(entry.name()));
        if let Some(manifest) = entry.manifest() {
            object.insert("kind".to_owned(), manifest.kind_name().into());
            object.insert("version".to_owned(), manifest.version.as_str().into());
            object.insert("description".to_owned(), manifest.description.as_str().into());
            object.insert("api".to_owned(), api(manifest.api).into());
        }
        object.insert("origin".to_owned(), origin(entry.path()).into());
        if let Some(standing) = &self.standing {
            object.insert("signature".to_owned(), standing.signature.as_json());
            object.insert("pin".to_owned(), json!(standing.pin.word()));
        }
        let (state, by) = match &entry.state {
            State::Replaced { by } => ("replaced", Some(by)),
            State::Shadowed { by } => ("shadowed", Some(by)),
            State::Available if self.refusal.is_none() => ("available", None),
            State::Available | State::Refused => ("refused", None),
        };
        object.insert("state".to_owned(), state.into());
        if let Some(by) = by {
            object.insert("by".to_owned(), path(by).into());
        }
        if entry.state == State::Available {
            let of_this = |state: &&InstanceState| Some(&*state.plugin) == entry.name();
            let instances: Vec<&InstanceState> = states.iter().filter(of_this).collect();
            object.insert("instances".to_owned(), json!(instances));
        }
        let refusal = match &entry.origin {
            Origin::Refused(refusal) => Some(refusal),
            _ => self.refusal.as_ref(),
        };
        if let Some(refusal) = refusal {
            object.insert("error".to_owned(), refusal.to_string().into());
        }
        object.into()
    }
}

/// What a signature is worth, and a pin beside it.
pub(super) fn signature(standing: &Standing) -> String {
    let words = standing.signature.words();
    match standing.pin {
        Pin::None => words,
        Pin::Matches => format!("{words}, pinned"),
        Pin::Differs { .. } => format!("{words}, pinned to another"),
    }
}

/// A page about one plugin.
pub(super) fn info(
    manifest: &ManifestInfo,
    file: Option<&FileFacts<'_>>,
    bounds: &[Bounds],
    as_json: bool,
) -> String {
    let facts = facts(manifest, file);
    // An unreadable schema is shown as the text that it is.
    let schema: Value =
        serde_json::from_str(&manifest.schema).unwrap_or_else(|_| Value::String(manifest.schema.clone()));
    if as_json {
        let mut object: Map<String, Value> = facts
            .into_iter()
            .map(|(name, value)| (name.replace(' ', "_"), value))
            .collect();
        object.insert("instances".to_owned(), json!(bounds));
        object.insert("settings".to_owned(), schema);
        let refused = file.and_then(|file| file.refused.as_deref());
        let state = if refused.is_some() { "refused" } else { "available" };
        object.insert("state".to_owned(), state.into());
        if let Some(file) = file {
            object.insert("signature".to_owned(), file.standing.signature.as_json());
            object.insert("pin".to_owned(), json!(file.standing.pin.word()));
        }
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
    if !bounds.is_empty() {
        text.push_str("instances:\n");
    }
    for bounds in bounds {
        let _ = writeln!(text, "  {}", printable(&bounds.to_string(), 4096));
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
            ("signature", signature(&file.standing).into()),
        ]);
        if let Some(refused) = &file.refused {
            facts.push(("refused", refused.as_str().into()));
        }
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
