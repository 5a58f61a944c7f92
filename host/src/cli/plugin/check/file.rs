//! The first three stages: the file, its manifest, and a trial load.

use std::path::Path;

use miniclaw_plugin_api::testkit::conformance::Finding;
use serde_json::{Map, Value};

use crate::config;
use crate::plugins::inspect::{self, ManifestInfo, Reason};
use crate::plugins::load::Probe;
use crate::telemetry::printable;

/// Stages 1 and 2; gives the manifest where the file can be loaded.
pub(super) fn look(file: &Path, manifest: &mut Option<ManifestInfo>) -> [Finding; 2] {
    match inspect::inspect(file) {
        Ok(inspected) => {
            let needs = inspected.glibc.map_or_else(
                || "needs no glibc".to_owned(),
                |(major, minor)| format!("needs glibc {major}.{minor}"),
            );
            let second = described(file, &inspected.manifest);
            *manifest = Some(inspected.manifest);
            [passed(needs), second]
        }
        Err(refusal) if of_manifest(&refusal.reason) => [passed(""), failed(&refusal.reason)],
        Err(refusal) => {
            let why = "the file cannot be read as a plugin".to_owned();
            [failed(&refusal.reason), Finding::Skipped { why }]
        }
    }
}

/// Stage 3.
pub(super) fn trial(file: &Path) -> Finding {
    match Probe::own_binary().run(file) {
        Ok(()) => passed(""),
        Err(reason) => failed(&reason),
    }
}

/// Whether settings are such as the schema allows.
///
/// # Errors
/// A line that shows no value.
pub(super) fn fits(schema: &str, settings: &Map<String, Value>) -> Result<(), String> {
    config::fits(schema, settings).map_err(|reason| {
        format!(
            "the settings for the check do not fit: {reason}; give them with --set key=value or --settings FILE"
        )
    })
}

fn of_manifest(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Manifest(_)
            | Reason::ManifestFormat { .. }
            | Reason::Api { .. }
            | Reason::PanicAbort
            | Reason::Target { .. }
    )
}

fn described(file: &Path, manifest: &ManifestInfo) -> Finding {
    if let Err(reason) = config::is_schema(&manifest.schema) {
        return Finding::failed(
            format!("its schema is no JSON Schema: {}", printable(&reason, 400)),
            "write what `check_schema` of the test kit prints into the schema file",
        );
    }
    let stem = manifest.name.replace('-', "_");
    let file = file.file_stem().unwrap_or_default().to_string_lossy();
    if !file.replace('-', "_").contains(&stem) {
        return Finding::failed(
            format!("the plugin is called `{}`, and its file {file}", manifest.name),
            format!("name the file lib{stem}.so, so that whoever looks for the plugin finds it"),
        );
    }
    passed(format!(
        "{} {} {}",
        manifest.kind_name(),
        manifest.name,
        manifest.version
    ))
}

fn passed(note: impl Into<String>) -> Finding {
    Finding::Passed { note: note.into() }
}

/// A refusal's line ends with what to do.
fn failed(reason: &Reason) -> Finding {
    let line = reason.to_string();
    if let Reason::Unreadable(_) = reason {
        return Finding::failed(line, "name the library that `cargo build` made");
    }
    match line.rsplit_once("; ") {
        Some((what, fix)) => Finding::failed(what, fix),
        None => Finding::failed(line, "build the library again, and run the check on that"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::fixture;

    #[test]
    fn a_refusal_is_a_failure_of_its_stage() {
        let folder = tempfile::tempdir().unwrap();
        let bad = folder.path().join("bad.so");
        std::fs::write(&bad, "no library").unwrap();
        let mut manifest = None;
        let [first, second] = look(&bad, &mut manifest);
        assert!(matches!(first, Finding::Failed { .. }), "{first:?}");
        assert!(matches!(second, Finding::Skipped { .. }) && manifest.is_none());
    }

    #[test]
    fn a_file_of_another_name_than_the_plugin_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let look_at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::copy(fixture::library(), &path).unwrap();
            look(&path, &mut None)
        };
        assert!(matches!(
            &look_at("libecho_channel.so")[1],
            Finding::Passed { .. }
        ));
        let [first, second] = look_at("librenamed.so");
        assert!(matches!(first, Finding::Passed { .. }));
        let Finding::Failed { fix, .. } = second else {
            panic!("{second:?}")
        };
        assert!(fix.contains("libecho_channel.so"), "{fix}");
    }

    #[test]
    fn settings_that_do_not_fit_are_named_without_their_value() {
        let schema = r#"{"properties":{"token":{"type":"string"}},"required":["token"]}"#;
        let settings = |value: Value| value.as_object().cloned().unwrap_or_default();
        assert!(fits(schema, &settings(serde_json::json!({ "token": "x" }))).is_ok());
        let line = fits(schema, &Map::new()).unwrap_err();
        assert!(line.contains("token") && line.contains("--set"), "{line}");
        let line = fits(schema, &settings(serde_json::json!({ "token": 4711 }))).unwrap_err();
        assert!(
            line.contains("settings.token") && !line.contains("4711"),
            "{line}"
        );
    }

    #[test]
    fn a_schema_that_is_none_is_a_failure() {
        for text in ["{", "[]", r#"{"type":7}"#] {
            assert!(config::is_schema(text).is_err(), "{text}");
        }
    }
}
