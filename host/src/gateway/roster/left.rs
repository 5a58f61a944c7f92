//! What of a configuration waits for the next start.

use crate::config::Config;

/// Sections whose values a reload takes up. What is not named here waits, and the operator is told so.
const LIVE: [&str; 14] = [
    "agent",
    "alerts",
    "channels",
    "currency",
    "delivery",
    "gateway",
    "limits",
    "media",
    "model",
    "plugins",
    "provider",
    "providers",
    "routes",
    "sessions",
];

fn is_live(key: &str) -> bool {
    let section = key.split(['.', '[']).next().unwrap_or(key);
    LIVE.contains(&section) || key == "log.level"
}

/// What cannot change while the process lives stays as it is.
pub(super) fn keep(config: &mut Config, before: &Config) {
    config.home.clone_from(&before.home);
    config.workspace.clone_from(&before.workspace);
    config.log.format = before.log.format;
    config.http.clone_from(&before.http);
}

/// The keys that differ from those at the start and wait for the next one.
pub(super) fn left(at_start: &[(String, String)], values: &[(String, String)]) -> Vec<String> {
    let differs = |one: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
        let differs = one
            .iter()
            .filter(|value| !is_live(&value.0) && !other.contains(value));
        differs.map(|(key, _)| key.clone()).collect()
    };
    most_exact([differs(values, at_start), differs(at_start, values)].concat())
}

/// Without a key that another one is a part of, and without the same twice: an object that was empty has a key of its own.
fn most_exact(keys: Vec<String>) -> Vec<String> {
    let holds = |key: &str, other: &str| {
        let rest = other.strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let mut exact: Vec<String> = Vec::new();
    for key in &keys {
        if !exact.contains(key) && !keys.iter().any(|other| holds(key, other)) {
            exact.push(key.clone());
        }
    }
    exact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_next_start_is_named_once_and_exactly() {
        let keys = ["listen.http", "listen", "log.format", "listen.http"];
        let named = most_exact(keys.map(str::to_owned).to_vec());
        assert_eq!(named, ["listen.http", "log.format"]);
    }

    #[test]
    fn what_is_live_does_not_wait_and_what_nobody_knows_does() {
        let value = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let before = [
            value("routes[0].model", "a"),
            value("workspace_path", "a"),
            value("log.format", "text"),
        ];
        let after = [
            value("routes[0].model", "b"),
            value("workspace_path", "b"),
            value("log.format", "text"),
            value("someday.key", "1"),
            value("model", "b"),
        ];
        assert_eq!(left(&before, &after), ["workspace_path", "someday.key"]);
        assert_eq!(left(&before, &before), Vec::<String>::new());
        assert_eq!(left(&after, &before), ["workspace_path", "someday.key"]);
    }
}
