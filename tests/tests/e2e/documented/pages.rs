//! What the pages say of commands.

use std::path::{Path, PathBuf};

pub(super) fn workspace() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    above.canonicalize().unwrap()
}

/// Name and text of the README and of all pages of `docs/` and `deploy/`.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![workspace().join("README.md")];
    for folder in ["docs", "deploy"] {
        let entries = workspace().join(folder).read_dir().unwrap();
        paths.extend(entries.map(|entry| entry.unwrap().path()));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let read = |path: PathBuf| {
        (
            path.display().to_string(),
            std::fs::read_to_string(&path).unwrap(),
        )
    };
    paths.into_iter().map(read).collect()
}

/// All of it.
pub(super) fn all() -> String {
    pages().into_iter().map(|(_, text)| text).collect()
}

/// Commands in the text and in blocks, with the page that has them: `miniclaw plugin install FILE`. Those that a table
/// joins (`miniclaw sessions list\|show KEY`) one by one.
pub(super) fn mentions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (page, text) in pages() {
        let spans = text.split('`').filter(|span| span.starts_with("miniclaw "));
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("$ "));
        let lines = lines.filter(|line| line.starts_with("miniclaw "));
        for mention in spans.chain(lines) {
            let one = |mention| (page.clone(), mention);
            found.extend(alternatives(mention).into_iter().map(one));
        }
    }
    found
}

fn alternatives(mention: &str) -> Vec<String> {
    let mut pieces = mention.split("\\|");
    let first = pieces.next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let shared = words[..words.len().min(3) - 1].join(" ");
    let is_command = |piece: &&str| piece.starts_with(|letter: char| letter.is_ascii_lowercase());
    let further = pieces.filter(is_command).map(|piece| format!("{shared} {piece}"));
    std::iter::once(first.to_owned()).chain(further).collect()
}

/// The long options that a mention has.
pub(super) fn flags(mention: &str) -> Vec<String> {
    let words = mention.split(|letter: char| letter.is_whitespace() || "[]…=".contains(letter));
    let flags = words.filter(|word| word.len() > 2 && word.starts_with("--"));
    flags.map(str::to_owned).collect()
}

/// Whether a command's words stand in a text, alone or joined with those of its siblings.
pub(super) fn names(text: &str, leaf: &str) -> bool {
    let last = leaf.split_whitespace().last().unwrap_or_default();
    let joined = [
        format!("`miniclaw {leaf}"),
        format!("$ miniclaw {leaf}"),
        format!("`{leaf}"),
        format!("\\|{last}"),
        format!("`{last} "),
        format!("`{last}`"),
    ];
    joined.iter().any(|form| text.contains(form))
}
