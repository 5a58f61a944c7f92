//! Where a key belongs that stands in the wrong place.

use std::collections::BTreeSet;

use miniclaw_plugin_api::Kind as PluginKind;
use serde_json::Value;

use super::super::errors::{Hint, Problem};
use super::super::keys::{self, Key, Kind};
use super::super::tree::{Object, join};
use crate::plugins::builtin;
use crate::plugins::inspect::ManifestInfo;

/// What is wrong with a key that the section at `path` does not have; `hint` tells what it has.
pub(super) fn unknown(path: &str, name: &str, plugin: Option<&str>, hint: Hint) -> Problem {
    let instance = Instance::at(path, plugin);
    let builtins: Vec<ManifestInfo> = builtin::all().into_iter().map(|b| b.manifest).collect();
    let known = instance
        .as_ref()
        .and_then(|instance| instance.manifest(&builtins));
    if let (Some(instance), Some(manifest)) = (&instance, known)
        && has(manifest, name)
    {
        return Problem::SettingOfPlugin {
            place: format!("{}.settings.{name}", instance.path),
        };
    }
    if let Some(place) = in_the_table(path, name) {
        return Problem::Elsewhere { place };
    }
    match (instance, known) {
        // No manifest is at hand of what is no part of the binary.
        (Some(instance), None) if !hint.is_near() => Problem::PerhapsSetting {
            place: format!("{}.settings.{name}", instance.path),
            hint,
        },
        (None, _) if !hint.is_near() => match in_settings(name, &builtins) {
            Some(place) => Problem::SettingOfPlugin { place },
            None => Problem::UnknownKey(hint),
        },
        _ => Problem::UnknownKey(hint),
    }
}

/// The plugin that an instance names.
pub(super) fn plugin(object: &Object) -> Option<String> {
    object.get("plugin")?.node.text().map(str::to_owned)
}

/// The section of one channel or provider.
struct Instance<'a> {
    path: &'a str,
    kind: PluginKind,
    plugin: &'a str,
}

impl<'a> Instance<'a> {
    fn at(path: &'a str, plugin: Option<&'a str>) -> Option<Self> {
        let (section, name) = path.split_once('.')?;
        let kind = match section {
            "channels" => PluginKind::Channel,
            "providers" => PluginKind::Provider,
            _ => return None,
        };
        (!name.contains('.')).then(|| Self {
            path,
            kind,
            plugin: plugin.unwrap_or(name),
        })
    }

    fn manifest<'m>(&self, builtins: &'m [ManifestInfo]) -> Option<&'m ManifestInfo> {
        builtins
            .iter()
            .find(|manifest| manifest.kind == self.kind && manifest.name == self.plugin)
    }
}

fn has(manifest: &ManifestInfo, setting: &str) -> bool {
    let schema: Value = serde_json::from_str(&manifest.schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| properties.contains_key(setting))
}

/// The one place in the table that has the name, those nearest to `path` first.
fn in_the_table(path: &str, name: &str) -> Option<String> {
    let mut found = Vec::new();
    search(keys::FILE, "", name, &mut found);
    let mut parts = path.splitn(3, '.');
    let (section, instance) = (parts.next().unwrap_or_default(), parts.next());
    let own = |place: &&String| place.split('.').next() == Some(section);
    let near: Vec<&String> = found.iter().filter(own).collect();
    let place = match (&*near, &*found) {
        ([place], _) => *place,
        ([], [place]) => place,
        _ => return None,
    };
    Some(match instance.filter(|_| near.len() == 1) {
        Some(instance) => place.replacen("NAME", instance, 1),
        None => place.clone(),
    })
}

fn search(kind: &'static Kind, path: &str, name: &str, found: &mut Vec<String>) {
    match kind {
        Kind::Section(keys) => {
            for Key { name: key, kind, .. } in *keys {
                let path = join(path, key);
                search(kind, &path, name, found);
                if *key == name {
                    found.push(path);
                }
            }
        }
        Kind::Instances(entry) => search(entry, &join(path, "NAME"), name, found),
        Kind::Models(entry) => search(entry, &join(path, "MODEL"), name, found),
        Kind::List(element) => search(element, &format!("{path}[]"), name, found),
        _ => {}
    }
}

/// Where the built-in plugins of one kind have a setting of that name.
fn in_settings(name: &str, builtins: &[ManifestInfo]) -> Option<String> {
    let having: Vec<&ManifestInfo> = builtins.iter().filter(|manifest| has(manifest, name)).collect();
    let sections: BTreeSet<&str> = having
        .iter()
        .map(|manifest| match manifest.kind {
            PluginKind::Channel => "channels",
            _ => "providers",
        })
        .collect();
    let instance = match &*having {
        [only] => &only.name,
        _ => "NAME",
    };
    match sections.len() {
        1 => Some(format!("{}.{instance}.settings.{name}", sections.first()?)),
        _ => None,
    }
}
