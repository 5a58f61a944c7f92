//! `docs/faults.md` against the sources: a test that is renamed or removed must not leave its row behind.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of all tables but their heads, each in cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    rows.filter(|cells| cells[0] != "fault").collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names of functions, and of scripts where the file holds a table of them.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let scripts = text.contains("\nscripts! {");
    text.lines().filter_map(move |line| {
        let line = line.trim();
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        match function {
            Some(rest) => rest.split('(').next(),
            None if scripts => line.strip_suffix(':'),
            None => None,
        }
    })
}

#[test]
fn every_test_that_the_table_of_faults_names_exists() {
    let mut files = Vec::new();
    for folder in ["host", "plugin-api", "plugins", "tests"] {
        sources(&workspace().join(folder), &mut files);
    }
    let texts: Vec<String> = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let known: HashSet<&str> = texts.iter().flat_map(|text| names(text)).collect();
    let page = std::fs::read_to_string(workspace().join("docs/faults.md")).unwrap();
    let rows = rows(&page);
    assert!(rows.len() > 40, "{} rows", rows.len());
    for cells in rows {
        let [fault, does, kept_by] = cells[..] else {
            panic!("a row has three cells: {cells:?}");
        };
        assert!(
            !does.is_empty() && quoted(kept_by).next().is_some(),
            "{fault}: nothing keeps it"
        );
        for name in quoted(kept_by) {
            let exists = known.contains(name) || (name.contains('/') && workspace().join(name).exists());
            assert!(exists, "{fault}: there is no `{name}`");
        }
    }
}
