//! Holds a tree against the table of keys.

mod elsewhere;

use std::time::Duration;

use super::errors::{ConfigError, Hint, Problem, shown};
use super::keys::{self, Key, Kind};
use super::tree::{Data, Node, Object, join};
use super::units::{HIGHEST_PRICE, parse_duration, parse_size, show_duration, show_size};
use crate::telemetry::targets;

/// Reports every key that is not known and every value that its key does not take; takes out what the host ignores.
pub(super) fn check(root: &mut Node, errors: &mut Vec<ConfigError>) {
    value(root, keys::FILE, "", errors);
}

fn value(node: &mut Node, kind: &'static Kind, path: &str, errors: &mut Vec<ConfigError>) {
    match (kind, &mut node.data) {
        (Kind::Section(keys), Data::Object(object)) => section(object, keys, path, errors),
        (Kind::Instances(entry), Data::Object(object)) => instances(object, entry, path, errors),
        (Kind::List(element), Data::List(list)) => {
            for (index, node) in list.iter_mut().enumerate() {
                value(node, element, &format!("{path}[{index}]"), errors);
            }
        }
        (Kind::Models(entry), Data::Object(object)) => {
            for (name, member) in object {
                value(&mut member.node, entry, &join(path, name), errors);
            }
        }
        (Kind::Settings, Data::Object(_)) => {}
        (Kind::Digests, Data::Object(object)) => digests(object, path, errors),
        _ => {
            if let Err(problem) = leaf(kind, node) {
                errors.push(node.origin.error(path, problem));
            }
        }
    }
}

fn section(object: &mut Object, keys: &'static [Key], path: &str, errors: &mut Vec<ConfigError>) {
    object.retain(|name, _| !keys::is_ignored(name));
    let plugin = elsewhere::plugin(object);
    for (name, member) in object {
        let section = path;
        let path = join(path, name);
        match keys.iter().find(|key| key.name == name) {
            Some(key) => value(&mut member.node, &key.kind, &path, errors),
            None => {
                let hint = keys::hint(name, keys);
                let problem = elsewhere::unknown(section, name, plugin.as_deref(), hint);
                errors.push(member.key.error(path, problem));
            }
        }
    }
}

fn instances(object: &mut Object, entry: &'static Kind, path: &str, errors: &mut Vec<ConfigError>) {
    object.retain(|name, _| !keys::is_ignored(name));
    for (name, member) in object {
        let path = join(path, name);
        if let Err(problem) = instance_name(name) {
            errors.push(member.key.error(&*path, problem));
        }
        value(&mut member.node, entry, &path, errors);
    }
}

/// No name is ignored here: a pin that does not count would be worse than none.
fn digests(object: &mut Object, path: &str, errors: &mut Vec<ConfigError>) {
    for (name, member) in object {
        let path = join(path, name);
        let lawful = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(lawful) {
            let name = shown(name);
            errors.push(member.key.error(&*path, Problem::PluginName { name }));
        }
        value(&mut member.node, &Kind::Digest, &path, errors);
    }
}

fn instance_name(name: &str) -> Result<(), Problem> {
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = first.starts_with(plain) && rest.chars().all(|c| plain(c) || c == '-' || c == '_');
    if name == "cli" {
        Err(Problem::Reserved)
    } else if !valid || name.len() > 32 {
        let name = shown(name);
        Err(Problem::Name { name })
    } else {
        Ok(())
    }
}

