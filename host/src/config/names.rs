//! Names that refer to something: providers, channels, ids of a platform.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::errors::{ConfigError, Hint, Origin, Problem, shown};
use super::sugar;
use super::tree::{Data, Member, Node, Object};

/// Providers that need no entry of their own.
pub(crate) const BUILT_IN_PROVIDERS: [&str; 5] = ["anthropic", "echo", "gemini", "ollama", "openai"];
/// A channel that routes may name although only a flag makes it.
const CONSOLE: &str = "console";

/// Settles the default provider, gives built-in providers that are named an entry, reports names that lead nowhere.
pub(super) fn settle(root: &mut Node, errors: &mut Vec<ConfigError>) {
    if let Some(object) = root.object_mut() {
        sugar::entry(object, "providers", &Origin::Default);
    }
    default_provider(root, errors);
    for (key, node) in named_providers(root) {
        let Some(name) = node.text() else { continue };
        let Some(providers) = root.get_mut("providers").and_then(Node::object_mut) else {
            continue;
        };
        if providers.contains_key(name) {
            continue;
        }
        if BUILT_IN_PROVIDERS.contains(&name) {
            providers.insert(name.to_owned(), Member::new(Node::object_of(node.origin.clone())));
        } else {
            let known = providers.keys().map(String::as_str).chain(BUILT_IN_PROVIDERS);
            let mut known: Vec<&str> = known.collect();
            known.sort_unstable();
            known.dedup();
            let hint = Hint::new(name, known);
            let name = shown(name);
            errors.push(node.origin.error(key, Problem::UnknownProvider { name, hint }));
        }
    }
    routes(root, errors);
    alerts(root, errors);
    telegram_ids(root, errors);
}

/// Warns of routes that no message reaches.
pub(super) fn unreachable_routes(root: &Node) -> Vec<String> {
    let routes = root.get("routes").and_then(Node::list).unwrap_or_default();
    let catches_all = |route: &Node| {
        ["channel", "chat", "command"]
            .iter()
            .all(|key| route.get(key).is_none())
    };
    match routes.iter().position(catches_all) {
        Some(index) if index + 1 < routes.len() => routes
            .get(index + 1)
            .map(|next| {
                let next = &next.origin;
                format!("{next}: key `routes`: nothing gets here, `routes[{index}]` matches every message")
            })
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

fn default_provider(root: &mut Node, errors: &mut Vec<ConfigError>) {
    if root.get("provider").is_some() {
        return;
    }
    let Some(providers) = root.get("providers").and_then(Node::object) else {
        return;
    };
    let mut names = providers.keys();
    let name = match (names.next(), names.next()) {
        (None, _) => "echo".to_owned(),
        (Some(only), None) => only.clone(),
        (Some(_), Some(_)) => {
            let origin = root
                .get("providers")
                .map_or(Origin::Default, |node| node.origin.clone());
            let hint = Hint::new("", providers.keys().map(String::as_str));
            errors.push(origin.error("provider", Problem::NoDefaultProvider(hint)));
            return;
        }
    };
    if let Some(object) = root.object_mut() {
        object.insert(
            "provider".into(),
            Member::new(Node::text_of(Origin::Default, name)),
        );
    }
}

fn named_providers(root: &Node) -> Vec<(String, Node)> {
    let mut named = Vec::new();
    if let Some(node) = root.get("provider") {
        named.push(("provider".into(), node.clone()));
    }
    for (index, route) in root
        .get("routes")
        .and_then(Node::list)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        if let Some(node) = route.get("provider") {
            named.push((format!("routes[{index}].provider"), node.clone()));
        }
        let fallback = route.get("fallback").and_then(Node::list).unwrap_or_default();
        for (place, node) in fallback.iter().enumerate() {
            let mut node = node.clone();
            if let Data::Text(text) = &mut node.data
                && let Some(end) = text.find('/')
            {
                text.truncate(end);
            }
            named.push((format!("routes[{index}].fallback[{place}]"), node));
        }
    }
    named
}

fn routes(root: &Node, errors: &mut Vec<ConfigError>) {
    let empty = Object::new();
    let channels = root.get("channels").and_then(Node::object).unwrap_or(&empty);
    for (index, route) in root
        .get("routes")
        .and_then(Node::list)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let Some(object) = route.object() else { continue };
        let fallback = route
            .get("fallback")
            .is_some_and(|node| node.list().is_none_or(|l| !l.is_empty()));
        if !object.contains_key("provider") && !object.contains_key("model") && !fallback {
            errors.push(
                route
                    .origin
                    .error(format!("routes[{index}]"), Problem::EmptyRoute),
            );
        }
        let Some(node) = route.get("channel") else {
            continue;
        };
        if let Some(name) = node
            .text()
            .filter(|name| !channels.contains_key(*name) && *name != CONSOLE)
        {
            let hint = Hint::new(name, channels.keys().map(String::as_str));
            let name = shown(name);
            let key = format!("routes[{index}].channel");
            let what = "channel";
            errors.push(node.origin.error(key, Problem::Unknown { what, name, hint }));
        }
    }
}

