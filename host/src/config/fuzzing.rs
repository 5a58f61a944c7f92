//! What holds for any text in the place of the configuration file.

use serde_json::Value;

use super::errors::{Origin, Position};
use super::file::Content;
use super::*;
use crate::plugins::builtin;

/// What `${env:A}` leads to; nothing that is printed may hold it.
const SECRET: &str = "q7Zk-the-secret";
/// A little less than what both parsers allow, which is not counted in the same way.
const DEPTH_OF_BOTH: usize = 100;

/// Loads and checks any text: it is a configuration that can be shown, or a refusal that can be printed.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    parses_as_json(&text);
    let tells = text.contains(SECRET);
    let printed = outcome(text);
    assert!(tells || !printed.contains(SECRET), "{printed}");
}

/// All that is printed of the configuration or its refusal.
fn outcome(text: String) -> String {
    let home = Path::new("/nonexistent");
    let sources = Sources {
        home: Some(home.to_owned()),
        env: [("A".into(), SECRET.into())].into(),
        ..Sources::default()
    };
    let location = match locate::locate(None, sources.home.clone(), &sources.env) {
        Ok(location) => location,
        Err(error) => panic!("{error:?}"),
    };
    let content = Content { text, mode: 0o600 };
    let loaded = match merge(&sources, location, Some(content)) {
        Ok(loaded) => loaded,
        Err(errors) => return errors.to_string(),
    };
    let values = loaded.values().into_iter();
    let shown: String = values
        .map(|value| format!("{} = {} # {}\n", value.key, value.value, value.origin))
        .collect();
    let checked = loaded.check_plugins(&builtins());
    let refusal = checked.err().map(|errors| errors.to_string());
    shown + &loaded.warnings.join("\n") + &refusal.unwrap_or_default()
}

fn builtins() -> Vec<KnownPlugin> {
    let manifests = builtin::all().into_iter().map(|builtin| builtin.manifest);
    manifests
        .map(|manifest| KnownPlugin {
            kind: manifest.kind,
            name: manifest.name,
            schema: manifest.schema,
            capabilities: manifest.capabilities,
        })
        .collect()
}

/// The parser of our own, which keeps positions, takes what serde_json takes and reads the same.
fn parses_as_json(text: &str) {
    let depth = text.matches(['[', '{']).count();
    if depth > DEPTH_OF_BOTH {
        return;
    }
    let origin = |at: Position| Origin::File {
        path: Path::new("f").into(),
        at: Some(at),
    };
    let own = json::parse(text, &origin).ok();
    let own = own.map(|parsed| parsed.root.to_value());
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text);
    assert_eq!(own, serde_json::from_str::<Value>(plain).ok(), "{text:?}");
}
