//! What the configuration asks of plugins: that they exist, are of the right kind, and take their settings.

use std::io::ErrorKind;

use miniclaw_plugin_api::{Capability, Kind};

use super::KeySource;
use super::Loaded;
use super::errors::{ConfigError, ConfigErrors, Hint, Origin, Problem, shown};
use super::settings::check_settings;
use super::tree::Node;

/// A plugin that was found, linked in or in a folder.
#[derive(Debug, Clone)]
pub(crate) struct KnownPlugin {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// JSON Schema text of its settings, from the manifest.
    pub(crate) schema: String,
    /// Bits of [`Capability`].
    pub(crate) capabilities: u64,
}

impl Loaded {
    /// Checks that the folders with libraries are there.
    ///
    /// # Errors
    /// Each folder that is not.
    pub(crate) fn check_plugin_folders(&self) -> Result<(), ConfigErrors> {
        let paths = self
            .effective
            .get("plugins")
            .and_then(|plugins| plugins.get("paths"));
        let nodes = paths.and_then(Node::list).unwrap_or_default();
        let mut errors = Vec::new();
        for (index, (node, path)) in nodes.iter().zip(&self.config.plugin_paths).enumerate() {
            let state = match std::fs::metadata(path) {
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) => "is a file",
                Err(error) if error.kind() == ErrorKind::NotFound => "does not exist",
                Err(_) => "cannot be reached",
            };
            let path = path.clone();
            let problem = Problem::PluginFolder { path, state };
            errors.push(node.origin.error(format!("plugins.paths[{index}]"), problem));
        }
        ConfigErrors::refuse(errors)
    }

    /// Checks that the keys whose signatures count are keys; `read` reads one.
    ///
    /// # Errors
    /// Each that is none.
    pub(crate) fn check_trusted_keys(
        &self,
        read: impl Fn(&KeySource) -> Result<(), String>,
    ) -> Result<(), ConfigErrors> {
        let keys = self
            .effective
            .get("plugins")
            .and_then(|plugins| plugins.get("trusted_keys"));
        let nodes = keys.and_then(Node::list).unwrap_or_default();
        let sources = &self.config.trust.trusted_keys;
        let wrong = nodes
            .iter()
            .zip(sources)
            .enumerate()
            .filter_map(|(index, (node, source))| {
                let problem = Problem::TrustedKey(read(source).err()?);
                Some(
                    node.origin
                        .error(format!("plugins.trusted_keys[{index}]"), problem),
                )
            });
        ConfigErrors::refuse(wrong.collect())
    }

    /// Refuses what is read from no file, where there was one: it may be about to come back.
    ///
    /// # Errors
    /// The file that is gone.
    pub(crate) fn check_file(&self, was_read: bool) -> Result<(), ConfigErrors> {
        let gone = was_read && self.file.is_none();
        let origin = Origin::File {
            path: self.path.as_path().into(),
            at: None,
        };
        let error = gone.then(|| origin.error(String::new(), Problem::Gone));
        ConfigErrors::refuse(error.into_iter().collect())
    }

    /// Checks every instance against the plugins that there are.
    ///
    /// # Errors
    /// Unknown plugins, plugins of the other kind, and settings that the schemas do not take.
    pub(crate) fn check_plugins(&self, known: &[KnownPlugin]) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        for kind in [Kind::Channel, Kind::Provider] {
            let instances = self.effective.get(section(kind)).and_then(Node::object);
            for name in instances.into_iter().flat_map(|instances| instances.keys()) {
                errors.extend(self.check_instance(kind, name, known));
            }
        }
        ConfigErrors::refuse(errors)
    }

    /// Checks one instance against the plugins that there are.
    pub(crate) fn check_instance(
        &self,
        kind: Kind,
        instance: &str,
        known: &[KnownPlugin],
    ) -> Vec<ConfigError> {
        let key = format!("{}.{instance}.plugin", section(kind));
        let Some(plugin) = self.instance(kind, instance).and_then(|node| node.get("plugin")) else {
            return Vec::new();
        };
        let name = plugin.text().unwrap_or_default();
        if let Some(found) = known
            .iter()
            .find(|known| known.name == name && known.kind == kind)
        {
            return self.check_settings(kind, instance, &found.schema);
        }
        let name = shown(name);
        let problem = if known.iter().any(|known| known.name == name) {
            let (is, wanted) = match kind {
                Kind::Channel => ("provider", "channel"),
                _ => ("channel", "provider"),
            };
            Problem::WrongKind { name, is, wanted }
        } else {
            let of_kind = known.iter().filter(|known| known.kind == kind);
            let hint = Hint::new(&name, of_kind.map(|known| known.name.as_str()));
            let what = "plugin";
            Problem::Unknown { what, name, hint }
        };
        // Where the name of the instance stands for the plugin's, that is the place to correct.
        let origin = match &plugin.origin {
            Origin::Default => self
                .instance(kind, instance)
                .map_or(&Origin::Default, |node| &node.origin),
            origin => origin,
        };
        vec![origin.error(key, problem)]
    }

    /// Holds the settings of one instance against a schema (JSON text).
    pub(crate) fn check_settings(&self, kind: Kind, instance: &str, schema: &str) -> Vec<ConfigError> {
        let Some(node) = self.instance(kind, instance) else {
            return Vec::new();
        };
        let plugin = node.get("plugin").and_then(Node::text).unwrap_or_default();
        let key = format!("{}.{instance}.settings", section(kind));
        let Some(settings) = node.get("settings") else {
            return Vec::new();
        };
        if settings.origin == Origin::Default {
            // Nothing was written there, so that the instance is the nearest place.
            let mut settings = settings.clone();
            settings.origin = node.origin.clone();
            return check_settings(plugin, schema, &settings, &key);
        }
        check_settings(plugin, schema, settings, &key)
    }

    /// What a plugin said of the settings of its instance, as `settings.KEY: reason`, at the place of that key.
    pub(crate) fn refused_by_plugin(&self, kind: Kind, instance: &str, message: &str) -> ConfigError {
        let top = format!("{}.{instance}.", section(kind));
        let (key, reason) = match message.split_once(": ") {
            Some((key, reason)) if key.starts_with("settings.") && !key.contains(' ') => (key, reason),
            _ => ("settings", message),
        };
        let mut origin = &Origin::Default;
        let mut node = self.instance(kind, instance);
        let mut parts = key.split('.');
        while let Some(found) = node {
            if found.origin != Origin::Default {
                origin = &found.origin;
            }
            node = parts.next().and_then(|part| found.get(part));
        }
        origin.error(top + key, Problem::Settings(reason.to_owned()))
    }

    /// Warns of what is asked of channels whose plugins cannot do it.
    pub(crate) fn doubts(&self, known: &[KnownPlugin]) -> Vec<String> {
        let mut doubts = Vec::new();
        for (name, channel) in &self.config.channels {
            let plugin = &channel.plugin;
            let of_channels = |known: &&KnownPlugin| known.kind == Kind::Channel && known.name == *plugin;
            let Some(found) = known.iter().find(of_channels) else {
                continue;
            };
            let can = |capability| found.capabilities & capability as u64 != 0;
            let mut doubt = |key: &str, reason: &str| {
                let instance = self.instance(Kind::Channel, name);
                let written = |node: &&Node| node.origin != Origin::Default;
                let node = instance
                    .and_then(|node| node.get(key))
                    .filter(written)
                    .or(instance);
                let origin = node.map_or(&Origin::Default, |node| &node.origin);
                doubts.push(format!("{origin}: key `channels.{name}.{key}`: {reason}"));
            };
            if channel.streaming == Some(true) && !can(Capability::Edit) {
                doubt(
                    "streaming",
                    &format!(
                        "plugin `{plugin}` cannot edit messages, so that answers are sent when they are complete"
                    ),
                );
            }
            let nobody = channel.allow_from.is_empty() && !channel.pairing;
            if nobody && !channel.open && !can(Capability::Authenticates) {
                doubt("allow_from", &nobody_may_write(name));
            }
            if channel.pairing && can(Capability::Authenticates) && channel.allow_from.is_empty() {
                doubt(
                    "pairing",
                    &format!(
                        "plugin `{plugin}` establishes by itself who speaks, so that nobody gets a code"
                    ),
                );
            }
        }
        doubts
    }

    fn instance(&self, kind: Kind, name: &str) -> Option<&Node> {
        self.effective.get(section(kind))?.get(name)
    }
}

/// What to do where an allow list is empty.
pub(crate) fn nobody_may_write(channel: &str) -> String {
    format!(
        "nobody may write to this channel; put ids into `channels.{channel}.allow_from`, or set \
         `channels.{channel}.pairing` to true, write to it, and run `miniclaw pairing approve CODE` with the code that \
         you are told"
    )
}

fn section(kind: Kind) -> &'static str {
    match kind {
        Kind::Channel => "channels",
        _ => "providers",
    }
}
