//! Secrets: references resolved, literal ones refused in files that others can read.

use std::path::{Path, PathBuf};

use super::credentials;
use super::errors::{ConfigError, Origin, Problem};
use super::file::{command, read_secret};
use super::keys;
use super::locate::{Environment, variable};
use super::paths::Bases;
use super::tree::{Data, Node, join};

/// Shorter ones would make the log unreadable when they are scrubbed from it.
const MIN_SCRUBBED: usize = 6;

/// Follows references and collects what they lead to.
pub(super) struct Resolver<'a> {
    pub(super) env: &'a Environment,
    pub(super) bases: &'a Bases,
    pub(super) errors: &'a mut Vec<ConfigError>,
    pub(super) secrets: Vec<String>,
}

enum Reference<'a> {
    Env(&'a str),
    File(&'a str),
    Malformed,
    /// Text as it stands.
    Literal,
}

impl Resolver<'_> {
    /// Resolves the references in all settings, in place.
    pub(super) fn settings(&mut self, root: &mut Node) {
        for section in ["channels", "providers"] {
            let Some(instances) = root.get_mut(section).and_then(Node::object_mut) else {
                continue;
            };
            for (name, member) in instances {
                if let Some(settings) = member.node.get_mut("settings") {
                    self.walk(settings, &format!("{section}.{name}.settings"), false);
                }
            }
        }
        self.secrets.sort();
        self.secrets.dedup();
    }

    fn walk(&mut self, node: &mut Node, key: &str, secret: bool) {
        match &mut node.data {
            Data::Object(object) => {
                for (name, member) in object {
                    let secret = secret || keys::is_secret(name);
                    self.walk(&mut member.node, &join(key, name), secret);
                }
            }
            Data::List(list) => {
                for (index, node) in list.iter_mut().enumerate() {
                    self.walk(node, &format!("{key}[{index}]"), secret);
                }
            }
            Data::Text(_) if !node.secret => self.resolve(node, key, secret),
            Data::Number(_) | Data::Bool(_) if secret => {
                node.secret = true;
            }
            _ => {}
        }
        if let Data::Text(text) = &node.data {
            let whole = node.secret.then(|| text.clone());
            let found = whole.into_iter().chain(credentials::secrets(text));
            self.secrets
                .extend(found.filter(|secret| secret.len() >= MIN_SCRUBBED));
        }
    }

    fn resolve(&mut self, node: &mut Node, key: &str, secret: bool) {
        let Data::Text(text) = &node.data else { return };
        let resolved = match reference(text, secret) {
            Reference::Literal => {
                node.secret = secret;
                return;
            }
            Reference::Env(name) => self.variable(name),
            Reference::File(path) => self.content(path, &node.origin),
            Reference::Malformed => Err(Problem::Reference),
        };
        match resolved {
            Ok(text) => node.data = Data::Text(text),
            Err(problem) => self.errors.push(node.origin.error(key, problem)),
        }
        node.secret = true;
    }

    fn variable(&self, name: &str) -> Result<String, Problem> {
        let missing = |state| Problem::SecretEnv {
            name: name.to_owned(),
            state,
        };
        match variable(self.env, name) {
            None if self.env.contains_key(std::ffi::OsStr::new(name)) => Err(missing("empty")),
            None => Err(missing("not set")),
            Some(value) => value
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| missing("not UTF-8")),
        }
    }

    fn content(&self, path: &str, origin: &Origin) -> Result<String, Problem> {
        let path = self
            .bases
            .resolve(path, origin)
            .unwrap_or_else(|| PathBuf::from(path));
        read_secret(&path).map_err(|reason| Problem::SecretFile { path, reason })
    }
}

/// The first literal secret in a file that others can read is an error, overridden or not; one `chmod` is the answer
/// to all of them.
pub(super) fn literal_in_readable(root: &Node, path: &Path, mode: u32) -> Option<ConfigError> {
    if mode & 0o044 == 0 {
        return None;
    }
    let mut found = Vec::new();
    if let Some(token) = root.get("telegram_token") {
        literals(token, "telegram_token", true, &mut found);
    }
    for section in ["channels", "providers"] {
        for (name, member) in root.get(section).and_then(Node::object).into_iter().flatten() {
            if let Some(settings) = member.node.get("settings") {
                literals(settings, &format!("{section}.{name}.settings"), false, &mut found);
            }
        }
    }
    let (origin, key) = found.into_iter().min()?;
    let command = command("chmod 600", path);
    Some(origin.error(key, Problem::ReadableSecret { mode, command }))
}

fn literals<'a>(node: &'a Node, key: &str, secret: bool, found: &mut Vec<(&'a Origin, String)>) {
    match &node.data {
        Data::Object(object) => {
            for (name, member) in object {
                let secret = secret || keys::is_secret(name);
                literals(&member.node, &join(key, name), secret, found);
            }
        }
        Data::List(list) => {
            for (index, node) in list.iter().enumerate() {
                literals(node, &format!("{key}[{index}]"), secret, found);
            }
        }
        Data::Text(text) if secret && !text.is_empty() => {
            if let Reference::Literal = reference(text, true) {
                found.push((&node.origin, key.to_owned()));
            }
        }
        Data::Number(_) if secret => found.push((&node.origin, key.to_owned())),
        _ => {}
    }
}

/// A reference is the whole text. Under a name that says secret every `${…}` must be one.
fn reference(text: &str, secret: bool) -> Reference<'_> {
    let Some(inner) = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')) else {
        return match text.contains("${env:") || text.contains("${file:") {
            true => Reference::Malformed,
            false => Reference::Literal,
        };
    };
    match inner.split_once(':') {
        Some(("env", name)) if !name.is_empty() && !name.contains(['$', '}', '=', '\0']) => {
            Reference::Env(name)
        }
        Some(("file", path)) if !path.is_empty() && !path.contains(['$', '}', '\0']) => Reference::File(path),
        Some(("env" | "file", _)) => Reference::Malformed,
        _ if secret => Reference::Malformed,
        _ => Reference::Literal,
    }
}
