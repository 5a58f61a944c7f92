use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use super::*;
use crate::plugins::fixture;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.so"), "no library").unwrap();
    symlink(fixture::library(), folder.path().join("good.so")).unwrap();
    symlink(fixture::library(), folder.path().join("same.so")).unwrap();
    folder
}

fn shelves(folders: &[&Path]) -> Shelves {
    Shelves {
        folders: folders.iter().map(|&folder| folder.to_owned()).collect(),
        trust: TrustPolicy::default(),
        configured: Vec::new(),
    }
}

fn run(
    command: impl FnOnce(&mut Vec<u8>) -> Result<u8, PluginCommandError>,
) -> (String, Result<bool, String>) {
    let mut out = Vec::new();
    let result = command(&mut out);
    let result = result
        .map(|status| status == 0)
        .map_err(|error| error.to_string());
    (String::from_utf8(out).unwrap(), result)
}

#[test]
fn the_list_has_a_line_for_every_file_and_says_what_is_wrong() {
    let folder = folder();
    let at = folder.path().display().to_string();
    let (text, result) = run(|out| list(&shelves(&[folder.path()]), &[], false, out));
    assert_eq!(result, Ok(true));
    let squeezed: Vec<String> = text
        .replace(&at, "DIR")
        .lines()
        .filter(|line| !line.contains("built-in"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        squeezed,
        [
            "NAME KIND VERSION API ORIGIN SIGNATURE STATE",
            "- - - - DIR/bad.so - refused: it is not an ELF library",
            "echo-channel channel 0.1.0 0.1.0 DIR/good.so unsigned available",
            "echo-channel channel 0.1.0 0.1.0 DIR/same.so unsigned shadowed by DIR/good.so",
        ]
    );
}

#[test]
fn the_list_as_json_has_the_whole_line_of_a_refusal() {
    let folder = folder();
    let (text, _) = run(|out| list(&shelves(&[folder.path()]), &[], true, out));
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    let bad = entries.iter().find(|entry| entry["state"] == "refused").unwrap();
    let line = bad["error"].as_str().unwrap();
    assert!(line.starts_with("cannot load a plugin from /"), "{line}");
    assert!(
        entries
            .iter()
            .any(|entry| entry["state"] == "shadowed" && entry["by"].as_str().unwrap().ends_with("/good.so"))
    );
}

#[test]
fn info_finds_a_plugin_by_file_and_by_name() {
    let folder = folder();
    let file = folder.path().join("good.so").display().to_string();
    let (by_file, _) = run(|out| info(&file, &shelves(&[]), false, out));
    let (by_name, _) = run(|out| info("echo-channel", &shelves(&[folder.path()]), false, out));
    assert_eq!(by_file, by_name);
    for line in [
        "name:         echo-channel",
        "kind:         channel",
        "permissions:  none",
        "sha256:      ",
    ] {
        assert!(by_file.contains(line), "{by_file}");
    }
    let (text, _) = run(|out| info(&file, &shelves(&[]), true, out));
    let object: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&object["state"], &object["api"]),
        (&"available".into(), &"0.1.0".into())
    );
    assert!(object["settings"].is_object() && object["size_bytes"].is_u64());
}

#[test]
fn info_about_a_refused_file_fails_with_its_line() {
    let folder = folder();
    let file = folder.path().join("bad.so").display().to_string();
    let (text, result) = run(|out| info(&file, &shelves(&[]), false, out));
    assert_eq!(
        (
            text.as_str(),
            result.unwrap_err().ends_with("it is not an ELF library")
        ),
        ("", true)
    );
    let (text, result) = run(|out| info(&file, &shelves(&[]), true, out));
    assert_eq!(result, Ok(false));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["state"], "refused");
    let (_, result) = run(|out| info("nobody", &shelves(&[]), false, out));
    assert!(
        result
            .unwrap_err()
            .starts_with("no plugin is called `nobody`; looked among")
    );
}
