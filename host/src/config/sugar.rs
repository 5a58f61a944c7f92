//! From the short keys to the general form, and defaults where nothing is given.

use std::path::Path;

use super::errors::{ConfigError, Origin, Problem};
use super::keys::{self, Default, Key, Kind};
use super::tree::{Data, Member, Node, Object};

const TELEGRAM: &str = "telegram";

/// Moves `telegram_token` and `allow_from` to where they belong. Returns warnings.
pub(super) fn desugar(root: &mut Node, errors: &mut Vec<ConfigError>) -> Vec<String> {
    let Some(object) = root.object_mut() else {
        return Vec::new();
    };
    let token = object.remove("telegram_token").map(|member| member.node);
    let allow_from = object.remove("allow_from").map(|member| member.node);
    if token.is_none() && allow_from.is_none() {
        return Vec::new();
    }
    let Some(channels) = entry(object, "channels", &Origin::Default) else {
        return Vec::new();
    };
    if let Some(token) = token {
        put_token(channels, token, errors);
    }
    allow_from
        .and_then(|list| put_allow_from(channels, list, errors))
        .into_iter()
        .collect()
}

/// Puts the table's defaults where nothing is given.
pub(super) fn fill(root: &mut Node, home: &Path) {
    fill_kind(root, keys::FILE);
    if let Some(object) = root.object_mut() {
        let workspace = home.join("workspace").to_string_lossy().into_owned();
        let default = || Member::new(Node::text_of(Origin::Default, workspace));
        object.entry("workspace_path".into()).or_insert_with(default);
    }
}

fn put_token(channels: &mut Object, token: Node, errors: &mut Vec<ConfigError>) {
    let origin = token.origin.clone();
    let Some(channel) = entry(channels, TELEGRAM, &origin) else {
        return;
    };
    match channel.get("plugin").map(|member| &member.node) {
        Some(plugin) if plugin.text().is_some_and(|name| name != TELEGRAM) => {
            let other_key = "channels.telegram.plugin".into();
            let other = plugin.origin.clone();
            errors.push(origin.error("telegram_token", Problem::TokenOfOther { other_key, other }));
            return;
        }
        Some(_) => {}
        None => {
            channel.insert(
                "plugin".into(),
                Member::new(Node::text_of(origin.clone(), TELEGRAM)),
            );
        }
    }
    if let Some(settings) = entry(channel, "settings", &origin) {
        place(
            settings,
            "token",
            token,
            ("telegram_token", "channels.telegram.settings.token"),
            errors,
        );
    }
}

/// The ids are Telegram's: on another platform the same number is another person.
fn put_allow_from(channels: &mut Object, list: Node, errors: &mut Vec<ConfigError>) -> Option<String> {
    let mut used = false;
    for (name, member) in channels {
        let plugin = member.node.get("plugin").map_or(Some(name.as_str()), Node::text);
        if plugin != Some(TELEGRAM) {
            continue;
        }
        let Some(channel) = member.node.object_mut() else {
            continue;
        };
        if name == TELEGRAM {
            used = true;
            let keys = ("allow_from", "channels.telegram.allow_from");
            place(channel, "allow_from", list.clone(), keys, errors);
        } else if !channel.contains_key("allow_from") {
            used = true;
            channel.insert("allow_from".into(), Member::new(list.clone()));
        }
    }
    (!used).then(|| {
        let reason = "no channel takes it: it counts for Telegram channels without a list of their own";
        format!("{}: key `allow_from`: {reason}", list.origin)
    })
}

/// Puts a value where the general form may have one as well: of two sources the later wins, one source must not give
/// both.
fn place(
    object: &mut Object,
    name: &str,
    node: Node,
    (short, general): (&str, &str),
    errors: &mut Vec<ConfigError>,
) {
    if let Some(given) = object.get(name).map(|member| &member.node) {
        if given.origin.same_source(&node.origin) {
            let other_key = general.to_owned();
            let other = given.origin.clone();
            errors.push(node.origin.error(short, Problem::Clash { other_key, other }));
            return;
        }
        if given.origin > node.origin {
            return;
        }
    }
    object.insert(name.into(), Member::new(node));
}

/// The object under `name`, made where it is absent; `None` where something else stands there.
pub(super) fn entry<'a>(object: &'a mut Object, name: &str, origin: &Origin) -> Option<&'a mut Object> {
    object
        .entry(name.to_owned())
        .or_insert_with(|| Member::new(Node::object_of(origin.clone())))
        .node
        .object_mut()
}

fn fill_kind(node: &mut Node, kind: &'static Kind) {
    match (kind, &mut node.data) {
        (Kind::Section(keys), Data::Object(object)) => {
            for key in *keys {
                if let Some(data) = default(key).filter(|_| !object.contains_key(key.name)) {
                    object.insert(key.name.into(), Member::new(Node::new(Origin::Default, data)));
                }
                if let Some(member) = object.get_mut(key.name) {
                    fill_kind(&mut member.node, &key.kind);
                }
            }
        }
        (Kind::Instances(entry), Data::Object(object)) => {
            for (name, member) in object {
                if let Some(object) = member.node.object_mut() {
                    let plugin = || Member::new(Node::text_of(Origin::Default, name));
                    object.entry("plugin".into()).or_insert_with(plugin);
                }
                fill_kind(&mut member.node, entry);
            }
        }
        (Kind::Models(entry), Data::Object(object)) => {
            for member in object.values_mut() {
                fill_kind(&mut member.node, entry);
            }
        }
        (Kind::List(element), Data::List(list)) => {
            for node in list {
                fill_kind(node, element);
            }
        }
        _ => {}
    }
}

fn default(key: &Key) -> Option<Data> {
    match key.default {
        Default::None => None,
        Default::Text(text) => Some(Data::Text(text.into())),
        Default::Number(number) => Some(Data::Number(number.into())),
        Default::Flag(flag) => Some(Data::Bool(flag)),
        Default::EmptyList => Some(Data::List(Vec::new())),
        Default::EmptyObject => Some(Data::Object(Object::new())),
    }
}
