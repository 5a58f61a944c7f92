//! Settings of one instance, as `--set` and `--settings` give them.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::Failure;
use super::super::args::SettingsArgs;

/// What is wrong with what was given.
#[derive(Debug, thiserror::Error)]
enum GivenError {
    #[error("cannot read {file}: {source}", source = .1, file = .0)]
    File(String, std::io::Error),
    #[error(
        "{0} is no JSON object: {1}; write the instance's settings, for example {{\"server\": \"127.0.0.1\"}}"
    )]
    Json(String, serde_json::Error),
    #[error("--set `{0}` has no `=`; write --set key=value")]
    NoValue(String),
    #[error("--set `{0}`: `{1}` is no object, so that nothing goes into it")]
    NoObject(String, String),
}

/// The settings; those of the file first, each `--set` over them.
///
/// # Errors
/// Status 2.
pub(super) fn settings(args: &SettingsArgs) -> Result<Map<String, Value>, Failure> {
    gather(args).map_err(|error| Failure::new(2, error))
}

fn gather(args: &SettingsArgs) -> Result<Map<String, Value>, GivenError> {
    let mut settings = match &args.settings {
        Some(file) => read(file)?,
        None => Map::new(),
    };
    for text in &args.set {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| GivenError::NoValue(text.clone()))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        put(&mut settings, key, key, value)?;
    }
    Ok(settings)
}

fn read(file: &Path) -> Result<Map<String, Value>, GivenError> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| GivenError::File(name.clone(), error))?;
    serde_json::from_str(&text).map_err(|error| GivenError::Json(name, error))
}

fn put(into: &mut Map<String, Value>, whole: &str, key: &str, value: Value) -> Result<(), GivenError> {
    let Some((first, rest)) = key.split_once('.') else {
        into.insert(key.to_owned(), value);
        return Ok(());
    };
    let inner = into.entry(first).or_insert_with(|| Map::new().into());
    match inner.as_object_mut() {
        Some(inner) => put(inner, whole, rest, value),
        None => Err(GivenError::NoObject(whole.to_owned(), first.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(set: &[&str], settings: Option<&Path>) -> Result<Value, String> {
        let args = SettingsArgs {
            set: set.iter().map(ToString::to_string).collect(),
            settings: settings.map(Path::to_owned),
        };
        gather(&args)
            .map(Value::Object)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_json_or_text_and_lie_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        std::fs::write(&file, r#"{"port": 1, "tls": {"verify": true}}"#).unwrap();
        let set = ["port=2", "name=a=b", "tls.ca=x", "quoted=\"7\"", "empty="];
        assert_eq!(
            given(&set, Some(&file)).unwrap(),
            json!({
                "port": 2, "name": "a=b", "tls": { "verify": true, "ca": "x" }, "quoted": "7", "empty": ""
            })
        );
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        assert!(
            given(&["port"], None)
                .unwrap_err()
                .contains("write --set key=value")
        );
        assert!(
            given(&["a=1", "a.b=2"], None)
                .unwrap_err()
                .contains("`a` is no object")
        );
        assert!(
            given(&[], Some(Path::new("/nowhere")))
                .unwrap_err()
                .contains("cannot read /nowhere")
        );
    }
}
