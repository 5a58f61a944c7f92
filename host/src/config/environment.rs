//! What the environment and the flags say, as a tree to lay over the file's.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::errors::{ConfigError, Hint, Origin, Problem};
use super::file::read_secret;
use super::json;
use super::keys::{self, Kind};
use super::locate::{Environment, variable};
use super::tree::{Data, Node, join};

/// A value that a flag gives.
#[derive(Debug, Clone)]
pub(crate) struct FlagOverride {
    /// Dotted path, for example `gateway.shutdown_timeout`.
    pub(crate) key: String,
    pub(crate) value: Value,
    /// The flag as the user wrote it, for example `--shutdown-timeout`.
    pub(crate) flag: &'static str,
}

const PREFIX: &str = "MINICLAW__";

/// Collects the environment's values.
pub(super) fn from_environment(env: &Environment, errors: &mut Vec<ConfigError>) -> Node {
    let mut layer = Layer {
        root: Node::object_of(Origin::Default),
        errors,
    };
    for (name, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
        if let Some(name) = name.to_str() {
            layer.variable(name, value);
        }
    }
    // The host's own variables name the level as well, and more exactly.
    let named = layer
        .root
        .get("log")
        .is_some_and(|log| log.get("level").is_some());
    if let Some(value) = variable(env, "RUST_LOG").filter(|_| !named) {
        layer.text("RUST_LOG", "log.level", value);
    }
    layer.root
}

/// Collects the flags' values.
pub(super) fn from_flags(flags: &[FlagOverride], errors: &mut Vec<ConfigError>) -> Node {
    let mut root = Node::object_of(Origin::Default);
    for FlagOverride { key, value, flag } in flags {
        let origin = Origin::Flag((*flag).into());
        let path = split(key, ".");
        match keys::find(&path) {
            Ok(_) => root.overlay(
                Node::from_value(&origin, value.clone()).under(&path),
                "",
                &mut |_, _, _| {},
            ),
            Err(hint) => errors.push(origin.error(&**key, Problem::UnknownKey(hint))),
        }
    }
    root
}

/// Warns of variables that look like the host's and are not.
pub(super) fn strays(env: &Environment) -> Vec<String> {
    const KNOWN: [&str; 4] = [
        "MINICLAW_CONFIG",
        "MINICLAW_HOME",
        "MINICLAW_LOG",
        "MINICLAW_PLUGINS",
    ];
    env.keys()
        .filter_map(|name| name.to_str())
        .filter(|name| name.starts_with("MINICLAW_") && !name.starts_with(PREFIX) && !KNOWN.contains(name))
        .map(|name| (name, Hint::new(name, KNOWN)))
        .filter(|(_, hint)| hint.is_near())
        .map(|(name, hint)| format!("env {name}: not known and ignored; {hint}"))
        .collect()
}

/// Whether a list can be written with commas, as people do in an environment.
fn is_plain_list(kind: &Kind) -> bool {
    matches!(kind, Kind::List(Kind::Id | Kind::Word | Kind::Text | Kind::Path))
}

struct Layer<'a> {
    root: Node,
    errors: &'a mut Vec<ConfigError>,
}

