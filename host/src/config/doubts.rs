//! What works and is probably not meant, by the configuration alone.

use super::errors::shown;
use super::tree::{Data, Node};

/// Warns of commands of routes that nobody can send, or that no route sees.
pub(super) fn commands_of_routes(root: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    let routes = root.get("routes").and_then(Node::list).unwrap_or_default();
    for (index, node) in routes.iter().enumerate() {
        let Some((command, text)) = node.get("command").and_then(|node| Some((node, node.text()?))) else {
            continue;
        };
        let name = text.trim().trim_start_matches('/').to_lowercase();
        let reason = if name.is_empty() || name.contains(|c: char| c == '/' || c.is_whitespace()) {
            "no command has such a name, so that nothing matches; a name is one word, such as `draw`"
        } else if is_the_gateways(&name) {
            "the gateway answers this command itself, so that it goes to no route"
        } else {
            continue;
        };
        let (origin, text) = (&command.origin, shown(text));
        warnings.push(format!(
            "{origin}: key `routes[{index}].command`: `{text}`: {reason}"
        ));
    }
    warnings
}

/// Warns of lists of channels that let in nobody, or no group.
pub(super) fn lists_of_channels(root: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, member) in root.get("channels").and_then(Node::object).into_iter().flatten() {
        if let Some(node) = member.node.get("admins").filter(|node| is_empty(node)) {
            let origin = &node.origin;
            warnings.push(format!(
                "{origin}: key `channels.{name}.admins`: nobody may use commands that change settings; leave it out for \
                 everybody in `allow_from`"
            ));
        }
        let plugin = member.node.get("plugin").map_or(Some(name.as_str()), Node::text);
        let groups = member.node.get("groups").and_then(|groups| groups.get("allow"));
        let ids = groups.and_then(Node::list).filter(|_| plugin == Some("telegram"));
        for (index, node) in ids.unwrap_or_default().iter().enumerate() {
            if let Some(id) = positive(node) {
                let origin = &node.origin;
                warnings.push(format!(
                    "{origin}: key `channels.{name}.groups.allow[{index}]`: {id} is the id of a person; Telegram's groups \
                     and channels have negative ids such as -1001234567890"
                ));
            }
        }
    }
    warnings
}

fn is_the_gateways(name: &str) -> bool {
    let menu = crate::hub::menu();
    let mut commands = menu.as_array().into_iter().flatten();
    commands.any(|entry| entry.get("command").and_then(|command| command.as_str()) == Some(name))
}

fn is_empty(node: &Node) -> bool {
    node.list().is_some_and(<[Node]>::is_empty)
}

fn positive(node: &Node) -> Option<i64> {
    let id = match &node.data {
        Data::Number(number) => number.as_i64(),
        Data::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    id.filter(|id| *id > 0)
}