fn leaf(kind: &Kind, node: &Node) -> Result<(), Problem> {
    match (kind, &node.data) {
        (Kind::Text, Data::Text(_)) => Ok(()),
        (Kind::Word | Kind::Secret, Data::Text(text)) if !text.trim().is_empty() => Ok(()),
        (Kind::Path, Data::Text(text)) if !text.is_empty() && !text.contains('\0') => Ok(()),
        (Kind::Flag, Data::Bool(_)) => Ok(()),
        (Kind::Id, Data::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
        (Kind::Id, Data::Text(text)) => id(text),
        (Kind::Address, Data::Text(text)) => address(text),
        (Kind::Level, Data::Text(text)) => level(text),
        (Kind::Count { min, max }, Data::Number(number)) if !number.is_f64() => match number.as_u64() {
            Some(count) if (*min..=*max).contains(&count) => Ok(()),
            _ => Err(range(number, min, max)),
        },
        (Kind::Size { min, max }, Data::Number(_) | Data::Text(_)) => match size(node) {
            Some(bytes) if (*min..=*max).contains(&bytes) => Ok(()),
            Some(bytes) => Err(range(show_size(bytes), show_size(*min), show_size(*max))),
            None => Err(unfit(kind, node)),
        },
        (Kind::Duration { min, max }, Data::Text(text)) => match parse_duration(text) {
            Some(given) => duration(given, *min, *max),
            None => Err(unfit(kind, node)),
        },
        (Kind::Price, Data::Number(number)) => match number.as_f64() {
            Some(price) if (0.0..=HIGHEST_PRICE).contains(&price) => Ok(()),
            _ => Err(range(number, 0, HIGHEST_PRICE)),
        },
        (Kind::Digest, Data::Text(text)) if is_digest(text) => Ok(()),
        (Kind::Choice(allowed), Data::Text(text)) => choice(text, allowed),
        _ => Err(unfit(kind, node)),
    }
}

/// A name would have to be looked up before anything is known of the network.
fn address(text: &str) -> Result<(), Problem> {
    let found = || quoted(text);
    let problem = || Problem::Type {
        expected: describe(&Kind::Address),
        found: found(),
    };
    text.parse::<std::net::SocketAddr>()
        .map(drop)
        .map_err(|_| problem())
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Bytes of a size as it stands in a tree.
pub(super) fn size(node: &Node) -> Option<u64> {
    match &node.data {
        Data::Number(number) => number.as_u64(),
        Data::Text(text) => parse_size(text),
        _ => None,
    }
}

fn id(text: &str) -> Result<(), Problem> {
    let text = text.trim();
    if text == "*" {
        Err(Problem::Wildcard)
    } else if text.starts_with('@') {
        Err(Problem::UserName(shown(text)))
    } else if text.is_empty() {
        let (expected, found) = (describe(&Kind::Id), "an empty text".into());
        Err(Problem::Type { expected, found })
    } else {
        Ok(())
    }
}

/// A filter's grammar takes every word as the name of a module, so that `warning` would silence the log.
fn level(text: &str) -> Result<(), Problem> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let known = LEVELS.iter().any(|level| text.eq_ignore_ascii_case(level));
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if text.trim().is_empty() {
        let (expected, found) = (describe(&Kind::Level), "an empty text".into());
        return Err(Problem::Type { expected, found });
    }
    if word && !known && (text.eq_ignore_ascii_case("warning") || Hint::new(text, LEVELS).is_near()) {
        return choice(text, &LEVELS);
    }
    match targets(text) {
        Ok(_) => Ok(()),
        Err(reason) if text.contains('[') => Err(Problem::Settings(reason)),
        Err(_) => {
            let (expected, found) = (describe(&Kind::Level), quoted(text));
            Err(Problem::Type { expected, found })
        }
    }
}

fn duration(given: Duration, min: Duration, max: Duration) -> Result<(), Problem> {
    if (min..=max).contains(&given) {
        return Ok(());
    }
    Err(range(
        show_duration(given),
        show_duration(min),
        show_duration(max),
    ))
}

fn choice(text: &str, allowed: &[&str]) -> Result<(), Problem> {
    if allowed.contains(&text) {
        return Ok(());
    }
    let hint = Hint::new(text, allowed.iter().copied());
    let found = quoted(text);
    Err(Problem::Choice { found, hint })
}

fn range(found: impl ToString, min: impl ToString, max: impl ToString) -> Problem {
    Problem::Range {
        found: found.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    }
}

fn unfit(kind: &Kind, node: &Node) -> Problem {
    let found = match (kind, &node.data) {
        // Only kinds that never hold a secret show what was found.
        (Kind::Duration { .. } | Kind::Size { .. }, Data::Text(text)) => quoted(text),
        (Kind::Duration { .. } | Kind::Size { .. } | Kind::Count { .. } | Kind::Id, Data::Number(number)) => {
            format!("`{number}`")
        }
        _ => node.kind().into(),
    };
    Problem::Type {
        expected: describe(kind),
        found,
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

fn describe(kind: &Kind) -> String {
    let words = match kind {
        Kind::Text => "text",
        Kind::Word | Kind::Secret => "text that is not empty",
        Kind::Path => "a path",
        Kind::Flag => "true or false",
        Kind::Id => "an id: a whole number or a text",
        Kind::Address => "a numeric address and a port such as `127.0.0.1:9464` or `[::1]:9464`",
        Kind::Level => "a level such as `info`, or a filter such as `info,miniclaw=debug`",
        Kind::Count { .. } => "a whole number",
        Kind::Price => "a number such as 0.15",
        Kind::Models(_) => "an object with one entry for each model",
        Kind::Size { .. } => "a size such as 262144 or `256KiB`",
        Kind::Duration { .. } => "a duration such as `250ms`, `10s`, `5m`, `24h` or `30d`",
        Kind::Choice(allowed) => return format!("one of `{}`", allowed.join("`, `")),
        Kind::List(Kind::Id) => "a list of ids such as [123456789]",
        Kind::List(Kind::Path) => "a list of paths",
        Kind::List(_) => "a list",
        Kind::Section(_) | Kind::Settings => "an object",
        Kind::Digests => "an object with a SHA-256 for each name of a plugin",
        Kind::Digest => "a SHA-256: 64 hexadecimal digits, as `miniclaw plugin info` prints it",
        Kind::Instances(_) => "an object with one entry for each name",
    };
    words.into()
}