fn alerts(root: &Node, errors: &mut Vec<ConfigError>) {
    let empty = Object::new();
    let channels = root.get("channels").and_then(Node::object).unwrap_or(&empty);
    let Some(node) = root.get("alerts").and_then(|alerts| alerts.get("channel")) else {
        return;
    };
    if let Some(name) = node.text().filter(|name| !channels.contains_key(*name)) {
        let hint = Hint::new(name, channels.keys().map(String::as_str));
        let (what, name) = ("channel", shown(name));
        let problem = Problem::Unknown { what, name, hint };
        errors.push(node.origin.error("alerts.channel", problem));
    }
}

fn telegram_ids(root: &Node, errors: &mut Vec<ConfigError>) {
    for (name, member) in root.get("channels").and_then(Node::object).into_iter().flatten() {
        let plugin = member.node.get("plugin").map_or(Some(name.as_str()), Node::text);
        if plugin != Some("telegram") {
            continue;
        }
        let groups = member.node.get("groups");
        let lists = [
            ("allow_from", member.node.get("allow_from")),
            ("groups.allow", groups.and_then(|groups| groups.get("allow"))),
            ("admins", member.node.get("admins")),
        ];
        for (list, ids) in lists {
            let ids = ids.and_then(Node::list).unwrap_or_default();
            for (index, node) in ids.iter().enumerate() {
                if let Some(text) = no_telegram_id(node) {
                    let key = format!("channels.{name}.{list}[{index}]");
                    errors.push(node.origin.error(key, Problem::NotTelegramId(shown(text))));
                }
            }
        }
    }
}

/// Reports channels of one plugin that log in as the same bot; references are followed by now.
pub(super) fn shared_tokens(root: &Node, errors: &mut Vec<ConfigError>) {
    let mut seen: BTreeMap<(&str, &str), (String, &Origin)> = BTreeMap::new();
    for (name, member) in root.get("channels").and_then(Node::object).into_iter().flatten() {
        let plugin = member.node.get("plugin").map_or(Some(name.as_str()), Node::text);
        let token = member
            .node
            .get("settings")
            .and_then(|settings| settings.get("token"));
        let text = token.and_then(Node::text).map(str::trim);
        let (Some(plugin), Some(token), Some(text)) = (plugin, token, text.filter(|text| !text.is_empty()))
        else {
            continue;
        };
        let key = format!("channels.{name}.settings.token");
        match seen.entry((plugin, text)) {
            Entry::Vacant(place) => {
                place.insert((key, &token.origin));
            }
            Entry::Occupied(first) => {
                let (other_key, other) = first.get().clone();
                let other = other.clone();
                errors.push(token.origin.error(key, Problem::SameToken { other_key, other }));
            }
        }
    }
}

/// A text that is no whole number.
fn no_telegram_id(node: &Node) -> Option<&str> {
    let text = node.text()?.trim();
    // These are refused already, in words of their own.
    let refused = text.is_empty() || text == "*" || text.starts_with('@');
    (!refused && text.parse::<i64>().is_err()).then_some(text)
}

/// Warns of admins who may not write.
pub(super) fn powerless_admins(root: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, member) in root.get("channels").and_then(Node::object).into_iter().flatten() {
        let ids = |key| member.node.get(key).and_then(Node::list).unwrap_or_default();
        let pairing = member.node.get("pairing").map(|node| &node.data);
        let allowed: Vec<_> = ids("allow_from").iter().filter_map(id).collect();
        // Without a list somebody else decides who speaks: the plugin, or pairing.
        if allowed.is_empty() || matches!(pairing, Some(Data::Bool(true))) {
            continue;
        }
        for (index, node) in ids("admins").iter().enumerate() {
            if let Some(id) = id(node).filter(|id| !allowed.contains(id)) {
                let (origin, id) = (&node.origin, shown(&id));
                warnings.push(format!(
                    "{origin}: key `channels.{name}.admins[{index}]`: `{id}` is not in `allow_from`, and may not write"
                ));
            }
        }
    }
    warnings
}

fn id(node: &Node) -> Option<String> {
    match &node.data {
        Data::Number(number) => Some(number.to_string()),
        Data::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}