impl Layer<'_> {
    fn variable(&mut self, name: &str, value: &OsStr) {
        match name {
            "TELEGRAM_BOT_TOKEN" => self.text(name, "telegram_token", value),
            "TELEGRAM_BOT_TOKEN_FILE" => {
                self.secret_file(name, &split("telegram_token", "."), Path::new(value));
            }
            "MINICLAW_LOG" => self.text(name, "log.level", value),
            "MINICLAW_PLUGINS" => self.plugins(name, value),
            _ => {
                if let Some(key) = name.strip_prefix(PREFIX) {
                    self.any_key(name, &key.to_ascii_lowercase(), value);
                }
            }
        }
    }

    fn text(&mut self, name: &str, key: &str, value: &OsStr) {
        let origin = Origin::Env(name.into());
        match value.to_str() {
            Some(text) => self.lay(&split(key, "."), Node::text_of(origin, text)),
            None => self.errors.push(origin.error(key, Problem::EnvNotUtf8)),
        }
    }

    fn plugins(&mut self, name: &str, value: &OsStr) {
        let origin = Origin::Env(name.into());
        let Some(text) = value.to_str() else {
            self.errors
                .push(origin.error("plugins.paths", Problem::EnvNotUtf8));
            return;
        };
        let paths = text.split(':').filter(|path| !path.is_empty());
        let list = paths.map(|path| Node::text_of(origin.clone(), path)).collect();
        self.lay(&split("plugins.paths", "."), Node::new(origin, Data::List(list)));
    }

    fn any_key(&mut self, name: &str, key: &str, value: &OsStr) {
        let origin = Origin::Env(name.into());
        let mut path = split(key, "__");
        let dotted = path.join(".");
        if let Some(secret) = secret_of_file(&path) {
            path = secret;
            self.secret_file(name, &path, Path::new(value));
            return;
        }
        let kind = match keys::find(&path) {
            Ok(kind) if !path.iter().any(String::is_empty) => kind,
            Ok(_) => {
                let hint = Hint::new(key, Vec::<String>::new());
                self.errors.push(origin.error(dotted, Problem::UnknownKey(hint)));
                return;
            }
            Err(hint) => {
                self.errors.push(origin.error(dotted, Problem::UnknownKey(hint)));
                return;
            }
        };
        let Some(text) = value.to_str() else {
            self.errors.push(origin.error(dotted, Problem::EnvNotUtf8));
            return;
        };
        if is_plain_list(kind) && !text.trim_start().starts_with('[') {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items = items.map(|item| Node::text_of(origin.clone(), item)).collect();
            self.lay(&path, Node::new(origin, Data::List(items)));
            return;
        }
        let verbatim = path.last().is_some_and(|name| keys::is_secret(name));
        match typed(kind, text, verbatim, &origin) {
            Ok((node, mut duplicates)) => {
                for duplicate in &mut duplicates {
                    duplicate.key = join(&dotted, &duplicate.key);
                }
                self.errors.append(&mut duplicates);
                self.lay(&path, node);
            }
            Err(mut error) => {
                error.key = dotted;
                self.errors.push(error);
            }
        }
    }

    fn secret_file(&mut self, name: &str, path: &[String], file: &Path) {
        let origin = Origin::Env(name.into());
        match read_secret(file) {
            Ok(text) => {
                let mut node = Node::text_of(origin, text);
                node.secret = true;
                self.lay(path, node);
            }
            Err(reason) => {
                let path_of_file = file.to_owned();
                let problem = Problem::SecretFile {
                    path: path_of_file,
                    reason,
                };
                self.errors.push(origin.error(path.join("."), problem));
            }
        }
    }

    fn lay(&mut self, path: &[String], node: Node) {
        let errors = &mut self.errors;
        self.root.overlay(node.under(path), "", &mut |key, old, new| {
            let clash = Problem::Clash {
                other_key: key.to_owned(),
                other: old.origin.clone(),
            };
            errors.push(new.origin.error(key, clash));
        });
    }
}

/// `…__token_file` is the file of the secret `…__token`.
fn secret_of_file(path: &[String]) -> Option<Vec<String>> {
    let (last, rest) = path.split_last()?;
    let name = last.strip_suffix("_file").filter(|name| keys::is_secret(name))?;
    let mut path = rest.to_vec();
    path.push(name.to_owned());
    matches!(keys::find(&path), Ok(Kind::Secret | Kind::Settings)).then_some(path)
}

/// A value as its key wants it: text stays text where the key takes nothing else; other values are JSON where they
/// can be.
fn typed(
    kind: &Kind,
    text: &str,
    verbatim: bool,
    origin: &Origin,
) -> Result<(Node, Vec<ConfigError>), ConfigError> {
    let textual = match kind {
        Kind::Count { .. }
        | Kind::Size { .. }
        | Kind::Flag
        | Kind::List(_)
        | Kind::Section(_)
        | Kind::Instances(_)
        | Kind::Models(_)
        | Kind::Price
        | Kind::Digests => false,
        Kind::Settings => verbatim,
        _ => true,
    };
    match json::parse(text, &|_| origin.clone()) {
        Ok(parsed) if !textual || parsed.root.text().is_some() => Ok((parsed.root, parsed.duplicates)),
        Err(error) if !matches!(kind, Kind::Settings) && text.trim_start().starts_with(['{', '[']) => {
            Err(error)
        }
        _ => Ok((Node::text_of(origin.clone(), text), Vec::new())),
    }
}

fn split(key: &str, separator: &str) -> Vec<String> {
    key.split(separator).map(str::to_owned).collect()
}
